"""What the owner is told of reviews."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from catalog.enrich import LONG_ENOUGH
from catalog.insights import MOST, review_insights, summed
from catalog.store import ProductStore
from catalog.types import Opinion, Review
from tests.toy_shop import PRODUCTS

MARCH, MAY = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
SCARF, SHOE, BAG = (
    replace(
        PRODUCTS[0],
        reviews=(Review("a", 5, "Good.", created=MARCH), Review("b", 2, "Bad.", created=MAY)),
        opinions=(Opinion("fit", 9, 1), Opinion("comfort", 1, 8)),
    ),
    replace(PRODUCTS[5], reviews=(Review("c", 4, "Fine.", created=MAY),), opinions=(Opinion("fit", 1, 0),)),
    replace(PRODUCTS[8], reviews=(Review("d", 3, "So so."),)),
)


def test_an_empty_shop_has_none() -> None:
    found = summed([])
    assert (found.reviews, found.ratings, found.months, found.blamed) == (0, {}, {}, [])


def test_counts_by_stars_and_by_month() -> None:
    found = summed([SCARF, SHOE, BAG])
    assert found.reviews == 4
    assert found.ratings == {2: 1, 3: 1, 4: 1, 5: 1}
    assert found.months == {"2026-03": (1, 5.0), "2026-05": (2, 3.0)}


def test_what_most_agree_on_comes_first() -> None:
    found = summed([SCARF, SHOE])
    assert found.aspects == {"fit": (10, 1), "comfort": (1, 8)}
    assert [(p.external_id, o.aspect) for p, o in found.blamed] == [("red-scarf", "comfort")]
    assert [(p.external_id, o.aspect) for p, o in found.praised] == [("red-scarf", "fit"), ("trail", "fit")]


def test_lists_are_short() -> None:
    found = summed([replace(SCARF, external_id=str(n)) for n in range(3 * MOST)])
    assert len(found.blamed) == len(found.praised) == MOST


def test_suspicious_reviews_are_counted_by_their_sign(store: ProductStore) -> None:
    long = "word " * LONG_ENOUGH
    burst = tuple(Review(f"{n}", 5, f"Nice {n}.", created=MARCH + timedelta(hours=n)) for n in range(6))
    copied = (Review("x", 5, long), Review("y", 5, long), Review("z", 4, "Fine."))
    store.upsert([replace(PRODUCTS[0], reviews=copied), replace(PRODUCTS[1], reviews=burst), SHOE])
    found = review_insights(store)
    assert found.suspicious == {"burst": 6, "copy": 2}
    assert [(p.external_id, odd, of) for p, odd, of in found.odd] == [("blue-scarf", 6, 6), ("red-scarf", 2, 3)]
