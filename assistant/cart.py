"""The cart of a conversation, and what a message wants done with it.

The model tells that a message is about the cart, words tell the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, cast

from catalog.amounts import plain
from catalog.tables import load_table

Deed = Literal["add", "remove", "empty", "show", "pay"]


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


def cart_after(events: Iterable[Any], cart: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The products in the cart after `events` (anything with `kind` and `payload`), the latest last."""
    for event in events:
        if event.kind in ("cart", "uncart"):
            others = tuple(product for product in cart if product != event.payload["product"])
            cart = (*others, event.payload["product"]) if event.kind == "cart" else others
    return cart


def _words() -> Mapping[str, Mapping[str, Sequence[str]]]:
    words: Mapping[str, Mapping[str, Sequence[str]]] = load_table("cart.yaml", "assistant")
    return words
