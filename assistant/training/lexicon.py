"""The words that phrasings are filled with: a written lexicon, and any imported catalog's own vocabulary."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from assistant.frame import language_of
from catalog.types import Language, Product

# Facets that differ by department; all others are shared by a language.
DEPARTMENT_FACETS = ("category", "brand", "material", "size", "feature", "style", "model")


@dataclass(frozen=True)
class Department:
    """Things sold together: words by facet, and a usual range of prices."""

    name: str
    words: Mapping[str, Sequence[str]]
    price: tuple[int, int]


@dataclass(frozen=True)
class Lexicon:
    """All words of one language."""

    language: Language
    departments: Sequence[Department]
    shared: Mapping[str, Sequence[str]]
    slot_names: Mapping[str, Sequence[str]]
    fact_names: Mapping[str, Sequence[str]]
    ordinals: Mapping[str, Sequence[str]] = field(default_factory=dict)
    pairs: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def words(self, facet: str, department: Department) -> Sequence[str]:
        """The words of a facet, the department's own before the shared ones."""
        return department.words.get(facet) or self.shared.get(facet, ())


@cache
def load_lexicon(language: Language) -> Lexicon:
    """The written lexicon of a language."""
    raw = yaml.safe_load(files("assistant.training").joinpath(f"lexicon/{language}.yaml").read_text("utf-8"))
    departments = [_department(name, words) for name, words in raw.pop("departments").items()]
    tables = {
        name: {str(k): v for k, v in raw.pop(name).items()}
        for name in ("slot_names", "fact_names", "ordinals", "pairs")
    }
    return Lexicon(language, departments, {facet: _split(words) for facet, words in raw.items()}, **tables)


def with_catalog(lexicon: Lexicon, products: Iterable[Product]) -> Lexicon:
    """The lexicon with one more department for each top category of a catalog."""
    words: dict[str, dict[str, dict[str, None]]] = {}
    prices: dict[str, list[float]] = {}
    for product in products:
        text = product.texts.get(lexicon.language)
        if text is None or not text.category:
            continue
        top = text.category[0]
        found = words.setdefault(top, {facet: {} for facet in DEPARTMENT_FACETS})
        prices.setdefault(top, []).append(float(product.price))
        found["category"][text.category[-1].lower()] = None
        found["brand"].update(dict.fromkeys(_in_language(product.brand, lexicon.language)))
        for facet in ("material", "size", "feature", "style"):
            found[facet].update(dict.fromkeys(product.values(facet, lexicon.language)))
        found["size"].update({v.size: None for v in product.variants if v.size})
    departments = [
        Department(top, {f: list(w) for f, w in found.items() if w}, _usual(prices[top]))
        for top, found in words.items()
    ]
    return replace(lexicon, departments=[*lexicon.departments, *departments])


def _in_language(brand: str, language: Language) -> list[str]:
    """`Velora 维洛` is Velora in English and 维洛 in Chinese; a name in one script serves both."""
    parts = [p for p in brand.split(" ") if (language_of(p) == language)] if language_of(brand) == "zh" else [brand]
    return [" ".join(parts)] if any(parts) else []


def _department(name: str, raw: Mapping[str, Any]) -> Department:
    low, high = raw["price"]
    return Department(name, {f: _split(raw[f]) for f in DEPARTMENT_FACETS if f in raw}, (low, high))


def _split(words: str) -> list[str]:
    return [w.strip() for w in words.split(", ")]


def _usual(prices: Sequence[float]) -> tuple[int, int]:
    ordered = sorted(prices)
    return max(1, int(ordered[len(ordered) // 10])), max(2, int(ordered[len(ordered) * 9 // 10]))
