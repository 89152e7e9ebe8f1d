"""The HTTP API: what a click in the widget does, and health. The shopper is the cookie's, never the body's."""

from typing import Annotated, Literal

from fastapi import APIRouter, Cookie, HTTPException, Request
from pydantic import BaseModel, Field

from assistant.build import Parts
from web.identity import COOKIE, Identity
from web.live import Live

MAX_MESSAGE = 2_000  # characters


class Click(BaseModel):
    """What a shopper did with a product."""

    product: str = Field(max_length=200)
    kind: Literal["click", "cart", "like", "dislike"]


class Message(BaseModel):
    """What a shopper says; the same `client_message_id` again is the same message."""

    text: str = Field(min_length=1, max_length=MAX_MESSAGE)
    client_message_id: str | None = Field(default=None, max_length=64)


def router(parts: Parts, live: Live, identity: Identity) -> APIRouter:
    """The routes below `/api`."""
    api = APIRouter(prefix="/api")

    def conversation(request: Request, cookie: str | None) -> str:
        """The caller's own conversation. Other sites' pages may not act for a shopper."""
        origin = request.headers.get("origin")
        if origin and origin.split("://")[-1] != request.headers.get("host"):
            raise HTTPException(403, "requests from other origins are not accepted")
        shopper = identity.shopper(cookie)
        if shopper is None:
            raise HTTPException(401, "no shopper: open the widget's page first")
        return parts.conversations.open(shopper)

    @api.post("/interactions", status_code=204)
    def interact(click: Click, request: Request, shopper: Annotated[str | None, Cookie(alias=COOKIE)] = None) -> None:
        own = conversation(request, shopper)
        if not parts.assistant.interact(own, click.product, click.kind):
            raise HTTPException(404, f"no product {click.product!r}")
        live.changed(own)

    @api.post("/messages", status_code=202)
    def say(message: Message, request: Request, shopper: Annotated[str | None, Cookie(alias=COOKIE)] = None) -> None:
        live.say(conversation(request, shopper), message.text, message.client_message_id)

    @api.get("/health")
    def health() -> dict[str, object]:
        return {"status": "ok", "products": parts.products.count()}

    return api
