"""What is in the cart after what was done."""

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from assistant.cart import MOST_PIECES, cart_after, how_many


@dataclass
class Happened:
    kind: str
    payload: dict[str, Any]


def put(product: str, **quantity: int) -> Happened:
    return Happened("cart", {"product": product, **quantity})


def test_one_of_each_if_nothing_is_said_the_latest_last() -> None:
    assert list(cart_after([put("a"), put("b"), put("a")]).items()) == [("b", 1), ("a", 1)]


def test_what_is_said_is_how_many_there_are_from_then_on() -> None:
    assert cart_after([put("a", quantity=2), put("a", quantity=3)]) == {"a": 3}
    assert cart_after([put("a", quantity=2), put("a")]) == {"a": 2}


def test_what_is_taken_out_is_forgotten() -> None:
    assert cart_after([put("a", quantity=2), Happened("uncart", {"product": "a"}), put("a")]) == {"a": 1}


@given(st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=2))
def test_any_number_is_a_number_of_pieces(number: object) -> None:
    pieces = how_many(number)
    assert pieces is not None
    assert 1 <= pieces <= MOST_PIECES
