from datetime import UTC, datetime, timedelta
from typing import Any

from assistant.training.outliers import outliers
from catalog.types import Interaction

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def looks(shopper: str, count: int, apart: timedelta, kind: Any = "view") -> list[Interaction]:
    return [Interaction(shopper, f"p{n}", kind, NOW + n * apart) for n in range(count)]


PEOPLE = [i for n in range(20) for i in looks(f"person {n}", 10 + n, timedelta(minutes=2))]


def test_who_looks_at_more_in_a_minute_than_anybody_can_is_a_robot() -> None:
    robot = looks("robot", 50, timedelta(seconds=1))
    assert outliers(sorted([*PEOPLE, *robot], key=lambda i: i.time)) == {"robot": "50 in one minute"}


def test_who_looks_at_far_more_than_others_is_left_out() -> None:
    found = outliers([*PEOPLE, *looks("crawler", 900, timedelta(minutes=5))])
    assert set(found) == {"crawler"}
    assert "900 looks" in found["crawler"]


def test_buying_much_at_once_is_held_against_nobody() -> None:
    assert outliers([*PEOPLE, *looks("trader", 900, timedelta(0), "purchase")]) == {}
    assert outliers([]) == {}
