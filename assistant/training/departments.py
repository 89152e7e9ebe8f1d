"""Departments that no shop has: made-up kinds, brands and properties, so that a model learns to read a shop's schema.

Whoever knows what a guitar is does not look it up. Of words that nobody knows only the schema tells what they are.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from assistant.schema import AttributeSchema
from assistant.training.lexicon import Department, Lexicon
from catalog.types import Language

_DEPARTMENTS = 3  # of a made-up shop
_COUNTS = {"category": 10, "brand": 5, "material": 5, "feature": 12, "style": 4, "size": 5}
_WRITTEN = 0.3  # share of a made-up department's words that are real ones, of any department
_MISSING = 0.15  # share of values that the records of a shop do not name
_SYLLABLES = (
    "bar", "cor", "dal", "fen", "gris", "hol", "jin", "ket", "lam", "mor", "nub", "pel", "quor", "rud", "sten", "tam",
    "ulk", "vash", "wex", "yor", "zim", "brac", "clo", "drin", "flim", "gorp", "plin", "skar", "thun", "trov",
)  # fmt: skip
_ENDINGS = ("er", "et", "le", "ing", "on", "ock", "ish", "y", "ine", "um", "ed", "al")
_CHARACTERS = (
    "钩棱榫阀梭舵桨弦簧楔磨滤嵌铆镗泵轴筛槽环卡栓链杆罩垫圈棒锥辊辐钳锯锉锚浮标饵线轮篷桅帆鞍蹄缰镫笼蜂巢蜡坯釉窑绣绷梭纱锭"
    "碳镍铬钨锌铜锡胶脂绒革麻藤柏桦榉枫桉硬韧疏密速缓高低双单前后左右内外防抗耐免自快静"
)
# What feeds call properties, beside the names that frames know.
_PROPERTIES: Mapping[Language, Sequence[str]] = {
    "en": ("type", "fit", "power", "season", "level", "closure", "shape", "finish", "capacity", "grade", "position",
           "compatibility", "pattern", "use", "mount", "flavour", "technique", "special", "fits", "format", "range"),
    "zh": ("类型", "适用", "功率", "季节", "等级", "形状", "工艺", "容量", "位置", "兼容", "图案", "用途", "安装", "口味", "特性",
           "规格", "系列", "接口", "功能", "type", "feature"),
}  # fmt: skip


def invented(lexicon: Lexicon, rng: random.Random) -> Lexicon:
    """A lexicon whose departments are made up; what all departments share stays."""
    written = {facet: [w for d in lexicon.departments for w in d.words.get(facet, ())] for facet in _COUNTS}
    return replace(lexicon, departments=[_department(written, lexicon.language, rng) for _ in range(_DEPARTMENTS)])


def schema_of(lexicon: Lexicon, rng: random.Random) -> AttributeSchema:
    """What the records of a shop with a lexicon's departments might call things.

    Properties are dealt out to names of its own; some values are missing.
    """
    attributes: dict[str, list[str]] = {}
    for department in lexicon.departments:
        names = rng.sample(_PROPERTIES[lexicon.language], 3)
        for facet in _COUNTS:
            for word in department.words.get(facet, ()):
                if rng.random() >= _MISSING:
                    name = rng.choice(names) if facet == "feature" else facet
                    attributes.setdefault(name, []).append(word)
    for facet in ("color", "occasion"):
        attributes[facet] = [w for w in lexicon.shared.get(facet, ()) if rng.random() >= _MISSING]
    return AttributeSchema.of({name: list(dict.fromkeys(words)) for name, words in attributes.items()})


def _department(written: Mapping[str, Sequence[str]], language: Language, rng: random.Random) -> Department:
    words = {
        facet: list(dict.fromkeys(_word(facet, written[facet], language, rng) for _ in range(count)))
        for facet, count in _COUNTS.items()
    }
    return Department("made up", words, (5, 2_000))


def _word(facet: str, written: Sequence[str], language: Language, rng: random.Random) -> str:
    if written and rng.random() < _WRITTEN:
        return rng.choice(written)
    if facet == "size" or (facet == "feature" and rng.random() < 0.2):
        return _code(rng)
    if language == "zh":
        return "".join(rng.sample(_CHARACTERS, rng.choice((2, 3, 3, 4))))
    made = [_made(rng) for _ in range(rng.choice((1, 1, 2)))]
    if facet == "brand":
        return " ".join(made).title()
    plural = "s" if facet == "category" and rng.random() < 0.6 else ""
    return " ".join(made) + plural


def _made(rng: random.Random) -> str:
    return "".join(rng.sample(_SYLLABLES, rng.choice((1, 1, 2)))) + rng.choice(_ENDINGS)


def _code(rng: random.Random) -> str:
    """A measure or a model, such as 5W-30, M8 or 12V."""
    number, letter = rng.choice((1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 36, 48, 60)), rng.choice("ABCDHKMRTVWX")
    return rng.choice((f"{letter}{number}", f"{number}{letter}", f"{number}{letter}-{rng.randint(2, 60)}"))
