"""When a person should take over."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from rapidfuzz import fuzz

from assistant.state import DialogueState
from catalog.tables import load_table

Reason = Literal[
    "asked", "safety", "charge", "refund", "complaint", "promise", "upset", "falling", "not_understood", "repeated"
]
TOPICS: tuple[Reason, ...] = ("safety", "charge", "refund", "complaint", "promise")
FALLING_TURNS = 3
_NUMBER = re.compile(r"\d+")
_ALIKE = 85  # likeness of two messages, out of 100, from which they are the same question


@dataclass(frozen=True)
class Thresholds:
    """When the bot gives up; settings of the same names."""

    mood: float = -0.6  # running mood at which a shopper is very upset
    falling_mood: float = -0.2  # of the last message, if moods have fallen over `FALLING_TURNS`
    not_understood: int = 2  # turns in a row
    repeated: int = 3  # times that the same thing was asked


DEFAULTS = Thresholds()


def handoff_reason(state: DialogueState, limits: Thresholds = DEFAULTS) -> Reason | None:
    """Why a person should take over, or None."""
    if state.intent == "human":
        return "asked"
    if topic := topic_of(state):
        return topic
    if state.mood <= limits.mood:
        return "upset"
    if _falling(state.moods) and state.turn_mood <= limits.falling_mood:
        return "falling"
    if state.not_understood >= limits.not_understood:
        return "not_understood"
    if _repeated(state.said) >= limits.repeated:
        return "repeated"
    return None


def topic_of(state: DialogueState) -> Reason | None:
    """The topic of the last message that only a person may deal with, the most urgent first.

    A question about the policy ("how long do refunds take?") is none: somebody must want it done.
    """
    text = state.text.lower()
    for topic in TOPICS:
        if any(word in text for words in _topics()[topic].values() for word in words):
            policy = topic in ("refund", "complaint") and state.intent == "ask"
            return None if policy else topic
    return None


def _falling(moods: Sequence[float]) -> bool:
    last = moods[-FALLING_TURNS:]
    return len(last) == FALLING_TURNS and all(a > b for a, b in pairwise(last))


def _repeated(said: Sequence[str]) -> int:
    """How often the last message, or one like it, was said in a row. Another number makes it another message."""
    count = 0
    for text in reversed(said):
        same_numbers = _NUMBER.findall(text) == _NUMBER.findall(said[-1])
        if not same_numbers or fuzz.ratio(text.lower(), said[-1].lower()) < _ALIKE:
            break
        count += 1
    return count


def _topics() -> Mapping[str, Mapping[str, Sequence[str]]]:
    topics: Mapping[str, Mapping[str, Sequence[str]]] = load_table("handoff.yaml", "assistant")
    return topics
