"""Is a person called when one is due? The word "human" or 人工 -> our reasons, over written conversations.

A person called at the message where one is due, or one later, is right; never is missed; before, or where none is
due, is false. "Is the human anatomy poster in stock?" is a false one for the rule.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import mean
from typing import Any

from assistant.handoff import handoff_reason
from assistant.parser import Parser
from assistant.state import DialogueState, fold, update
from assistant.store import Event
from catalog.tables import load_table
from catalog.types import Language

WORDS = ("human", "人工")
Decide = Callable[[Sequence[str]], int]


@dataclass(frozen=True)
class Conversation:
    """What a shopper says, and the message, from 1, at which a person is due; 0 for never."""

    language: Language
    say: tuple[str, ...]
    person: int


def conversations() -> list[Conversation]:
    """The written ones."""
    told: Mapping[Language, list[dict[str, Any]]] = load_table("handoffs.yaml", "assistant.evaluation")
    return [Conversation(language, tuple(c["say"]), c["person"]) for language, own in told.items() for c in own]


def run(parser: Parser, progress: Callable[[str], Any]) -> list[dict[str, Any]]:
    """A row for each language and system."""
    rows = []
    written = conversations()
    for language in ("en", "zh"):
        own = [c for c in written if c.language == language]
        for system, decide in (("the word alone", by_word), ("ours", lambda say: by_reasons(say, parser))):
            progress(f"{language}, {system}")
            rows.append({"language": language, "system": system, **score(own, [decide(c.say) for c in own])})
    return rows


def score(written: Sequence[Conversation], called: Sequence[int]) -> dict[str, Any]:
    """Missed and false handoffs, and messages from when a person was due until one was called."""
    due = [(c.person, at) for c, at in zip(written, called, strict=True) if c.person]
    none = [at for c, at in zip(written, called, strict=True) if not c.person]
    late = [at - person for person, at in due if at >= person]
    return {
        "conversations": len(written),
        "due": len(due),
        "missed": sum(at == 0 or at > person + 1 for person, at in due),
        "false": sum(at > 0 for at in none) + sum(0 < at < person for person, at in due),
        "turns_late": round(mean(late), 2) if late else None,
    }


def by_word(say: Sequence[str]) -> int:
    """The first message with the word, 0 for none."""
    return next((n for n, text in enumerate(say, start=1) if any(w in text.lower() for w in WORDS)), 0)


def by_reasons(say: Sequence[str], parser: Parser) -> int:
    """The first message at which there is a reason, 0 for none."""
    state = DialogueState()
    for number, text in enumerate(say, start=1):
        state = fold([Event(number, "message", {"text": text}, datetime.now(UTC))], state)
        state = update(state, parser.parse(text, state))
        if handoff_reason(state):
            return number
    return 0
