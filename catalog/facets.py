"""Facets: the properties that filters ask for, and what shoppers call them.

A facet value is canonical: 红色, red and scarlet are all `red`. The words come from
`vocabulary.yaml`; values that it does not know (brands, a shop's own categories) stand for
themselves in plain spelling.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files

import snowballstemmer
import yaml
from rapidfuzz import process
from rapidfuzz.fuzz import ratio

from catalog.amounts import normalize_size, plain
from catalog.types import FACETS, Product

BRAND_TYPO = 88  # of 100: two typing errors in a long name, none in a short one
_ATTRIBUTE_NAMES = {
    "color": ("color", "colour", "颜色", "color_family"),
    "material": ("material", "材质", "面料", "fabric"),
    "size": ("size", "尺码", "尺寸"),
}
_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?|[\u4e00-\u9fff]+")
_stemmer = snowballstemmer.stemmer("english")


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """`shoes` and `shoe` as one; Chinese as it is."""
    return str(_stemmer.stemWord(word))


@lru_cache(maxsize=65_536)  # a feed says the same few thousand words again and again
def key(text: str) -> str:
    """Text as words are compared: plain, English words stemmed, single spaces."""
    return " ".join(stem(w) for w in _WORD.findall(plain(text)))


@dataclass(frozen=True)
class Vocabulary:
    """Words for canonical values, per facet: `words[facet][key] = canonical`."""

    words: Mapping[str, Mapping[str, str]]
    broader: Mapping[str, str]

    @classmethod
    @cache
    def load(cls) -> "Vocabulary":
        """The vocabulary that ships with the package."""
        raw = yaml.safe_load(files("catalog").joinpath("vocabulary.yaml").read_text("utf-8"))
        words = {
            facet: {key(w): name for name, entry in names.items() for w in (name, *entry["words"])}
            for facet, names in raw.items()
        }
        broader = {n: e["is_a"] for names in raw.values() for n, e in names.items() if "is_a" in e}
        return cls(words, broader)

    def canonical(self, facet: str, word: str) -> str:
        """The canonical value of `word`, or its own plain form if the vocabulary lacks it."""
        if facet == "size":
            return normalize_size(word)
        return self.words.get(facet, {}).get(key(word), plain(word))

    def with_broader(self, value: str) -> Iterator[str]:
        """`navy`, `blue`: a value and what it is a kind of."""
        yield value
        if value in self.broader:
            yield from self.with_broader(self.broader[value])

    def aliases(self, facet: str, value: str) -> tuple[str, ...]:
        """Every key that means `value` or a kind of it; `value` itself if there is none."""
        keys = tuple(k for k, name in self.words.get(facet, {}).items() if value in self.with_broader(name))
        return keys or (value,)

    def mentions(self, facet: str, text: str) -> tuple[str, ...]:
        """Canonical values that `text` names, longest words first, each place read once."""
        found: dict[str, None] = {}
        rest = f" {key(text)} "
        for pattern, name in self._patterns[facet]:
            if pattern.search(rest):
                found[name] = None
                rest = pattern.sub(" ", rest)
        return tuple(found)

    @cached_property
    def _patterns(self) -> Mapping[str, tuple[tuple[re.Pattern[str], str], ...]]:
        """Longest first. One Chinese character is no evidence (红 in 红茶), so it is left out."""
        return {
            facet: tuple(
                (re.compile(re.escape(k) if is_chinese(k) else rf"(?<= ){re.escape(k)}(?= )"), name)
                for k, name in sorted(words.items(), key=lambda item: -len(item[0]))
                if len(k) > 1
            )
            for facet, words in self.words.items()
        }


def facet_values(product: Product, vocabulary: Vocabulary) -> set[tuple[str, str]]:
    """The (facet, canonical value) pairs of a product.

    Colour and material come from the feed's attributes and variants; a feed that gives none is
    read for them in the title, and failing that in the description.
    """
    pairs: set[tuple[str, str]] = set()

    def add(facet: str, words: Iterable[str]) -> None:
        for word in filter(None, words):
            for value in vocabulary.with_broader(vocabulary.canonical(facet, word)):
                pairs.add((facet, value))

    for text in product.texts.values():
        add("department", text.category[:1])
        add("category", text.category)
    add("brand", [product.brand])
    add("size", (v.size for v in product.variants))
    add("color", (v.color for v in product.variants))
    for facet, names in _ATTRIBUTE_NAMES.items():
        add(facet, (value for name in names for value in product.values(name)))
    for facet in ("color", "material"):
        if not any(f == facet for f, _ in pairs):
            titles = " ".join(t.title for t in product.texts.values())
            descriptions = " ".join(t.description for t in product.texts.values())
            add(facet, vocabulary.mentions(facet, titles) or vocabulary.mentions(facet, descriptions))
    return pairs


@dataclass(frozen=True)
class FacetIndex:
    """The facet values that a shop has, and which of them a shopper's words mean.

    Args:
        values: facet -> canonical values on sale.
        similar: words, values -> the values close in meaning (across languages), or nothing.
    """

    values: Mapping[str, frozenset[str]]
    vocabulary: Vocabulary
    similar: Callable[[str, tuple[str, ...]], tuple[str, ...]]

    def resolve(self, facet: str, word: str) -> frozenset[str]:
        """The shop's values that `word` means: equal, narrower, broader, or near in meaning.

        Empty when the shop has nothing of the kind; the caller decides what that means.
        """
        if facet not in FACETS:
            raise ValueError(f"facet {facet!r} is not one of {', '.join(FACETS)}")
        wanted = self.vocabulary.canonical(facet, word)
        have = self._keys.get(facet, {})
        if key(wanted) in have or facet == "size":
            return have.get(key(wanted), frozenset())
        if facet == "brand":
            return self._brand(key(wanted), have)
        if narrower := [k for k in have if _contains(k, key(wanted))]:
            return frozenset().union(*(have[k] for k in narrower))
        if facet in ("color", "material"):
            return self._part(facet, word, have)
        if contained := [k for k in have if _contains(key(wanted), k)]:
            return have[max(contained, key=len)]
        values = tuple(sorted(frozenset().union(*have.values())))
        return frozenset(self.similar(word, values))

    @cached_property
    def _keys(self) -> Mapping[str, Mapping[str, frozenset[str]]]:
        """Facet -> key -> the values spelt so (`shoe` and `Shoes` share a key)."""
        keys: dict[str, dict[str, frozenset[str]]] = {}
        for facet, values in self.values.items():
            for value in values:
                of = keys.setdefault(facet, {})
                name = value if facet == "size" else key(value)
                of[name] = of.get(name, frozenset()) | {value}
        return keys

    @staticmethod
    def _brand(wanted: str, have: Mapping[str, frozenset[str]]) -> frozenset[str]:
        close = process.extractOne(wanted, have.keys(), scorer=ratio, score_cutoff=BRAND_TYPO)
        return have[close[0]] if close else frozenset()

    def _part(self, facet: str, word: str, have: Mapping[str, frozenset[str]]) -> frozenset[str]:
        """A value named within the word, else its head: forest green is a green, 孔雀蓝 a 蓝."""
        wanted = plain(word)
        head = wanted[-1:] if is_chinese(wanted) else wanted.rpartition(" ")[2]
        for value in (*self.vocabulary.mentions(facet, word), self.vocabulary.canonical(facet, head)):
            if key(value) in have:
                return have[key(value)]
        return frozenset()


def mentioned(value: str, text: str) -> bool:
    """Whether a text has the words of a value."""
    return _contains(key(text), key(value))


def _contains(text: str, part: str) -> bool:
    """Whether the words of `part` stand in `text`; for Chinese, its characters."""
    if not part:
        return False
    return part in text if is_chinese(part) else f" {part} " in f" {text} "


def is_chinese(text: str) -> bool:
    """Whether any character is Chinese."""
    return any("\u4e00" <= c <= "\u9fff" for c in text)
