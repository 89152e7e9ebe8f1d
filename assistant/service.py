"""How shoppers are served: waiting, handling, reasons, ratings and mood, out of the event log."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import mean, median

from assistant.state import fold
from assistant.store import ConversationStore, Event


@dataclass
class Figures:
    """Seconds are medians; None where there is nothing to measure."""

    conversations: int = 0
    by_bot: int = 0  # held by the bot alone
    waited: float | None = None  # from handoff to claim
    handled: float | None = None  # from claim to the end of custody
    reasons: dict[str, int] = field(default_factory=dict)
    ratings: dict[int, int] = field(default_factory=dict)
    rating: float | None = None
    moods: dict[str, float] = field(default_factory=dict)  # day -> mean mood at the end of a conversation


def figures(conversations: ConversationStore) -> Figures:
    """The figures of all conversations in which a shopper said something."""
    logs = (events for _, _, events in conversations.logs())
    return summed(log for log in logs if any(e.kind == "message" for e in log))


def summed(logs: Iterable[Sequence[Event]]) -> Figures:
    """The figures of some conversations."""
    found = Figures()
    waited: list[float] = []
    handled: list[float] = []
    reasons: Counter[str] = Counter()
    ratings: Counter[int] = Counter()
    moods: dict[str, list[float]] = {}
    for log in logs:
        found.conversations += 1
        found.by_bot += not any(e.kind in ("handoff", "claimed") for e in log)
        waited += _spans(log, ("handoff", "released"), ("claimed",))
        handled += _spans(log, ("claimed", "transferred"), ("returned", "resolved", "released", "transferred"))
        reasons.update(e.payload["reason"] for e in log if e.kind == "handoff")
        ratings.update(e.payload["score"] for e in log if e.kind == "rating")
        moods.setdefault(f"{log[-1].time:%Y-%m-%d}", []).append(fold(log).mood)
    found.waited, found.handled = _middle(waited), _middle(handled)
    found.reasons, found.ratings = dict(reasons.most_common()), dict(sorted(ratings.items()))
    found.rating = round(mean(ratings.elements()), 2) if ratings else None
    found.moods = {day: round(mean(values), 2) for day, values in sorted(moods.items())}
    return found


def _spans(log: Sequence[Event], begin: Sequence[str], end: Sequence[str]) -> list[float]:
    """Seconds from each event of `begin` to the next one of `end`."""
    spans, began = [], None
    for event in log:
        if event.kind in end and began is not None:
            spans.append((event.time - began).total_seconds())
            began = None
        if event.kind in begin:
            began = event.time
    return spans


def _middle(values: Sequence[float]) -> float | None:
    return round(median(values), 1) if values else None
