"""A message and the state before it, to a frame: the model decodes, a schema forbids anything else.

Slot values are spans of the message: the schema of each message lists them, so the model can copy
but not invent. Amounts become numbers afterwards, by a library.
"""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

import numpy as np

from assistant.llm import LLM, LLMError
from assistant.prompts import load_data, render
from assistant.state import DialogueState
from assistant.types import INTENTS, LIST_SLOTS, NUMBER_SLOTS, SORTS, TEXT_SLOTS, ParsedTurn
from catalog.amounts import parse_amount
from catalog.types import Language

MAX_MESSAGE = 300  # characters that are read; what comes after is not parsed
MAX_TOKENS = 400
# An example with numbers teaches most about a message with numbers, and one that says "no" about one
# that does: likeness in form counts beside likeness in meaning.
SAME_FORM = 0.3
EXAMPLES = 6  # nearest examples shown to the model
WORDS_IN_SPAN = 6
CHARACTERS_IN_SPAN = 10
MAX_SPANS = 600
_SCORES = (-0.8, -0.3, 0, 0.3, 0.8)
_PROFILE_NUMBERS = ("height_cm", "weight_kg", "shoe_size")
_WORD = re.compile(r"[^\W\u4e00-\u9fff]+(?:['.-][^\W\u4e00-\u9fff]+)*|[\u4e00-\u9fff]")
_AMOUNT = re.compile(r"\d|[一二三四五六七八九十百千两]+[块元以百千万]")
_NEGATION = re.compile(r"不要|不想|别的?要|除了|\b(?:no|not|without|except|but|aren't|isn't|don't)\b", re.IGNORECASE)


class Embedder(Protocol):
    """What the parser needs of an embedder; see `catalog.embedding.Embedder`."""

    def embed(self, texts: Sequence[str]) -> Any: ...


class Parser:
    """Parses with a base model that is shown the examples nearest to the message.

    Retrieval of demonstrations after Liu et al., "What Makes Good In-Context Examples for GPT-3?", 2022.
    """

    def __init__(self, llm: LLM, embedder: Embedder) -> None:
        self._llm = llm
        self._embedder = embedder
        self._examples: dict[str, tuple[list[str], Any, Any]] = {}

    def parse(self, text: str, state: DialogueState) -> ParsedTurn:
        """The frame of `text`. A message the model gives no frame for is marked not understood."""
        message = readable(text)
        language = language_of(message)
        if not message:
            return ParsedTurn(language=state.language, intent="other", understood=False)
        prompt = render("parse", examples=self._nearest(message, language), message=_entry(message, _active(state)))
        try:
            raw = self._llm.complete_json(prompt, frame_schema(message, state), max_tokens=MAX_TOKENS)
        except LLMError:
            return ParsedTurn(language=language, intent="other", understood=False)
        return to_turn(raw, language)

    def _nearest(self, message: str, language: Language) -> str:
        """The examples of the language nearest to the message, the nearest last."""
        if language not in self._examples:
            rows = load_data("parse_examples")[language]
            vectors = self._embedder.embed([row[0] for row in rows])
            entries = [_entry(t, a) + _with_mood(f) for t, a, f in rows]
            self._examples[language] = entries, vectors, np.array([_form(t) for t, _, _ in rows])
        entries, vectors, forms = self._examples[language]
        likeness = vectors @ self._embedder.embed([message])[0] + SAME_FORM * (forms == _form(message)).sum(axis=1)
        return "\n".join(entries[i] for i in np.argsort(likeness)[-EXAMPLES:])


def readable(text: str) -> str:
    """The message as the model reads it: one line, no quotes or controls, cut to a length."""
    plain = re.sub(r"[\x00-\x1f\x7f\"\\\u2028\u2029]+", " ", text.replace("“", " ").replace("”", " "))
    return " ".join(plain.encode("utf-8", "ignore").decode().split())[:MAX_MESSAGE].strip()


def language_of(text: str) -> Language:
    """Chinese if any character is."""
    return "zh" if re.search(r"[\u4e00-\u9fff]", text) else "en"


def spans(message: str) -> list[str]:
    """Every run of a few words (of a few characters in Chinese) in the message."""
    places = [m.span() for m in _WORD.finditer(message)]
    found: dict[str, None] = {}
    for first, (start, _) in enumerate(places):
        for _, end in places[first : first + CHARACTERS_IN_SPAN]:
            span = message[start:end]
            if len(_WORD.findall(span)) > (CHARACTERS_IN_SPAN if language_of(span) == "zh" else WORDS_IN_SPAN):
                break
            found[span] = None
    return list(found)[:MAX_SPANS]


def frame_schema(message: str, state: DialogueState) -> dict[str, Any]:
    """The JSON schema of the frames that `message` can have."""
    copied = spans(message)
    amounts = [s for s in copied if len(s) <= 16 and parse_amount(s) is not None]
    span, amount = {"$ref": "#/$defs/span"}, {"$ref": "#/$defs/amount"}
    words = {"type": "array", "items": span, "minItems": 1, "maxItems": 3}
    active = [*state.slots, *(f for f in state.exclude if f not in state.slots)]
    shown = [*range(1, len(state.shown) + 1), -1] if state.shown else []
    some = {"minItems": 1, "maxItems": 3}
    properties: dict[str, Any] = {"intent": {"enum": list(INTENTS)}}
    if copied:
        slots: dict[str, Any] = {
            "category": span,
            **dict.fromkeys(LIST_SLOTS, words),
            "occasion": span,
            "recipient": span,
        }
        if amounts:
            slots |= dict.fromkeys(NUMBER_SLOTS, amount)
        properties["slots"] = _object(slots | {"sort": {"enum": list(SORTS)}})
        properties["exclude"] = _object(dict.fromkeys(("category", *LIST_SLOTS), words))
    if active:
        properties["drop"] = {"type": "array", "items": {"enum": active}, **some}
    if shown:
        properties["items"] = {"type": "array", "items": {"enum": shown}, **some}
    if copied:
        numbers = dict.fromkeys(_PROFILE_NUMBERS, amount) if amounts else {}
        properties["profile"] = _object({**numbers, "size": span, "skin": span, "diet": span, "allergies": words})
    properties["sentiment"] = {
        "anyOf": [
            _object({"label": {"const": label}, "score": {"enum": scores}}, required=True)
            for label, scores in (("negative", _SCORES[:2]), ("neutral", (0,)), ("positive", _SCORES[3:]))
        ]
    }
    defs = {"span": {"enum": copied or [""]}, "amount": {"enum": amounts or [""]}}
    return {"$defs": defs, **_object(properties), "required": ["intent", "sentiment"]}


def to_turn(raw: Mapping[str, Any], language: Language) -> ParsedTurn:
    """The decoded JSON as a frame: amounts as numbers, repeated and contained words once."""
    wanted = {w for v in raw.get("slots", {}).values() for w in ([v] if isinstance(v, str) else v)}
    # What the frame wants it cannot exclude.
    excluded = {
        facet: kept
        for facet, words in raw.get("exclude", {}).items()
        if (kept := tuple(w for w in _distinct(words) if w not in wanted))
    }
    return ParsedTurn(
        language=language,
        intent=raw["intent"],
        slots={k: v for k, given in raw.get("slots", {}).items() if (v := _value(k, given)) not in (None, ())},
        exclude=excluded,
        drop=tuple(dict.fromkeys(raw.get("drop", ()))),
        items=tuple(dict.fromkeys(raw.get("items", ()))),
        profile={k: v for k, given in raw.get("profile", {}).items() if (v := _profile_value(k, given)) is not None},
        sentiment=raw["sentiment"],
    )


def _value(slot: str, given: Any) -> str | Decimal | tuple[str, ...] | None:
    if slot in NUMBER_SLOTS:
        return parse_amount(given)
    if slot in TEXT_SLOTS or slot == "sort":
        return str(given)
    return _distinct(given)


def _profile_value(name: str, given: Any) -> Any:
    if name in _PROFILE_NUMBERS:
        return parse_amount(given)
    return list(_distinct(given)) if isinstance(given, list) else given


def _distinct(words: Sequence[str]) -> tuple[str, ...]:
    """Each word once, and none that stands within another (黑 in 黑色)."""
    unique = list(dict.fromkeys(words))
    return tuple(w for w in unique if not any(w != other and w in other for other in unique))


def _entry(message: str, active: str) -> str:
    """A message as the model sees it; its frame follows on a line of its own.

    The prompt must end in a line break: after a space the model sees a token that it never met.
    """
    return f"Message: {message}\nActive: {active or 'nothing'}\n"


def _with_mood(frame: str) -> str:
    raw = json.loads(frame)
    raw.setdefault("sentiment", {"label": "neutral", "score": 0})
    return json.dumps(raw, ensure_ascii=False, separators=(",", ":"))


def _form(message: str) -> tuple[bool, bool]:
    """Whether a message has an amount, and whether it negates; chooses examples, nothing else."""
    return bool(_AMOUNT.search(message)), bool(_NEGATION.search(message))


def _active(state: DialogueState) -> str:
    return ", ".join([*state.slots, *(f"not {f}" for f in state.exclude)])


def _object(properties: Mapping[str, Any], required: bool = False) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
        "required": list(properties) if required else [],
    }
