"""Phrasings: sections of lines in a small notation, and their expansion to words with known meaning.

A line is text with

    <rule>          one line of the section `rule`
    {slot}          a word of that slot; {slot>other} files it under another slot
    {!slot}         a word that must not be
    {=field}        a fact about the shopper
    {~} {~slot}     the name of an active slot that is dropped (now and then of one that is not active, so that
                    nothing is); the active value of a slot
    {#} {##}        one shown product ("the second one"); two or three of them
    {@category}     the active category, said again
    {&category}     the category of this very text, said again
    {_slot}         a word that is only mentioned
    {a}             the article that fits
    {person}        a first name

and, after ` | `, what the words do not show: `mood=-1 sort=price_asc drop=brand items=1,2 intent=ask`
and `slots.category="hair extensions"`, whose words stand in the line. `weight=5` makes a line as frequent
as five others.
"""

import random
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from zlib import crc32

from catalog.types import Language

HELD_OUT = 8  # one phrasing in so many is kept for the test
_TOKEN = re.compile(r"<\w+>|\{[^}]*\}")


@dataclass(frozen=True)
class Phrasing:
    """One line: its pieces in order and what its directives say. `key` tells it from all others."""

    key: str
    pieces: tuple[str, ...]
    effects: Mapping[str, str] = field(default_factory=dict)
    held_out: bool = False
    weight: float = 1.0


@dataclass(frozen=True)
class Grammar:
    """The sections of one language."""

    language: Language
    rules: Mapping[str, tuple[Phrasing, ...]]

    def choose(self, rule: str, rng: random.Random, held_out: bool) -> Phrasing:
        """A line of `rule`; one that is held out only if `held_out` allows."""
        lines = [line for line in self.rules[rule] if held_out or not line.held_out]
        return rng.choices(lines, [line.weight for line in lines])[0]


@cache
def load_grammar(language: Language) -> Grammar:
    """The phrasings of a language."""
    text = files("assistant.training").joinpath(f"phrasings/{language}.txt").read_text("utf-8")
    return Grammar(language, parse_grammar(text.splitlines()))


def parse_grammar(lines: Iterable[str]) -> dict[str, tuple[Phrasing, ...]]:
    """Sections to phrasings. Raises `ValueError` for a rule that no section defines.

    >>> rules = parse_grammar(["[find]", "<want> {category} | mood=1", "[want]", "I need"])
    >>> rules["find"][0].pieces, rules["find"][0].effects
    (('<want>', ' ', '{category}'), {'mood': '1'})
    """
    sections: dict[str, list[Phrasing]] = {}
    for line in lines:
        if line.startswith("[") and line.endswith("]"):
            current = sections.setdefault(line[1:-1], [])
        elif line and not line.startswith("//"):
            current.append(_phrasing(next(reversed(sections)), line))
    named = {p[1:-1] for lines_ in sections.values() for line in lines_ for p in line.pieces if is_rule(p)}
    if unknown := named - set(sections):
        raise ValueError(f"no section defines {', '.join(sorted(unknown))}")
    return {name: _with_one_to_train(lines_) for name, lines_ in sections.items()}


def is_rule(piece: str) -> bool:
    """Whether a piece is a `<rule>`, not words with a "<" in them."""
    return re.fullmatch(r"<\w+>", piece) is not None


def _phrasing(rule: str, line: str) -> Phrasing:
    text, _, directives = line.partition(" | ")
    effects = dict(part.split("=", 1) for part in shlex.split(directives))
    weight = float(effects.pop("weight", 1))
    key = f"{rule}: {line}"
    return Phrasing(key, tuple(_pieces(text)), effects, crc32(key.encode()) % HELD_OUT == 0, weight)


def _with_one_to_train(lines: list[Phrasing]) -> tuple[Phrasing, ...]:
    if all(line.held_out for line in lines):
        lines[0] = replace(lines[0], held_out=False)
    return tuple(lines)


def _pieces(text: str) -> Iterable[str]:
    at = 0
    for match in _TOKEN.finditer(text):
        if match.start() > at:
            yield text[at : match.start()]
        yield match.group()
        at = match.end()
    if at < len(text):
        yield text[at:]
