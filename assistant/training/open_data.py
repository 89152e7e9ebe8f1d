"""Openly licensed sets that a recipe or an evaluation may read from a folder; nothing of them is kept.

ec-ner-zh/{train,dev}   Chinese shoppers' utterances with product, brand, model, specification, material
zh-reviews/{pos,neg}.txt.gz   Chinese reviews, praise and blame
"""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from assistant.frame import spans

# Entity type of the set -> our slot.
ENTITY_SLOTS = {"cp": "category", "pp": "brand", "gg": "size", "xh": "feature", "yl": "material"}
# Words around an entity that name no wish: an utterance of entities and these alone is labelled completely.
_FILLERS = (
    "我要买", "我想买", "我要找", "我想要", "我要", "想买", "有没有", "推荐一款", "推荐", "多少钱", "哪个好", "哪款好",
    "什么牌子好", "怎么样", "有吗", "好吗", "请问", "你好", "给我", "帮我", "一个", "一款", "的", "吗", "呢", "啊", "有",
    "找", "买", "和", "？", "?", "。", "，", " ", "、", "！",
)  # fmt: skip
REVIEW_TEST = 20  # one review in so many is for the test


@dataclass(frozen=True)
class Utterance:
    """A line of ec-ner-zh: its text and its (slot, words) entities in order."""

    text: str
    entities: tuple[tuple[str, str], ...]

    def complete(self) -> bool:
        """Whether entities and fillers are all that it says, so that it is a whole frame."""
        rest = self.text
        for _, words in sorted(self.entities, key=lambda e: -len(e[1])):
            rest = rest.replace(words, "\0")
        for filler in _FILLERS:
            rest = rest.replace(filler, "\0")
        return not rest.replace("\0", "")

    def slots(self) -> dict[str, list[str]]:
        """The entities as slots, at most three words each, those only that a frame can copy."""
        copied = set(spans(self.text))
        found: dict[str, list[str]] = {}
        for slot, words in self.entities:
            if words in copied and words not in found.setdefault(slot, []) and len(found[slot]) < 3:
                found[slot].append(words)
        return {slot: words for slot, words in found.items() if words}


def utterances(data: Path, part: str) -> list[Utterance]:
    """`train` or `dev` of ec-ner-zh in `data`. Raises `FileNotFoundError`."""
    lines = (data / "ec-ner-zh" / part).read_text("utf-8").splitlines()
    return [_utterance(block) for block in _blocks(lines)]


def reviews(data: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(train, test) of zh-reviews: (text, "positive" or "negative") without duplicates.

    Which side a text is on hangs on the text alone. Raises `FileNotFoundError`.
    """
    labels: dict[str, str] = {}
    for name, polarity in (("pos", "positive"), ("neg", "negative")):
        with gzip.open(data / "zh-reviews" / f"{name}.txt.gz", "rt", encoding="utf-8", errors="replace") as lines:
            labels |= {text: polarity for line in lines if (text := line.strip())}
    train = [(t, p) for t, p in labels.items() if crc32(t.encode()) % REVIEW_TEST]
    return train, [(t, p) for t, p in labels.items() if not crc32(t.encode()) % REVIEW_TEST]


def _blocks(lines: list[str]) -> Iterator[list[tuple[str, str]]]:
    block: list[tuple[str, str]] = []
    for line in [*lines, ""]:
        if parts := line.split():
            block.append((parts[0] if len(parts) > 1 else " ", parts[-1]))
        elif block:
            yield block
            block = []


def _utterance(block: list[tuple[str, str]]) -> Utterance:
    entities: list[list[str]] = []
    open_entity = False
    for character, tag in block:
        if tag.startswith("B-"):
            entities.append([ENTITY_SLOTS[tag[2:]], character])
            open_entity = True
        elif tag.startswith("I-") and open_entity:
            entities[-1][1] += character
        else:
            open_entity = False
    return Utterance("".join(c for c, _ in block), tuple((slot, words) for slot, words in entities))
