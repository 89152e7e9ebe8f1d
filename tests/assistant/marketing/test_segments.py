from datetime import UTC, datetime, timedelta

import pytest

from assistant.marketing.segments import FEWEST, rhythm_of, segments
from catalog.types import Interaction
from tests.toy_shop import PRODUCTS

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BY_ID = {p.external_id: p for p in PRODUCTS}


def ago(*days: int) -> list[datetime]:
    return [NOW - timedelta(days=d) for d in days]


@pytest.mark.parametrize(
    ("orders", "rhythm"),
    [
        (ago(10), "once"),
        (ago(40, 20, 10), "regular"),
        (ago(80, 60, 40, 20), "due"),
        (ago(90, 70, 50), "lapsing"),
        (ago(400, 380, 360), "lost"),
    ],
)
def test_rhythm(orders: list[datetime], rhythm: str) -> None:
    assert rhythm_of(orders, NOW)[0] == rhythm


def bought(shopper: str, product: str, *days: int) -> list[Interaction]:
    return [Interaction(shopper, product, "purchase", time) for time in ago(*days)]


def test_a_segment_has_enough_shoppers_that_nobody_is_singled_out() -> None:
    many = [i for n in range(FEWEST) for i in bought(f"s{n}", "red-scarf", 80, 60, 40, 20)]
    one = bought("lonely", "trail", 10)
    found = segments([*many, *one], BY_ID, NOW)
    assert [(s.rhythm, s.department, len(s.shoppers)) for s in found] == [("due", "Clothing", FEWEST), ("once", "", 1)]
    assert (found[0].apart, found[0].spends) == (20, float(BY_ID["red-scarf"].price))


def test_looking_and_sending_back_is_not_buying() -> None:
    looked = [Interaction("a", "red-scarf", "view", NOW)]
    back = [*bought("b", "red-scarf", 20), Interaction("b", "red-scarf", "return", NOW)]
    assert segments([*looked, *back], BY_ID, NOW) == []
