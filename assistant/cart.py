"""The cart of a conversation, and what a message wants done with it.

The model tells that a message is about the cart, words tell the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal, cast

from catalog.amounts import plain
from catalog.tables import load_table

Deed = Literal["add", "remove", "empty", "show", "pay"]
MOST_PIECES = 999  # of a product; who wants more talks to a person


def deed(text: str) -> Deed:
    """What the words want done.

    >>> deed("add the second one"), deed("take it out of my cart"), deed("清空购物车"), deed("去结算")
    ('add', 'remove', 'empty', 'pay')
    """
    said = plain(text).replace("’", "'")
    for name, words in _words().items():
        if any(word in said for spoken in words.values() for word in spoken):
            return cast(Deed, name)
    return "add"


def how_many(quantity: object) -> int | None:
    """The number of pieces that a frame's quantity stands for; None where none was said.

    >>> how_many(Decimal("2")), how_many(0), how_many(10**6), how_many(None)
    (2, 1, 999, None)
    """
    return None if quantity is None else min(max(int(Decimal(str(quantity))), 1), MOST_PIECES)


def cart_after(events: Iterable[Any], cart: Mapping[str, int] = MappingProxyType({})) -> dict[str, int]:
    """The products in the cart after `events` (anything with `kind` and `payload`), the latest last, and how many of each.

    An event tells how many there are from then on; one that tells none leaves as many as there were.
    """
    held = dict(cart)
    for event in events:
        if event.kind in ("cart", "uncart"):
            before = held.pop(event.payload["product"], 1)
            if event.kind == "cart":
                held[event.payload["product"]] = event.payload.get("quantity", before)
    return held


def _words() -> Mapping[str, Mapping[str, Sequence[str]]]:
    words: Mapping[str, Mapping[str, Sequence[str]]] = load_table("cart.yaml", "assistant")
    return words
