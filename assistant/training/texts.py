"""Texts that the adapter learns beside turns and goods: captions of picks, readings of reviews, briefs for staff."""

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from assistant.aspects import aspects as all_aspects
from assistant.brief import Speaker
from assistant.training.draft import Turn
from assistant.training.lexicon import Department, Lexicon
from assistant.types import LIST_SLOTS
from catalog.tables import load_table
from catalog.types import Language

_ASIDES = 0.25  # share of reviews that begin with what is neither praise nor blame
_BRIEF_WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "wants": "Wants", "limits": "Limits", "opinion": "Said of picks", "mood": "Mood", "open": "Open",
        "none": "nothing", "not": "no", "max": "at most", "min": "at least", "about": "about",
    },
    "zh": {
        "wants": "想要", "limits": "限制", "opinion": "对推荐的看法", "mood": "情绪", "open": "待处理",
        "none": "无", "not": "不要", "max": "最高", "min": "最低", "about": "大约",
    },
}  # fmt: skip
_MOOD_WORDS: Mapping[Language, Mapping[int, str]] = {
    "en": {-2: "very upset", -1: "not content", 0: "calm", 1: "content", 2: "delighted"},
    "zh": {-2: "很生气", -1: "不太满意", 0: "平静", 1: "满意", 2: "很高兴"},
}
_SHOP_SAYS: Mapping[Language, Sequence[str]] = {
    "en": ("Here are three that fit.", "These match what you said.", "Let me look that up.", "Here is what I found."),
    "zh": ("这几款符合您的要求。", "为您找到了这些。", "我帮您看一下。", "您看看这几个。"),
}


def caption(lexicon: Lexicon, rng: random.Random) -> tuple[str, str]:
    """(facts, sentence) about a made-up pick; the facts are worded as `assistant.explain.facts` has them."""
    en = lexicon.language == "en"
    department = rng.choice(lexicon.departments)
    brand = rng.choice(lexicon.words("brand", department))
    kind = rng.choice(lexicon.words("category", department))
    title = f"{brand} {rng.choice(lexicon.words('color', department))} {kind}" if en else f"{brand}{kind}"
    properties = _properties(lexicon, department, rng)
    wishes = rng.sample(properties, rng.choice((0, 1, 1, 2)))
    known = rng.random() < 0.35
    line = ("; " if en else "；").join([title, *properties])
    if wishes:
        line += (". Asked for: " if en else "。顾客要：") + ", ".join(wishes)
    if known:
        line += (". Bought before: " if en else "。买过：") + brand
    sort = "_".join(["wish"] * bool(wishes) + ["brand"] * known) or "plain"
    rest = [p for p in properties if p not in wishes]
    one, two = (rest + properties)[:2]
    template = rng.choice(_load("captions")[lexicon.language][sort])
    wish = (" and " if en else "和").join(wishes)
    return line, template.format(name=title, one=one, two=two, wish=wish, brand=brand)


def review(language: Language, rng: random.Random) -> tuple[str, dict[str, Any]]:
    """(text, reading) of a made-up review of one to four aspects, praising some and blaming others."""
    words = _load("reviews")[language]
    polarity = rng.choice(("positive", "negative"))
    sides = {"positive": ("good", "bad"), "negative": ("bad", "good")}[polarity]
    aspects = rng.sample(all_aspects(), rng.choice((1, 2, 2, 3, 4)))
    turned = rng.randrange(1, len(aspects)) if len(aspects) > 1 and rng.random() < 0.4 else len(aspects)
    said: dict[str, list[str]] = {"good": [], "bad": []}
    text = rng.choice(words["aside"]) + rng.choice(words["joiners"]) if rng.random() < _ASIDES else ""
    for at, aspect in enumerate(aspects):
        side = sides[at >= turned]
        if at:
            text += rng.choice(words["turns" if at == turned else "joiners"])
        text += rng.choice(words[aspect][side])
        said[side].append(aspect)
    # Where praise and blame weigh the same, only the last word tells which review it is.
    if turned < len(aspects) or rng.random() < 0.4:
        text += rng.choice(words["joiners"]) + rng.choice(words[f"{sides[0]}_end"])
    tags = list(dict.fromkeys(re.findall(r"_([^_]+)_", text)))[:4]
    text = text.replace("_", "")
    if language == "en" and rng.random() < 0.6:
        text = text[0].upper() + text[1:] + rng.choice((".", "!", ""))
    return text, {"polarity": polarity, "good": said["good"], "bad": said["bad"], "tags": tags}


def brief(turns: Sequence[Turn], rng: random.Random) -> tuple[list[tuple[Speaker, str]], str]:
    """(conversation, its five lines); `turns` are of one language, in order."""
    language = turns[0].language
    conversation: list[tuple[Speaker, str]] = []
    for turn in turns:
        conversation += [("shopper", turn.text), ("shop", rng.choice(_SHOP_SAYS[language]))]
    return conversation[:-1], "\n".join(_brief_lines(turns, language))


def _brief_lines(turns: Sequence[Turn], language: Language) -> list[str]:
    words = _BRIEF_WORDS[language]
    wants: list[str] = []
    limits: list[str] = []
    for turn in turns:
        slots = turn.frame["slots"]
        for name in ("category", *LIST_SLOTS):
            wants += slots.get(name, [])
        wants += [slots[name] for name in ("occasion", "recipient") if name in slots]
        for name in ("min", "max", "about"):
            if f"price_{name}" in slots:
                limits.append(f"{words[name]} {slots[f'price_{name}']}")
        limits += [f"{words['not']} {word}" for group in turn.frame["exclude"].values() for word in group]
    opinions = [t.text for t in turns if t.frame["intent"] == "feedback"]
    questions = [t.text for t in turns if t.frame["intent"] in ("ask", "order", "human", "cart", "compare")]
    mood = _MOOD_WORDS[language][turns[-1].frame["mood"]]
    comma, colon = (", ", ": ") if language == "en" else ("、", "：")
    values = {
        "wants": comma.join(dict.fromkeys(wants)),
        "limits": comma.join(dict.fromkeys(limits)),
        "opinion": opinions[-1] if opinions else "",
        "mood": mood,
        "open": questions[-1] if questions else "",
    }
    return [f"{words[name]}{colon}{value or words['none']}" for name, value in values.items()]


def _properties(lexicon: Lexicon, department: Department, rng: random.Random) -> list[str]:
    features = list(lexicon.words("feature", department))
    chosen = rng.sample(features, min(len(features), rng.choice((2, 2, 3))))
    for facet in ("color", "material", "style"):
        if rng.random() < 0.5 and (words := lexicon.words(facet, department)):
            chosen.insert(0, rng.choice(words))
    return list(dict.fromkeys(chosen))


def _load(name: str) -> Any:
    return load_table(f"phrasings/{name}.yaml", "assistant.training")
