from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from assistant.profile import Portrait
from assistant.ranking.exposure import ExposureFloor, small_brands
from assistant.ranking.ranker import Ranker
from assistant.state import DialogueState
from catalog.types import Candidate
from tests.toy_shop import PRODUCTS

ITEM = PRODUCTS[0]


def of_brands(*brands: str) -> list[Candidate]:
    return [
        Candidate(replace(ITEM, external_id=f"{n}", brand=brand, rating=4.9 - n / 10), 1, 1, 0.03)
        for n, brand in enumerate(brands)
    ]


def test_a_small_brand_gets_its_place_and_no_more() -> None:
    listed = of_brands("big", "big", "big", "big", "big", "small", "small")
    ranked = Ranker(floor=ExposureFloor(0.2, frozenset({"small"}))).rank(listed, DialogueState(), Portrait())
    assert [r.product.brand for r in ranked] == ["big", "big", "big", "big", "small", "big", "small"]
    assert ranked[4].product.external_id == "5"  # the best of the small


def test_what_does_not_fit_is_not_moved_up() -> None:
    floor = ExposureFloor(0.5, frozenset({"small"}))
    products = [c.product for c in of_brands("big", "big", "big", "small")]
    fits = np.array([True, True, True, False])
    assert floor.applied(np.arange(4), fits, products, 4).tolist() == [0, 1, 2, 3]


def test_a_sort_that_was_asked_for_is_left_alone() -> None:
    listed = of_brands("big", "big", "big", "small")
    state = DialogueState(slots={"sort": "rating"})
    ranked = Ranker(floor=ExposureFloor(0.9, frozenset({"small"}))).rank(listed, state, Portrait())
    assert [r.product.brand for r in ranked] == ["big", "big", "big", "small"]


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.floats(0, 1), st.integers(1, 12), st.randoms())
def test_every_prefix_has_its_share(small: list[bool], share: float, places: int, rng: np.random.Generator) -> None:
    products = [c.product for c in of_brands(*("small" if s else "big" for s in small))]
    order = list(range(len(small)))
    rng.shuffle(order)
    floor = ExposureFloor(share, frozenset({"small"}))
    after = floor.applied(np.array(order), np.ones(len(small), dtype=bool), products, places).tolist()
    assert sorted(after) == sorted(order)
    for n in range(1, min(places, len(small)) + 1):
        assert sum(small[at] for at in after[:n]) >= min(int(share * n), sum(small))
    for group in (True, False):  # within a group the order stays
        assert [at for at in after if small[at] is group] == [at for at in order if small[at] is group]


def test_small_brands_are_all_but_those_with_half_of_the_reviews() -> None:
    assert small_brands({"a": 10, "b": 10, "c": 1}) == {"c"}
    assert small_brands({}) == frozenset()
