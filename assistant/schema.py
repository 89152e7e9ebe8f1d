"""What the shop's records call things, told to the model with a message: how a department that no training has seen is read.

A record's attributes are its department's schema: `{"category": ["brake pads"], "position": ["front", "rear"]}`. With
"front pads under 200" the model is shown the lines of it that share words with the message, as retrieval of fields and
values does for text-to-SQL (Lin et al., "Bridging Textual and Tabular Data for Cross-Domain Text-to-SQL", 2020).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from assistant.frame import language_of, readable
from catalog.amounts import plain
from catalog.following import Following
from catalog.types import LANGUAGES, Language

MOST_VALUES = 10  # shown with a message
MOST_PROPERTIES = 5_000  # the commonest values of a shop that are looked among
SHARED = 0.5  # of a value's words that a message must have
LONGEST = 40  # characters: what is longer is text, no value
_NO_WORDS = frozenset({"a", "and", "for", "in", "of", "on", "the", "to", "with"})
_WORD = re.compile(r"[^\W_\u4e00-\u9fff]+|[\u4e00-\u9fff]+")


@dataclass(frozen=True)
class AttributeSchema:
    """Values by the name of their attribute, to be looked up by words."""

    values: tuple[tuple[str, str], ...]  # (attribute, value)
    _words: tuple[int, ...]  # of each value
    _by_key: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, attributes: Mapping[str, Iterable[str]]) -> "AttributeSchema":
        """Of attributes and their values."""
        values = tuple((readable(name), shown) for name, own in attributes.items() for v in own if (shown := _shown(v)))
        keys = [_keys(value) for _, value in values]
        by_key = defaultdict[str, list[int]](list)
        for at, own in enumerate(keys):
            for key in own:
                by_key[key].append(at)
        return cls(values, tuple(map(len, keys)), {key: tuple(places) for key, places in by_key.items()})

    def line(self, message: str) -> str:
        """What of the schema a message may mean, the nearest first; empty if nothing.

        >>> AttributeSchema.of({"category": ["brake pads"], "position": ["front", "rear"]}).line("front pads under 200")
        'position front; category brake pads'
        """
        found: dict[str, list[str]] = {}
        for name, value in self._nearest(message):
            found.setdefault(name, []).append(value)
        return "; ".join(f"{name} {', '.join(values)}" for name, values in found.items())

    def _nearest(self, message: str) -> list[tuple[str, str]]:
        """The values that have enough words in common with a message."""
        shared = defaultdict[int, int](int)
        for key in _keys(message):
            for at in self._by_key.get(key, ()):
                shared[at] += 1
        scored = [(count / self._words[at], count, -at) for at, count in shared.items()]
        nearest = sorted((s for s in scored if s[0] >= SHARED), reverse=True)
        return [self.values[-place] for _, _, place in nearest[:MOST_VALUES]]


class Source(Protocol):
    """Where the attributes come from: a catalog."""

    def version(self) -> int:
        """Another number after each change."""
        ...

    def attribute_values(self, language: Language, limit: int) -> dict[str, list[str]]:
        """What feeds name in a language, the commonest values by attribute."""
        ...


class ShopSchema:
    """The schema of a shop in each language, as its catalog is now; a message is shown that of its own language."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._languages = Following(source.version, self._read)

    def line(self, message: str) -> str:
        """What of the schema a message may mean."""
        return self._languages()[language_of(message)].line(message)

    def _read(self) -> dict[Language, AttributeSchema]:
        return {one: AttributeSchema.of(self._source.attribute_values(one, MOST_PROPERTIES)) for one in LANGUAGES}


def _shown(value: str) -> str:
    """A value as the model reads it; empty for one that is no value, or would be taken for two."""
    text = readable(value)
    return "" if len(text) > LONGEST or set(text) & set(",;") else text


def _keys(text: str) -> set[str]:
    """What texts are compared by: words without the s of many, of Chinese each two characters that follow each other."""
    return set(_split(plain(text)))


def _split(text: str) -> Iterator[str]:
    for word in _WORD.findall(text):
        if word[0] < "\u4e00" or word[0] > "\u9fff":
            yield from {word.removesuffix("s")} - _NO_WORDS
        else:
            yield from (word[at : at + 2] for at in range(max(1, len(word) - 1)))
