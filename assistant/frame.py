"""The frame as the model writes it: a JSON schema made for one message, its text, and the way back.

Slot values are spans of the message: the schema lists them, so the model can copy but not invent.
Amounts, heights and currencies become numbers and codes afterwards, by a library.

The model writes the mood first, then the slots and the intent last, when it has seen what the message
holds. Where the labels of a training example end earlier, so does its answer.
"""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from assistant.types import (
    INTENTS,
    LIST_SLOTS,
    NUMBER_SLOTS,
    PROFILE_FIELDS,
    SORTS,
    TEXT_SLOTS,
    ParsedTurn,
    Sentiment,
)
from catalog.amounts import currency_said, parse_amount, parse_height, parse_weight
from catalog.types import Language

MAX_MESSAGE = 300  # characters that are read; what comes after is not parsed
WORDS_IN_SPAN = 6
CHARACTERS_IN_SPAN = 10
MAX_SPANS = 3_000
MOST_ITEMS = 10  # positions that a message can point at
MOST_WORDS = 3  # in a list
MOODS = {-2: -0.8, -1: -0.4, 0: 0.0, 1: 0.4, 2: 0.8}  # as the model writes it -> score
ENTITIES = ("category", "brand", "size", "material", "feature")
_MEASURES = {"height_cm": parse_height, "weight_kg": parse_weight, "shoe_size": parse_amount}
# Digits and letters may touch and still be two words (128g黑色, vivox5, 10斤).
_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d\u4e00-\u9fff]+(?:['.&-][^\W\u4e00-\u9fff]+)*|[\u4e00-\u9fff]")
# How many, in front of a kind (一双, 两件): no size.
_COUNT = re.compile("[一两几]?[双件条只台副瓶支把张套]")


def readable(text: str) -> str:
    """The message as the model reads it: one line, no quotes or controls, cut to a length."""
    plain = re.sub(r"[\x00-\x1f\x7f\"\\\u2028\u2029]+", " ", text.replace("“", " ").replace("”", " "))
    return " ".join(plain.encode("utf-8", "ignore").decode().split())[:MAX_MESSAGE].strip()


def language_of(text: str) -> Language:
    """Chinese if any character is."""
    return "zh" if re.search(r"[\u4e00-\u9fff]", text) else "en"


def words_of(message: str) -> list[tuple[int, int]]:
    """Where each word of a message, of Chinese each character, begins and ends."""
    return [m.span() for m in _WORD.finditer(message)]


def spans(message: str) -> list[str]:
    """Every run of a few words (of a few characters in Chinese) in the message."""
    places = words_of(message)
    found: dict[str, None] = {}
    for first, (start, _) in enumerate(places):
        for count, (_, end) in enumerate(places[first : first + CHARACTERS_IN_SPAN], start=1):
            span = message[start:end]
            if count > (CHARACTERS_IN_SPAN if language_of(span) == "zh" else WORDS_IN_SPAN):
                break
            found[span] = None
    return list(found)[:MAX_SPANS]


def frame_schema(message: str, active: Sequence[str] = ()) -> dict[str, Any]:
    """The JSON schema of the frames that `message` can have; `active` names what can be dropped."""
    copied = spans(message)
    amounts = [s for s in copied if len(s) <= 32 and parse_amount(s) is not None]
    words = {"type": "array", "items": {"$ref": "#/$defs/span"}, "minItems": 1, "maxItems": MOST_WORDS}
    properties: dict[str, Any] = {"mood": {"enum": list(MOODS)}}
    if copied:
        slots = dict.fromkeys(("category", *LIST_SLOTS), words) | {s: {"$ref": "#/$defs/span"} for s in TEXT_SLOTS[1:]}
        if amounts:
            slots |= {s: {"$ref": "#/$defs/amount"} for s in NUMBER_SLOTS}
        properties["slots"] = _object(slots | {"sort": {"enum": list(SORTS)}})
        properties["exclude"] = _object(dict.fromkeys(("category", *LIST_SLOTS), words))
    else:
        properties["slots"] = _object({"sort": {"enum": list(SORTS)}})
    if active:
        properties["drop"] = {"type": "array", "items": {"enum": list(active)}, "minItems": 1, "maxItems": MOST_WORDS}
    places = [*range(1, MOST_ITEMS + 1), -1]
    properties["items"] = {"type": "array", "items": {"enum": places}, "minItems": 1, "maxItems": MOST_WORDS}
    if copied:
        facts = {f: {"$ref": "#/$defs/amount" if f in _MEASURES else "#/$defs/span"} for f in PROFILE_FIELDS}
        properties["profile"] = _object(
            {f: words if f == "allergies" else s for f, s in facts.items() if amounts or f not in _MEASURES}
        )
    properties["intent"] = {"enum": list(INTENTS)}
    defs = {"span": {"enum": copied or [""]}, "amount": {"enum": amounts or [""]}}
    return {"$defs": defs, **_object(properties), "required": ["mood", "intent"]}


def entities_schema(message: str) -> dict[str, Any]:
    """The JSON schema of an answer that names products alone, for corpora that label nothing else."""
    words = {"type": "array", "items": {"enum": spans(message) or [""]}, "minItems": 1, "maxItems": MOST_WORDS}
    return _object(dict.fromkeys(ENTITIES, words))


def write_frame(raw: Mapping[str, Any]) -> str:
    """The frame as the model shall write it: keys in the schema's order, nothing empty.

    Without an `intent` the text ends where the answer would go on.

    >>> write_frame({"intent": "find", "mood": 0, "slots": {"color": ["red"], "category": ["hat"]}, "drop": []})
    '{"mood":0,"slots":{"category":["hat"],"color":["red"]},"intent":"find"}'
    """
    slots = ("category", *LIST_SLOTS, *TEXT_SLOTS[1:], *NUMBER_SLOTS, "sort")
    inner = {"slots": slots, "exclude": slots, "profile": PROFILE_FIELDS}
    ordered: dict[str, Any] = {}
    for name in ("mood", "slots", "exclude", "drop", "items", "profile", "intent"):
        value = raw.get(name)
        if name in inner and value:
            value = {k: value[k] for k in inner[name] if value.get(k)}
        if value or name == "mood":
            ordered[name] = value or 0
    text = json.dumps(ordered, ensure_ascii=False, separators=(",", ":"))
    return text if "intent" in ordered else text.removesuffix("}")


def to_turn(raw: Mapping[str, Any], message: str) -> ParsedTurn:
    """The decoded JSON as a frame: amounts as numbers, repeated and contained words once."""
    slots = _slots(raw.get("slots", {}), _without_weight(message, raw.get("profile", {})))
    wanted = {w for v in raw.get("slots", {}).values() for w in ([v] if isinstance(v, str) else v)}
    # What the frame wants it cannot exclude.
    excluded = {
        facet: kept
        for facet, words in raw.get("exclude", {}).items()
        if (kept := tuple(w for w in _distinct(words) if w not in wanted))
    }
    score = MOODS[raw.get("mood", 0)]
    return ParsedTurn(
        language=language_of(message),
        intent=raw["intent"],
        slots=slots,
        exclude=excluded,
        drop=tuple(dict.fromkeys(raw.get("drop", ()))),
        items=tuple(dict.fromkeys(raw.get("items", ()))),
        profile={k: v for k, given in raw.get("profile", {}).items() if (v := _profile_value(k, given)) is not None},
        sentiment=Sentiment(label="negative" if score < 0 else "positive" if score > 0 else "neutral", score=score),
    )


def _slots(raw: Mapping[str, Any], message: str) -> dict[str, Any]:
    slots: dict[str, Any] = {k: v for k, given in raw.items() if (v := _value(k, given)) not in (None, ())}
    # A search is for one kind of product; further ones named beside it describe it (毛衣外套).
    kinds = _distinct(raw.get("category", ()))
    if kinds:
        slots["category"] = kinds[0]
        if len(kinds) > 1:
            slots["feature"] = _distinct((*slots.get("feature", ()), *kinds[1:]))
    if any(k.startswith("price_") for k in slots) and (currency := currency_said(message)):
        slots["currency"] = currency
    return slots


def _without_weight(message: str, profile: Mapping[str, Any]) -> str:
    """The message without the shopper's weight, whose pounds are no money."""
    weight = profile.get("weight_kg")
    return re.sub(re.escape(weight) + r"(?:\s*(?:lbs?|pounds?))?", " ", message) if weight else message


def _value(slot: str, given: Any) -> str | Decimal | tuple[str, ...] | None:
    if slot in NUMBER_SLOTS:
        return parse_amount(given)
    if slot in TEXT_SLOTS[1:] or slot == "sort":
        return str(given)
    if slot == "size":
        return _distinct([word for word in given if not _COUNT.fullmatch(word)])
    return _distinct(given)


def _profile_value(name: str, given: Any) -> Any:
    if read := _MEASURES.get(name):
        return read(given)
    return list(_distinct(given)) if isinstance(given, list) else given


def _distinct(words: Sequence[str]) -> tuple[str, ...]:
    """Each word once, and none that stands within another (黑 in 黑色)."""
    unique = list(dict.fromkeys(words))
    return tuple(w for w in unique if not any(w != other and w in other for other in unique))


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False, "required": []}
