"""What is answered to words about the cart."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal, Protocol

from assistant.cart import deed, how_many
from assistant.phrases import contact_lines, listed, money, phrase, sentences
from assistant.ranking.features import slot_words
from assistant.ranking.ranker import Ranker
from assistant.ranking.record import record, stands_in
from assistant.state import DialogueState
from assistant.types import ParsedTurn, Pick, Reply
from catalog.store import ProductStore
from catalog.types import InteractionKind, Language, Product

Done = InteractionKind | Literal["uncart"]


class Note(Protocol):
    """Writes down what the shopper did with a product, and with how many of it where that was said."""

    def __call__(self, product: str, done: Done, quantity: int | None = None) -> Any: ...


def meant(products: ProductStore, state: DialogueState, among: Sequence[str]) -> list[Product]:
    """The products that a message points at, else all of `among`, in that order."""
    ids = state.items or tuple(among)
    found = products.by_external_id(ids)
    return [found[i] for i in ids if i in found]


class Basket:
    """Fills, empties and tells the cart; `picks` products are shown that go with what was put in."""

    def __init__(self, products: ProductStore, ranker: Ranker, picks: int = 3, contact: str = "") -> None:
        self._products = products
        self._ranker = ranker
        self._picks = picks
        self._contact = contact

    def answer(self, state: DialogueState, parsed: ParsedTurn, note: Note) -> Reply:
        """Do what was asked for, writing it down by `note`, and tell what came of it."""
        done = deed(state.text)
        if done in ("show", "pay"):
            return self._told(state, "" if done == "show" else "pay")
        if done == "add":
            return self._put_in(state, parsed, note)
        held = tuple(state.cart)
        chosen = held if done == "empty" else [p.external_id for p in self._chosen(state, parsed, held)]
        gone = [product for product in chosen if product in state.cart]
        if not gone and state.cart:
            return Reply(state.language, phrase("which_one", state.language))
        for product in gone:
            note(product, "uncart")
        return self._told(replace(state, cart={p: n for p, n in state.cart.items() if p not in gone}), "out")

    def _put_in(self, state: DialogueState, parsed: ParsedTurn, note: Note) -> Reply:
        language, quantity = state.language, how_many(parsed.slots.get("quantity"))
        products = self._chosen(state, parsed, state.shown)
        if not products and quantity:  # "make it three"
            products = self._chosen(state, parsed, tuple(state.cart))
        if not products:
            return Reply(language, phrase("which_one", language))
        for product in products:
            note(product.external_id, "cart", quantity)
        said = phrase("in_cart", language, names=_pieces([(p, quantity or 1) for p in products], language))
        together = self._bought_with(products[-1], language)
        opening = f"{said} {phrase('also_bought', language)}" if together else said
        return Reply(language, opening, together)

    def _told(self, state: DialogueState, what: str) -> Reply:
        """What is in the cart and what it comes to; `what` says what was asked for beside."""
        language = state.language
        found = self._products.by_external_id(state.cart)
        held = [(found[product], count) for product, count in state.cart.items() if product in found]
        lines = [phrase("out_of_cart", language)] if what == "out" else []
        if held:
            total = money(sum((p.price * n for p, n in held), Decimal(0)), held[0][0].currency)
            lines.append(phrase("cart_holds", language, names=_pieces(held, language), total=total))
            lines += [phrase("pay", language), *contact_lines(self._contact, language)] if what == "pay" else []
        else:
            lines.append(phrase("cart_empty", language))
        return Reply(language, sentences(lines, language))

    def _chosen(self, state: DialogueState, parsed: ParsedTurn, among: Sequence[str]) -> list[Product]:
        """The products meant: those pointed at, else the only one of `among` that has all words said."""
        if state.items or len(among) == 1:
            return meant(self._products, state, among)
        words = [w for name in ("category", "brand", "color") for w in slot_words(parsed.slots.get(name))]
        there = meant(self._products, state, among) if words else []
        named = [p for p in there if all(stands_in(w, record(p).words) for w in words)]
        return named if len(named) == 1 else []

    def _bought_with(self, product: Product, language: Language) -> tuple[Pick, ...]:
        """What shoppers of a product took as well and can be had."""
        ids = self._ranker.bought_with(product.external_id, 4 * self._picks)
        found = self._products.by_external_id(ids)
        there = [found[i] for i in ids if i in found and found[i].stock > 0]
        return tuple(Pick(p, phrase("why_together", language)) for p in there[: self._picks])


def _pieces(held: Sequence[tuple[Product, int]], language: Language) -> str:
    """Products with how many there are of each, where that is more than one."""
    titles = [(product.text(language).title, count) for product, count in held]
    return listed([f"{count} × {title}" if count > 1 else title for title, count in titles], language)
