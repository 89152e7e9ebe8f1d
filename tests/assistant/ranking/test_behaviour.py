from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from assistant.ranking.behaviour import Behaviour, indicator
from catalog.types import Interaction

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def did(shopper: str, product: str, days: int, kind: Any = "purchase") -> Interaction:
    return Interaction(shopper, product, kind, NOW + timedelta(days=days))


BEHAVIOUR = Behaviour.of(
    [
        did("bob", "hat", 5),
        did("ann", "bag", 3),
        did("ann", "hat", 1),
        did("ann", "hat", 2, "view"),
        did("bob", "cup", 4),
    ],
    ["cup"],
)


def of(behaviour: Behaviour) -> dict[str, list[str]]:
    sequences = behaviour.sequences()
    return {s: [behaviour.products[p] for p in sequences[n]] for n, s in enumerate(behaviour.shoppers)}


def test_each_shoppers_products_in_order_of_time() -> None:
    assert of(BEHAVIOUR) == {"ann": ["hat", "hat", "bag"], "bob": ["cup", "hat"]}
    assert list(BEHAVIOUR.products) == ["cup", "hat", "bag"]


def test_several_things_done_with_a_product_in_a_row_are_one_meeting() -> None:
    assert of(BEHAVIOUR.meetings()) == {"ann": ["hat", "bag"], "bob": ["cup", "hat"]}


def test_the_last_ones_are_held_out() -> None:
    assert of(BEHAVIOUR.without_last(1)) == {"ann": ["hat", "hat"], "bob": ["cup"]}
    assert of(BEHAVIOUR.without_last(9)) == {"ann": [], "bob": []}


def test_weights_are_summed() -> None:
    matrix = BEHAVIOUR.matrix().toarray()
    ann, hat = BEHAVIOUR.shoppers.index("ann"), BEHAVIOUR.products.index("hat")
    assert abs(matrix[ann, hat] - 2.2) < 1e-6
    assert BEHAVIOUR.counts().sum() == 5


def test_nothing_done_is_no_error() -> None:
    nothing = Behaviour.of([], ["cup"])
    assert (len(nothing), nothing.sequences(), nothing.counts().tolist()) == (0, [], [0])
    assert len(nothing.meetings()) == 0


def test_words_share_a_row() -> None:
    rows = indicator([["a", "b"], [], ["b"]]).toarray()
    np.testing.assert_allclose(rows, [[0.5, 0.5], [0, 0], [0, 1]])
