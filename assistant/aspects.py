"""What reviews speak of: the names of aspects, the wishes that ask for one, and how far buyers are pleased with it."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from catalog.amounts import plain
from catalog.tables import load_table
from catalog.types import Language, Opinion, Product


def aspect_name(aspect: str, language: Language) -> str:
    """What an aspect is called."""
    name: str = _table()[aspect][language]
    return name


@cache
def aspects() -> tuple[str, ...]:
    """All of them, in the order of the file."""
    return tuple(_table())


def asked_aspects(wishes: Iterable[str]) -> frozenset[str]:
    """The aspects that the words of wishes ask for.

    >>> sorted(asked_aspects(["good battery", "red"])), sorted(asked_aspects(["续航好"]))
    (['battery'], ['battery'])
    """
    return frozenset(aspect for wish in wishes for aspect in _asked(wish))


def opinions_of(product: Product, wanted: frozenset[str]) -> tuple[Opinion, ...]:
    """What buyers say of those aspects of a product."""
    return tuple(o for o in product.opinions if o.aspect in wanted)


@cache
def _asked(wish: str) -> tuple[str, ...]:
    text = f" {plain(wish)} "
    return tuple(a for a, row in _table().items() if any(_within(word, text) for word in row["words"]))


def _within(word: str, text: str) -> bool:
    return (word if word[0] >= "\u4e00" else f" {word} ") in text


def _table() -> Mapping[str, Any]:
    table: Mapping[str, Any] = load_table("aspects.yaml", "assistant")
    return table
