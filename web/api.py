"""The HTTP API: all that the widget can do, for shops that build their own. OpenAPI is at /openapi.json.

The shopper is whoever the token or the cookie names; nothing in a body or a path says who acts.
"""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field, model_validator

from assistant.build import Parts
from assistant.phrases import phrase
from assistant.privacy import adopt, erase, export
from assistant.store import Event
from assistant.types import VISITOR
from catalog.errors import UserError
from catalog.types import Filters, Language, Query
from web.ask import ask_router
from web.identity import COOKIE, Identity, TokenError
from web.language import page_language
from web.limit import TOO_OFTEN, Limit
from web.live import Live
from web.messages import MAX_MESSAGE, Body, Card, Said, card, growing, shown_products, told
from web.photos import NAME, photo_data, photo_router
from web.speech import speech_router
from web.stream import event, event_stream

MOST_PRODUCTS = 50
ID = r"^[\w.-]+$"  # of a client's message: the bot's own have a colon


class Click(Body):
    """What a shopper did with a product; of a dwell, for how many seconds."""

    product: str = Field(max_length=200)
    kind: Literal["view", "click", "dwell", "cart", "like", "dislike"]
    seconds: float = Field(default=1.0, gt=0, le=600)


class Forget(Body):
    """What no more use is to be made of: a name out of the profile, or `everything`."""

    name: str = Field(min_length=1, max_length=300)


class Rating(Body):
    """How a conversation with a person was, 5 the best."""

    score: int = Field(ge=1, le=5)


class Correction(Body):
    """What is right in the place of a fact."""

    fact: str = Field(max_length=40)
    value: str = Field(min_length=1, max_length=100)


class Message(Body):
    """What a shopper says, or shows: a `photo` that was sent before. The same `client_message_id` again is the same
    message."""

    text: str = Field(default="", max_length=MAX_MESSAGE)
    photo: str = Field(default="", pattern=NAME)
    client_message_id: str | None = Field(default=None, min_length=1, max_length=50, pattern=ID)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.text and not self.photo:
            raise ValueError("a message needs words or a photo")
        return self


class Sitting(Body):
    """Whom the shop vouches for by a signed token; none: nobody is signed in."""

    token: str | None = Field(default=None, max_length=4_000)


class Changed(BaseModel):
    """Whether the caller is somebody else now: then a page loads itself anew."""

    changed: bool


class Heard(BaseModel):
    """A message's number in its conversation."""

    seq: int


class Health(BaseModel):
    """That the process is up."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """Whether the process can serve: `degraded` without a model, by words alone."""

    status: Literal["ready", "degraded"]
    language_model: Literal["here", "away"]


class Details(Card):
    """A product in full; `attributes` by name."""

    description: str
    brand: str
    attributes: dict[str, list[str]]


def _to_be_rated(events: Sequence[Event]) -> bool:
    """A conversation can be rated once each time that it was closed."""
    last = next((e.kind for e in reversed(events) if e.kind in ("resolved", "rating")), "")
    return last == "resolved"


def _problem(status: int, meaning: str) -> dict[int | str, dict[str, Any]]:
    return {status: {"description": meaning}}


def router(parts: Parts, live: Live, identity: Identity, limit: Limit) -> APIRouter:
    """The routes below `/api`."""
    api = APIRouter(prefix="/api")
    Shopper = Annotated[str, Depends(identity.caller)]  # noqa: N806
    for routes in (_conversation(parts, live, limit, Shopper), _profile(parts, Shopper), _products(parts, Shopper)):
        api.include_router(routes, responses=_problem(401, "No token and no cookie"))

    api.include_router(ask_router(parts, live, limit))

    @api.post("/session", responses=_problem(401, "A token that is not valid"))
    def sit(sitting: Sitting, request: Request, response: Response) -> Changed:
        """Sign a shopper in or out in this browser. What a visitor said and did goes with them."""
        before = identity.shopper(request.cookies.get(COOKIE))
        visitor = before if before and before.startswith(VISITOR) else None
        try:
            after = visitor if sitting.token is None else identity.vouched(sitting.token)
        except TokenError as error:
            raise HTTPException(401, str(error)) from error
        if after == before:
            return Changed(changed=False)
        if visitor and after:
            adopt(parts.products.engine, visitor, after)
        cookie = identity.cookie(after) if after else identity.new_cookie()
        response.headers.append("set-cookie", identity.header(cookie, request.scope))
        return Changed(changed=True)

    @api.get("/health")
    def health() -> Health:
        """That the process is up; whoever restarts what is not asks this."""
        return Health()

    @api.get("/ready", responses=_problem(503, "The database does not answer"))
    def ready() -> Ready:
        """Whether to send shoppers here: the database answers."""
        parts.products.version()
        away = parts.llm.is_away
        return Ready(status="degraded" if away else "ready", language_model="away" if away else "here")

    return api


def _conversation(parts: Parts, live: Live, limit: Limit, Shopper: Any) -> APIRouter:  # noqa: N803
    """What is said, and what is done with it."""
    api = APIRouter(tags=["conversation"])

    def own(shopper: Shopper) -> str:
        """The caller's own conversation."""
        return parts.conversations.open(shopper)

    Own = Annotated[str, Depends(own)]  # noqa: N806
    api.include_router(photo_router(parts.photos, limit, Own))
    api.include_router(speech_router(parts.speech, limit, Own))

    @api.post("/messages", status_code=202, responses={**TOO_OFTEN, **_problem(404, "No such photo")})
    def say(message: Message, conversation: Own, request: Request) -> Heard:
        """Say something, or show a photo. It is on disk when this returns; the answer comes by the stream."""
        limit.check(conversation, request)
        if message.photo:
            photo_data(parts.photos, conversation, message.photo)
        language = page_language(request.cookies, request.headers)
        heard = live.say(conversation, message.text, message.client_message_id, message.photo, language)
        return Heard(seq=heard.seq)

    @api.get("/messages")
    def messages(conversation: Own, after: Annotated[int, Field(ge=0, le=2**31)] = 0) -> list[Said]:
        """The conversation so far, or what came after a number."""
        return _said(parts, conversation, after)

    @api.get("/messages/stream", response_class=StreamingResponse)
    def stream(conversation: Own, last_event_id: Annotated[str, Header()] = "0") -> StreamingResponse:
        """Server-sent events: `message` with each message from `Last-Event-ID` on, `growing` with a reply under
        way, `typing` when staff write."""
        after = int(last_event_id) if last_event_id.isdecimal() and len(last_event_id) < 10 else 0
        return event_stream(live, conversation, Following(parts, live, conversation, after).news)

    @api.post("/interactions", status_code=204, responses=_problem(404, "No such product"))
    def interact(click: Click, conversation: Own) -> None:
        """Tell of a view, click, like, dislike or a product put in the cart."""
        if not parts.assistant.interact(conversation, click.product, click.kind, click.seconds):
            raise HTTPException(404, f"no product {click.product!r}")

    @api.post("/handoff", status_code=202)
    def handoff(conversation: Own, language: Language = "zh") -> None:
        """Ask for a person."""
        live.call_person(conversation, language)

    @api.post("/rating", status_code=204, responses=_problem(409, "There is nothing to rate"))
    def rate(rating: Rating, conversation: Own) -> None:
        """Rate the conversation that a member of staff has closed."""
        if parts.conversations.append_if(conversation, "rating", {"score": rating.score}, _to_be_rated) is None:
            raise HTTPException(409, "there is no closed conversation to rate")

    return api


def _profile(parts: Parts, Shopper: Any) -> APIRouter:  # noqa: N803
    """What is known of the shopper."""
    api = APIRouter(prefix="/profile", tags=["profile"])

    @api.get("")
    def profile(request: Request, shopper: Shopper) -> dict[str, Any]:
        """All that is known and used, by where it comes from."""
        language = page_language(request.cookies, request.headers)
        known = parts.memory.known(shopper, language)
        groups = [
            {"heading": phrase(f"known_heading_{source}", language), "known": list(own)}
            for source, own in groupby(known, key=lambda one: one.source)
        ]
        names = ("nothing", "forget", "forget_all", "correct", "export", "erase", "erase_sure")
        return {"groups": groups, "labels": {name: phrase(f"known_{name}", language) for name in names}}

    @api.post("/forget", status_code=204, responses=_problem(404, "Nothing of that name is known"))
    def forget(wish: Forget, shopper: Shopper) -> None:
        """Make no more use of something."""
        try:
            parts.memory.forget(shopper, wish.name)
        except UserError as error:
            raise HTTPException(404, str(error)) from error

    @api.post("/correct", status_code=204, responses=_problem(400, "No such fact, or no value for it"))
    def correct(right: Correction, shopper: Shopper) -> None:
        """Put a fact right."""
        try:
            parts.memory.correct(shopper, right.fact, right.value)
        except UserError as error:
            raise HTTPException(400, str(error)) from error

    @api.get("/export")
    def out(shopper: Shopper) -> JSONResponse:
        """Everything stored about the shopper."""
        headers = {"Content-Disposition": 'attachment; filename="my-data.json"', "Cache-Control": "no-store"}
        return JSONResponse(export(parts.products.engine, shopper), headers=headers)

    @api.delete("", status_code=204)
    def gone(shopper: Shopper) -> None:
        """Delete everything stored about the shopper, orders included."""
        erase(parts.products.engine, shopper)

    return api


def _products(parts: Parts, Shopper: Any) -> APIRouter:  # noqa: N803
    """What is for sale."""
    api = APIRouter(prefix="/products", tags=["products"])

    @api.get("")
    def products(
        shopper: Shopper,
        q: Annotated[str, Field(max_length=300)] = "",
        price_max: Annotated[Decimal | None, Field(ge=0, le=10**9)] = None,
        k: Annotated[int, Field(ge=1, le=MOST_PRODUCTS)] = 10,
        language: Language = "zh",
    ) -> list[Card]:
        """What suits the shopper, by history and a request, the best first."""
        ranked = parts.answers.finder.recommend(shopper, Query(q, Filters(price_max=price_max)))
        return [card(r.product, language) for r in ranked[:k]]

    def found(product: str) -> Any:
        if (there := parts.products.get(product)) is None:
            raise HTTPException(404, f"no product {product[:200]!r}")
        return there

    Found = Annotated[Any, Depends(found)]  # noqa: N806

    @api.get("/{product}", responses=_problem(404, "No such product"))
    def details(there: Found, _: Shopper, language: Language = "zh") -> Details:
        """One product."""
        attributes: dict[str, list[str]] = {}
        for one in there.attributes:
            if one.language in ("", language):
                attributes.setdefault(one.name, []).append(one.value)
        description = there.text(language).description
        return Details(
            **card(there, language).model_dump(), description=description, brand=there.brand, attributes=attributes
        )

    @api.get("/{product}/similar", responses=_problem(404, "No such product"))
    def similar(there: Found, shopper: Shopper, language: Language = "zh") -> list[Card]:
        """Products like one."""
        return [card(r.product, language) for r in parts.answers.finder.similar(shopper, there)[:10]]

    return api


def _said(parts: Parts, conversation: str, after: int) -> list[Said]:
    events = parts.conversations.events(conversation)
    products = parts.products.by_external_id(shown_products(events))
    return [one for one in told(events, products) if one.seq > after]


class Following:
    """A conversation as one client was told it; `after` is the number of the last message that it had."""

    def __init__(self, parts: Parts, live: Live, conversation: str, after: int) -> None:
        self._parts = parts
        self._live = live
        self._conversation = conversation
        self._after = after

    def news(self) -> Iterator[str]:
        """Events for what the client does not know."""
        for said in _said(self._parts, self._conversation, self._after):
            self._after = said.seq
            yield event(said.model_dump_json(), number=said.seq)
        if reply := self._live.reply(self._conversation):
            yield event(growing(reply).model_dump_json(), "growing")
        if name := self._live.typing(self._conversation):
            yield event(json.dumps({"typing": name}, separators=(",", ":")), "typing")
