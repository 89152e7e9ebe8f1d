"""Conversations and products as the HTTP API tells them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from assistant.phrases import money, phrase
from assistant.store import Event
from assistant.types import Reply
from catalog.types import Language, Product
from web.photos import photo_address

MAX_MESSAGE = 2_000  # characters
# Events that the shopper is told of -> the phrase for it.
NOTICES: Mapping[str, str] = {
    "claimed": "joined", "transferred": "joined", "released": "requeued", "returned": "left", "away": "away",
    "resolved": "closed",
}  # fmt: skip


class Body(BaseModel):
    """What a request says; a field that is not known is an error."""

    model_config = ConfigDict(extra="forbid")


class Card(BaseModel):
    """A product as it is shown: `price` as written for the shopper, `amount` in `currency`, `why` it was picked."""

    id: str
    title: str
    price: str
    amount: str
    currency: str
    stock: int
    rating: float
    reviews: int
    image: str = ""
    url: str = ""
    why: str = ""


class Said(BaseModel):
    """A message of a conversation. `seq` grows, not always by one; `who` is the name of a member of staff.

    `photo` is the address of one that the shopper showed, of whom `text` may then be empty.
    """

    seq: int
    role: Literal["shopper", "bot", "staff", "notice"]
    text: str
    time: datetime
    who: str = ""
    photo: str = ""
    picks: list[Card] = []
    quick_replies: list[str] = []


class Growing(BaseModel):
    """A reply of the bot that is not finished."""

    text: str
    picks: list[Card] = []


def card(product: Product, language: Language, why: str = "") -> Card:
    """A product's card. Pictures of other hosts are left out: a page asks no other host for anything."""
    return Card(
        id=product.external_id, title=product.text(language).title, price=money(product.price, product.currency),
        amount=f"{product.price:f}", currency=product.currency, stock=product.stock, rating=round(product.rating, 1),
        reviews=product.review_count, url=product.url, why=why,
        image=f"/{product.image}" if product.image and "://" not in product.image else "",
    )  # fmt: skip


def shown_products(events: Sequence[Event]) -> set[str]:
    """The ids of all products on cards of a conversation."""
    return {p["product"] for e in events if e.kind in ("answer", "staff") for p in e.payload["picks"]}


def told(events: Sequence[Event], products: Mapping[str, Product]) -> Iterator[Said]:
    """What the shopper may see of a conversation, which is not its notes, tags and frames."""
    language: Language = "en"
    for event in events:
        payload = event.payload
        language = payload.get("language", language)
        if event.kind == "message":
            photo = photo_address(payload["photo"]) if "photo" in payload else ""
            yield Said(seq=event.seq, role="shopper", text=payload["text"], time=event.time, photo=photo)
        elif event.kind in ("answer", "staff"):
            picks = [card(products[p["product"]], language, p["why"])
                     for p in payload["picks"] if p["product"] in products]  # fmt: skip
            yield Said(
                seq=event.seq, role="bot" if event.kind == "answer" else "staff", text=payload["text"], time=event.time,
                who=payload.get("staff", ""), picks=picks,
                quick_replies=[q["text"] for q in payload.get("quick_replies", ())],
            )  # fmt: skip
        elif event.kind in NOTICES:
            name = payload.get("to") or payload.get("staff", "")
            text = phrase(NOTICES[event.kind], language, name=name)
            yield Said(seq=event.seq, role="notice", text=text, time=event.time)


def growing(reply: Reply) -> Growing:
    """A reply as far as it has come."""
    return Growing(text=reply.text, picks=[card(p.product, reply.language, p.why) for p in reply.picks])
