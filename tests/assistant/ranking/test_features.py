from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isnan, log

import pytest

from assistant.profile import Portrait
from assistant.ranking.features import NAMES, Context, features
from assistant.ranking.record import record
from assistant.state import DialogueState
from assistant.types import Fact
from catalog.types import Candidate
from tests.toy_shop import PRODUCTS, product

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BY_ID = {p.external_id: p for p in PRODUCTS}


def one(name: str, context: Context, *ids: str) -> list[float]:
    """A feature of products."""
    found = features([Candidate(BY_ID[i], 1, None, 0.03) for i in ids], context)
    return [float(value) for value in found[:, NAMES.index(name)]]


def test_no_candidates_have_no_rows() -> None:
    context = Context(DialogueState(slots={"color": ("red",)}), Portrait(spent={"scarf": Decimal(9)}), NOW)
    assert features([], context).shape == (0, len(NAMES))


def test_what_nothing_is_known_of_is_not_a_number() -> None:
    for name in ("wishes", "wish_color", "price", "usual_price", "own_size", "since", "opinion", "named", "content"):
        assert all(map(isnan, one(name, Context(now=NOW), "trail", "bag"))), name


def test_wishes_count_in_all_and_slot_by_slot() -> None:
    context = Context(DialogueState(slots={"color": ("red", "blue"), "feature": ("waterproof",)}))
    assert one("wishes", context, "trail") == pytest.approx([2 / 3])
    assert one("wish_color", context, "trail") == [0.5]
    assert one("wish_feature", context, "trail", "road") == [1.0, 0.0]


def test_half_the_price_is_half_as_near() -> None:
    price = BY_ID["bag"].price
    context = Context(DialogueState(slots={"price_max": price * 2}), Portrait(spent={"": price}))
    assert one("price", context, "bag") == pytest.approx([0.5])
    assert isnan(one("usual_price", context, "bag")[0])
    usual = Context(portrait=Portrait(spent={record(BY_ID["bag"]).kind: price}))
    assert one("usual_price", usual, "bag", "trail") == pytest.approx([1.0, float("nan")], nan_ok=True)


def test_what_costs_nothing_is_near_no_price() -> None:
    free = product("free", "Free sample", "0", "samples")
    found = features([Candidate(free, 1, None, 0.03)], Context(DialogueState(slots={"price_max": Decimal(10)})))
    assert found[0, NAMES.index("price")] == 0.0


def test_titles_are_read_for_what_was_asked() -> None:
    title = BY_ID["trail"].text("en").title.split()
    context = Context(DialogueState(slots={"feature": (title[0], title[-1])}, text=f"{title[-1]} {title[0]}"))
    assert one("exact", context, "trail") == [1.0]
    assert one("apart", context, "trail") == [len(title) - 2]
    assert 0 < one("coverage", context, "trail")[0] < one("named", context, "trail")[0] == 1.0


def test_the_size_that_was_said_goes_before_the_one_bought() -> None:
    shoe = next(p for p in PRODUCTS if any(v.stock > 0 and v.size for v in p.variants))
    there = next(v.size for v in shoe.variants if v.stock > 0)
    taste = Portrait(sizes={record(shoe).kind: there})
    assert one("own_size", Context(portrait=taste), shoe.external_id) == [1.0]
    said = DialogueState(profile={"size": Fact("no such size", "")})
    assert one("own_size", Context(said, taste), shoe.external_id) == [0.0]


def test_days_since_a_product_was_met() -> None:
    taste = Portrait(last={"bag": NOW - timedelta(days=2)})
    assert one("since", Context(portrait=taste, now=NOW), "bag", "trail") == pytest.approx(
        [log(3), float("nan")], nan_ok=True
    )
    assert isnan(one("since", Context(portrait=taste), "bag")[0])
