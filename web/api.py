"""The HTTP API: what a click in the widget does, and health. The shopper is the cookie's, never the body's."""

from collections.abc import Sequence
from itertools import groupby
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Cookie, HTTPException, Request
from pydantic import BaseModel, Field

from assistant.build import Parts
from assistant.phrases import phrase
from assistant.store import Event
from catalog.errors import UserError
from web.identity import COOKIE, Identity
from web.language import LANGUAGE_COOKIE, page_language
from web.limit import Limit
from web.live import Live

MAX_MESSAGE = 2_000  # characters


class Click(BaseModel):
    """What a shopper did with a product; of a dwell, for how many seconds."""

    product: str = Field(max_length=200)
    kind: Literal["view", "click", "dwell", "cart", "like", "dislike"]
    seconds: float = Field(default=1.0, gt=0, le=600)


class Forget(BaseModel):
    """What no more use is to be made of: a name out of the profile, or `everything`."""

    name: str = Field(min_length=1, max_length=300)


class Rating(BaseModel):
    """How a conversation with a person was, 5 the best."""

    score: int = Field(ge=1, le=5)


class Correction(BaseModel):
    """What is right in the place of a fact."""

    fact: str = Field(max_length=40)
    value: str = Field(min_length=1, max_length=100)


class Message(BaseModel):
    """What a shopper says; the same `client_message_id` again is the same message."""

    text: str = Field(min_length=1, max_length=MAX_MESSAGE)
    client_message_id: str | None = Field(default=None, max_length=64)


def _to_be_rated(events: Sequence[Event]) -> bool:
    """A conversation can be rated once each time that it was closed."""
    last = next((e.kind for e in reversed(events) if e.kind in ("resolved", "rating")), "")
    return last == "resolved"


def router(parts: Parts, live: Live, identity: Identity, limit: Limit) -> APIRouter:
    """The routes below `/api`."""
    api = APIRouter(prefix="/api")

    def known_shopper(request: Request, cookie: str | None) -> str:
        """Who calls. Other sites' pages may not act for a shopper."""
        origin = request.headers.get("origin")
        if origin and origin.split("://")[-1] != request.headers.get("host"):
            raise HTTPException(403, "requests from other origins are not accepted")
        shopper = identity.shopper(cookie)
        if shopper is None:
            raise HTTPException(401, "no shopper: open the widget's page first")
        return shopper

    def conversation(request: Request, cookie: str | None) -> str:
        """The caller's own conversation."""
        return parts.conversations.open(known_shopper(request, cookie))

    @api.post("/interactions", status_code=204)
    def interact(click: Click, request: Request, shopper: Annotated[str | None, Cookie(alias=COOKIE)] = None) -> None:
        own = conversation(request, shopper)
        if not parts.assistant.interact(own, click.product, click.kind, click.seconds):
            raise HTTPException(404, f"no product {click.product!r}")

    @api.post("/messages", status_code=202)
    def say(message: Message, request: Request, shopper: Annotated[str | None, Cookie(alias=COOKIE)] = None) -> None:
        own = conversation(request, shopper)
        limit.check(own, request)
        live.say(own, message.text, message.client_message_id)

    @api.post("/rating", status_code=204)
    def rate(rating: Rating, request: Request, shopper: Annotated[str | None, Cookie(alias=COOKIE)] = None) -> None:
        own = conversation(request, shopper)
        if parts.conversations.append_if(own, "rating", {"score": rating.score}, _to_be_rated) is None:
            raise HTTPException(409, "there is no closed conversation to rate")

    @api.get("/profile")
    def profile(request: Request, shopper: Annotated[str | None, Cookie(alias=COOKIE)] = None) -> dict[str, Any]:
        language = page_language(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", ""))
        known = parts.memory.known(known_shopper(request, shopper), language)
        groups = [
            {"heading": phrase(f"known_heading_{source}", language), "known": list(own)}
            for source, own in groupby(known, key=lambda one: one.source)
        ]
        labels = {name: phrase(f"known_{name}", language) for name in ("nothing", "forget", "forget_all", "correct")}
        return {"groups": groups, "labels": labels}

    @api.post("/profile/forget", status_code=204)
    def forget(wish: Forget, request: Request, shopper: Annotated[str | None, Cookie(alias=COOKIE)] = None) -> None:
        try:
            parts.memory.forget(known_shopper(request, shopper), wish.name)
        except UserError as error:
            raise HTTPException(422, str(error)) from error

    @api.post("/profile/correct", status_code=204)
    def correct(
        right: Correction, request: Request, shopper: Annotated[str | None, Cookie(alias=COOKIE)] = None
    ) -> None:
        try:
            parts.memory.correct(known_shopper(request, shopper), right.fact, right.value)
        except UserError as error:
            raise HTTPException(422, str(error)) from error

    @api.get("/health")
    def health() -> dict[str, object]:
        return {"status": "ok", "products": parts.products.count()}

    return api
