"""Who holds a conversation: the bot, the queue, a member of staff, or nobody any more. A fold over its events."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Holder = Literal["bot", "queue", "staff", "nobody"]
# Event -> who holds the conversation after it.
HOLDERS: Mapping[str, Holder] = {
    "handoff": "queue", "claimed": "staff", "transferred": "staff", "released": "queue", "returned": "bot",
    "resolved": "nobody",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Custody:
    """`staff` is who holds it, `reason` why it was handed off, `since` when it came to its holder."""

    holder: Holder = "bot"
    staff: str = ""
    reason: str = ""
    since: datetime | None = None


def custody(events: Iterable[Any]) -> Custody:
    """The holder after `events` (anything with `kind`, `payload` and `time`).

    A shopper who writes again after a conversation was resolved talks to the bot.
    """
    now = Custody()
    for event in events:
        if event.kind in HOLDERS:
            holder = HOLDERS[event.kind]
            staff = event.payload.get("to") or event.payload.get("staff", "") if holder == "staff" else ""
            now = Custody(holder, staff, event.payload.get("reason", now.reason), event.time)
        elif event.kind == "message" and now.holder == "nobody":
            now = Custody(since=event.time)
    return now


def with_bot(events: Iterable[Any]) -> bool:
    """Whether the bot may speak."""
    return custody(events).holder == "bot"


def in_queue(events: Iterable[Any]) -> bool:
    """Whether the conversation waits for a person."""
    return custody(events).holder == "queue"


def unanswered(events: Sequence[Any]) -> list[Any]:
    """The messages that the bot has still to answer, oldest first: shoppers write while it thinks.

    What was said to a person is not the bot's to answer. An answer names the last message that it is to.
    """
    if not with_bot(events):
        return []
    done = max((e.payload.get("to", e.seq) if e.kind == "answer" else e.seq for e in events
                if e.kind == "answer" or e.kind in HOLDERS), default=0)  # fmt: skip
    return [e for e in events if e.kind == "message" and e.seq > done]
