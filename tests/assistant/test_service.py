from datetime import UTC, datetime, timedelta
from typing import Any

from assistant.service import Figures, summed
from assistant.store import Event

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANGRY = {"language": "en", "intent": "order", "sentiment": {"label": "negative", "score": -1}}


def log(*happened: tuple[int, str, dict[str, Any]]) -> list[Event]:
    return [Event(n, kind, payload, NOW + timedelta(seconds=at)) for n, (at, kind, payload) in enumerate(happened, 1)]  # type: ignore[arg-type]


HELPED = log(
    (0, "message", {"text": "refund!"}), (1, "parsed", {"frame": ANGRY}), (2, "handoff", {"reason": "refund"}),
    (62, "claimed", {"staff": "lin"}), (100, "staff", {"text": "yes", "picks": []}),
    (162, "transferred", {"staff": "lin", "to": "wei"}), (262, "resolved", {"staff": "wei"}), (300, "rating", {"score": 4}),
)  # fmt: skip
ALONE = log((0, "message", {"text": "hi"}), (1, "answer", {"picks": []}))


def test_figures_of_a_conversation_with_people_and_one_without() -> None:
    found = summed([HELPED, ALONE])
    assert (found.conversations, found.by_bot) == (2, 1)
    assert (found.waited, found.handled) == (60, 100)
    assert (found.reasons, found.ratings, found.rating) == ({"refund": 1}, {4: 1}, 4)
    assert found.moods == {"2026-01-01": -0.2}


def test_nothing_has_happened_yet() -> None:
    assert summed([]) == Figures()
