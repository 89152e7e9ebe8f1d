"""The picture of a turn: which words of the message each part of its frame hangs on, and what put each pick in its place."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assistant.frame import words_of
from assistant.llm import LLM, Attributing
from assistant.parser import MAX_TOKENS, Parser, shown
from assistant.state import DialogueState, message_at
from assistant.store import Event
from catalog.errors import UserError


@dataclass(frozen=True, slots=True)
class Hold:
    """A part of the frame, and how much it hangs on each word of the message, 1 for the word that counts most."""

    name: str
    value: str
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TurnPicture:
    """A message as words, what was read out of it, and the parts of the picks' scores.

    `picks` maps a product's id to (name, value in [-1, 1] of the greatest); positive parts speak for it.
    """

    words: tuple[str, ...]
    holds: tuple[Hold, ...]
    picks: Mapping[str, tuple[tuple[str, float], ...]]


def turn_picture(llm: LLM, parser: Parser, events: Sequence[Event], seq: int) -> TurnPicture:
    """The picture of the message numbered `seq`.

    Raises `UserError` where there is no such message, or the model is not one that can tell.
    """
    if (asked := message_at(events, seq)) is None:
        raise UserError(f"there is no message {seq}")
    words, holds = holds_of(llm, parser, *asked)
    answer = next((e for e in events if e.kind == "answer" and e.payload.get("to", 0) >= seq), None)
    picks = answer.payload["picks"] if answer else ()
    return TurnPicture(words, holds, {p["product"]: tuple((n, v) for n, v in p.get("parts", ())) for p in picks})


def holds_of(llm: LLM, parser: Parser, text: str, state: DialogueState) -> tuple[tuple[str, ...], tuple[Hold, ...]]:
    """The words of a message, and what each part of its frame hangs on.

    Raises `UserError` where the model cannot tell, `LLMError` where it has no answer.
    """
    if not isinstance(llm, Attributing):
        raise UserError(f"{llm.name} cannot tell what its answers hang on: only a model in this process can")
    message = shown(text)
    if not message:
        return (), ()
    prompt, schema = parser.request(message, state)
    pieces = llm.spell_json(prompt, schema, max_tokens=MAX_TOKENS)
    answer = "".join(piece.text for piece in pieces)
    told = parts_of(answer)
    weights = llm.attribute(prompt, answer, [span for *_, span in told])
    start = prompt.rindex(message)
    places = words_of(message)
    holds = [
        Hold(name, value, _of_words(row[start : start + len(message)], places))
        for (name, value, _), row in zip(told, weights, strict=True)
    ]
    return tuple(message[a:b] for a, b in places), tuple(holds)


def parts_of(answer: str) -> list[tuple[str, str, tuple[int, int]]]:
    """(name, value, where it stands) of everything that a frame says, in the order of its text.

    >>> parts_of('{"mood":0,"slots":{"color":["red"]},"intent":"find"}')[1]
    ('color', 'red', (29, 32))
    """
    found: list[tuple[str, str, tuple[int, int]]] = []
    at = 0

    def find(name: str, value: Any) -> None:
        nonlocal at
        written = json.dumps(value, ensure_ascii=False)
        start = answer.index(written, at)
        at = start + len(written)
        text = written.strip('"')
        start += written.startswith('"')
        found.append((name, text, (start, start + len(text))))

    def walk(name: str, value: Any) -> None:
        nonlocal at
        if isinstance(value, dict):
            for key, inner in value.items():
                at = answer.index(json.dumps(key, ensure_ascii=False), at) + len(key) + 2
                walk(f"not {key}" if name == "exclude" else key, inner)
        else:
            for one in value if isinstance(value, list) else (value,):
                find(name, one)

    walk("", json.loads(answer))
    return found


def _of_words(weights: Any, places: Sequence[tuple[int, int]]) -> tuple[float, ...]:
    """The weights of characters as those of words, beside the greatest."""
    sums = np.array([weights[start:end].sum() for start, end in places])
    return tuple(round(float(w), 3) for w in sums / max(float(sums.max(initial=0.0)), 1e-9))
