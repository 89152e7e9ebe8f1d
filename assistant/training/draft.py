"""One turn in the making: words with their roles, then the message and its frame."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from assistant.frame import MAX_MESSAGE, readable, spans
from assistant.training import numbers
from assistant.training.lexicon import Department, Lexicon
from assistant.training.noise import disturb
from assistant.types import LIST_SLOTS, NUMBER_SLOTS, PRICE_SLOTS, PROFILE_FIELDS
from catalog.amounts import parse_amount
from catalog.types import Language

_KNOWN = 0.15  # share of turns with facts known of the shopper
_IDLE = 0.15  # share of slots taken back that were not active: nothing is dropped then
_SWITCHED = 0.03  # share of Chinese values taken from English, as in 想买个backpack
_INVENTED = 0.12  # share of brands that no list has
_STATE_SLOTS = (
    "brand", "color", "size", "material", "style", "feature", "occasion", "recipient",
    "price_max", "price_min", "price_about", "rating_min",
)  # fmt: skip

# How chunks get written down: as they are, which of them keep their spelling, in what language.
Typist = Callable[[Sequence[str], Sequence[bool], Language, random.Random], list[str]]


class Unfit(Exception):
    """A phrasing that does not go with what has been chosen so far; another is tried."""


@dataclass(frozen=True)
class Turn:
    """A message, the limits active before it, and what it means.

    `known` names facts about the shopper. `frame` is what the model shall write, as `assistant.frame`
    has it: values are spans of `text`, `mood` is -2 to 2.
    """

    language: Language
    text: str
    slots: Mapping[str, Any]
    exclude: Mapping[str, tuple[str, ...]]
    known: tuple[str, ...]
    frame: Mapping[str, Any]
    held_out: bool


@dataclass
class _Chunk:
    text: str
    role: tuple[str, str] | None = None  # ("slots", "color"), ("exclude", ...), ("profile", ...)


@dataclass
class Draft:
    """A turn in the making: what is said so far, and what the state before it was."""

    lexicon: Lexicon
    english: Lexicon
    rng: random.Random
    later: bool
    chunks: list[_Chunk] = field(default_factory=list)
    effects: dict[str, str] = field(default_factory=dict)
    items: list[int] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    held_out: bool = False

    def __post_init__(self) -> None:
        self.department = self.rng.choice(self.lexicon.departments)
        self.slots: dict[str, Any] = self._state() if self.later else {}
        self.exclude = self._excluded() if self.later and self.rng.random() < 0.2 else {}
        facts = self.rng.sample(PROFILE_FIELDS, self.rng.choice((1, 1, 2))) if self.rng.random() < _KNOWN else []
        self.known = tuple(f for f in facts if f not in self.slots)

    def say(self, text: str) -> None:
        self.chunks.append(_Chunk(text))

    def fill(self, token: str) -> None:
        """Say what a `{token}` stands for."""
        if token == "a":
            self.chunks.append(_Chunk("a", ("article", "")))
        elif token in ("#", "##"):
            self._point("ordinals" if token == "#" else "pairs")
        elif token == "~":
            self._drop_by_name()
        elif token == "^":
            self._forget()
        elif token.startswith("~"):
            self.say(self._active(token[1:]))
        elif token.startswith("&"):
            self.say(self._said(token[1:]))
        elif token.startswith("@"):
            self._value("slots", token[1:], self._active(token[1:]))
        elif token.startswith("!"):
            self._value("exclude", token[1:], self._word(token[1:], self.department))
        elif token.startswith("="):
            self._fact(token[1:])
        elif token.startswith("_"):
            self.say(self._word(token[1:], self.rng.choice(self.lexicon.departments)))
        elif token == "person":
            self.say(self.rng.choice(self.lexicon.shared["people"]))
        else:
            self._slot(token)

    def finish(self, intent: str, held_out: bool, write: Typist = disturb) -> Turn:
        """The whole turn, as `write` puts its words. Raises `Unfit` where its parts contradict each other."""
        if held_out and not self.held_out:
            raise Unfit
        intent = self.effects.get("intent", intent)
        if intent == "refine" and not self.slots:
            raise Unfit
        self._articles()
        self._mark_spoken_slots()
        typed = write(
            [c.text for c in self.chunks], [_is_number(c) for c in self.chunks], self.lexicon.language, self.rng
        )
        text = "".join(typed)
        message = readable(text)
        if message != " ".join(text.split()) or len(message) >= MAX_MESSAGE or not message:
            raise Unfit
        return Turn(
            self.lexicon.language,
            message,
            self.slots,
            self.exclude,
            self.known,
            self._frame(typed, message, intent),
            self.held_out,
        )

    def _frame(self, typed: Sequence[str], message: str, intent: str) -> dict[str, Any]:
        frame: dict[str, Any] = {"mood": int(self.effects.get("mood", 0)), "slots": {}, "exclude": {}, "profile": {}}
        copied = set(spans(message))
        for chunk, said in zip(self.chunks, typed, strict=True):
            if chunk.role is None or chunk.role[0] == "article":
                continue
            if said not in copied:
                raise Unfit
            part, name = chunk.role
            if _is_many(part, name):
                frame[part].setdefault(name, []).append(said)
            elif frame[part].setdefault(name, said) != said:
                raise Unfit
        _check(frame)
        frame["drop"] = self._dropped()
        frame["items"] = self.items or [int(i) for i in self.effects.get("items", "").split(",") if i]
        if "sort" in self.effects:
            frame["slots"]["sort"] = self.effects["sort"]
        return {**frame, "intent": intent}

    # What may be active before the turn

    def _state(self) -> dict[str, Any]:
        names = self.rng.sample(_STATE_SLOTS, self.rng.choice((0, 1, 1, 2, 2, 3, 4)))
        slots: dict[str, Any] = {"category": self._word("category", self.department)}
        for name in names:
            if name in NUMBER_SLOTS:
                if name in PRICE_SLOTS and any(p in slots for p in PRICE_SLOTS):
                    continue
                slots[name] = self._price() if name in PRICE_SLOTS else Decimal(4)
            elif words := self.lexicon.words(name, self.department):
                slots[name] = (self.rng.choice(words),) if name in LIST_SLOTS else self.rng.choice(words)
        return slots

    def _excluded(self) -> dict[str, tuple[str, ...]]:
        facet = self.rng.choice(("color", "brand", "material"))
        words = self.lexicon.words(facet, self.department)
        return {facet: (self.rng.choice(words),)} if words else {}

    def _active(self, slot: str) -> str:
        value = self.slots.get(slot)
        if not value:
            raise Unfit
        return value if isinstance(value, str) else str(value[0])

    def _said(self, slot: str) -> str:
        said = next((c.text for c in self.chunks if c.role == ("slots", slot)), "")
        if not said:
            raise Unfit
        return said

    # Tokens

    def _slot(self, token: str) -> None:
        source, _, target = token.partition(">")
        target = target or source
        if target in PRICE_SLOTS:
            self._number(target, numbers.money(self._bounded(target), self.lexicon.language, self.rng))
        elif target in ("rating_min", "quantity"):
            write: Callable[[Language, random.Random], numbers.Said] = getattr(numbers, target.removesuffix("_min"))
            self._number(target, write(self.lexicon.language, self.rng))
        else:
            self._value("slots", target, self._word(source, self.department))

    def _number(self, name: str, said: numbers.Said) -> None:
        before, span, after = said
        self.say(before)
        self.chunks.append(_Chunk(span, ("slots", name)))
        self.say(after)

    def _value(self, part: str, name: str, word: str) -> None:
        if any(c.text == word and c.role for c in self.chunks):
            raise Unfit
        self.chunks.append(_Chunk(word, (part, name)))

    def _fact(self, name: str) -> None:
        if name in ("height_cm", "weight_kg", "shoe_size"):
            write = getattr(numbers, name.removesuffix("_cm").removesuffix("_kg"))
            before, span, after = write(self.lexicon.language, self.rng)
            self.say(before)
            self.chunks.append(_Chunk(span, ("profile", name)))
            self.say(after)
            return
        words = self.lexicon.shared["sizes_of_body" if name == "size" else name]
        self._value("profile", name, self.rng.choice(words))

    def _point(self, table: str) -> None:
        places: Mapping[str, Sequence[str]] = getattr(self.lexicon, table)
        which = self.rng.choice(list(places))
        positions = [int(i) for i in which.split()]
        if any(p in self.items for p in positions):
            raise Unfit
        self.items += positions
        self.say(self.rng.choice(places[which]))

    def _drop_by_name(self) -> None:
        named = [s for s in self.slots if self._name_of(s) and not set(self._together(s)) & set(self.drop)]
        if not named:
            raise Unfit
        idle = [s for s in self.lexicon.slot_names if not self._together(s)]
        if idle and self.rng.random() < _IDLE:
            self.say(self.rng.choice(self._name_of(self.rng.choice(idle))))
            return
        slot = self.rng.choice(named)
        self.drop += self._together(slot)
        self.say(self.rng.choice(self._name_of(slot)))

    def _forget(self) -> None:
        known = [f for f in self.known if f not in self.drop]
        if not known:
            raise Unfit
        fact = self.rng.choice(known)
        self.drop.append(fact)
        self.say(self.rng.choice(self.lexicon.fact_names[fact]))

    def _name_of(self, slot: str) -> Sequence[str]:
        return self.lexicon.slot_names.get("price_max" if slot in PRICE_SLOTS else slot, ())

    def _together(self, slot: str) -> list[str]:
        """Whoever drops the price drops every limit on it."""
        return [s for s in self.slots if s == slot or (s in PRICE_SLOTS and slot in PRICE_SLOTS)]

    def _dropped(self) -> list[str]:
        dropped = list(self.drop)
        if named := self.effects.get("drop"):
            together = self._together(named)
            if not together:
                raise Unfit
            dropped += [s for s in together if s not in dropped]
        return dropped

    def _word(self, facet: str, department: Department) -> str:
        if facet == "brand" and self.rng.random() < _INVENTED:
            return _invented(self.lexicon.language, self.rng)
        lexicon = self.lexicon
        if (
            lexicon.language == "zh"
            and facet in ("category", "brand", "color", "feature")
            and self.rng.random() < _SWITCHED
        ):
            lexicon, department = self.english, self.rng.choice(self.english.departments)
        words = lexicon.words(facet, department)
        if not words:
            raise Unfit
        return self.rng.choice(words)

    def _price(self) -> Decimal:
        return numbers.price(*self.department.price, self.rng)

    def _bounded(self, name: str) -> Decimal:
        """A price; the upper end of a range lies above the lower one said before it."""
        value = self._price()
        low = next((c.text for c in self.chunks if c.role == ("slots", "price_min")), None)
        if name == "price_max" and low is not None:
            floor = parse_amount(low) or Decimal(0)
            for _ in range(20):
                if value > floor:
                    return value
                value = self._price() + floor / 2
            raise Unfit
        return value

    # Finishing

    def _articles(self) -> None:
        """ "a jacket", "an umbrella", "some boots" or just "boots"."""
        for at, chunk in enumerate(self.chunks):
            if chunk.role != ("article", ""):
                continue
            following = self.chunks[at + 1 :]
            noun = next((c.text for c in following if c.role == ("slots", "category")), "")
            first = following[0].text
            plural = noun.endswith("s") and not noun.endswith(("ss", "dress", "harness")) and "pair of" not in first
            if plural:
                chunk.text = self.rng.choice(("", "", "some "))
            else:
                chunk.text = "an " if first[:1].lower() in "aeiou" else "a "

    def _mark_spoken_slots(self) -> None:
        """Turn `slots.category=wig` directives into chunks of their own."""
        for name, value in self.effects.items():
            if not name.startswith("slots."):
                continue
            for at, chunk in enumerate(self.chunks):
                if chunk.role is None and value in chunk.text:
                    before, after = chunk.text.split(value, 1)
                    slot = ("slots", name.removeprefix("slots."))
                    self.chunks[at : at + 1] = [_Chunk(before), _Chunk(value, slot), _Chunk(after)]
                    break
            else:
                raise ValueError(f"directive {name}={value!r} names words that its line does not have")


def _is_many(part: str, name: str) -> bool:
    """Whether a field holds a list. A search may name two kinds of product at once."""
    return part == "exclude" or (name in (*LIST_SLOTS, "category", "allergies") and (part, name) != ("profile", "size"))


def _is_number(chunk: _Chunk) -> bool:
    return chunk.role is not None and (chunk.role[1] in NUMBER_SLOTS or chunk.role[0] == "profile")


def _check(frame: Mapping[str, Any]) -> None:
    """Raise `Unfit` where one part of the frame denies another, or a list is too long."""
    for part in ("slots", "exclude"):
        for words in frame[part].values():
            if isinstance(words, list):
                if len(words) > 3 or len(set(words)) < len(words):
                    raise Unfit
                if any(a != b and a in b for a in words for b in words):
                    raise Unfit
    slots = frame["slots"]
    if "price_about" in slots and {"price_min", "price_max"} & set(slots):
        raise Unfit


def _invented(language: Language, rng: random.Random) -> str:
    """A name that no list has, so that the model learns the place of a brand, not brands alone."""
    if language == "zh":
        return "".join(
            rng.choice("安雅诺康乐美佳悦宝格维莱顿森朗迪优尚恒瑞泰华星蓝海川锦源禾木林枫")
            for _ in range(rng.choice((2, 2, 3)))
        )
    syllables = (
        "vel",
        "nor",
        "tra",
        "mo",
        "kin",
        "za",
        "lu",
        "bre",
        "fen",
        "do",
        "ri",
        "sol",
        "ven",
        "ta",
        "qui",
        "hal",
    )
    return "".join(rng.choice(syllables) for _ in range(rng.choice((2, 3)))).capitalize()
