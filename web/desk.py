"""The desk: where staff see who waits, take conversations over, and speak. Plain pages and JSON, no Gradio.

Every request needs a staff session out of a strict cookie, and every change its CSRF token.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Cookie, Depends, Header, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from assistant.aspects import aspect_name
from assistant.build import Parts
from assistant.custody import custody
from assistant.desk import UnknownConversation, Waiting
from assistant.frame import MOODS
from assistant.labels import Labels
from assistant.phrases import phrase
from assistant.picture import TurnPicture, turn_picture
from assistant.service import figures
from assistant.staff import Session, StaffError
from assistant.state import fold
from assistant.store import Event
from assistant.types import INTENTS, LIST_SLOTS, SLOTS, SORTS
from catalog.errors import UserError
from catalog.insights import ReviewInsights, review_insights
from catalog.types import Language, Opinion, Product, Query
from web.limit import Limit
from web.live import ANY, Live
from web.messages import Card, card, shown_products
from web.photos import photo_response
from web.stream import event, event_stream

COOKIE = "daogou_staff"
MOST_ASKED = 50  # messages to label that are listed
MOST_ORDERS = 5  # the latest, beside a conversation
ASSETS = {"desk.js": "text/javascript", "desk.css": "text/css"}
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
Action = Literal["claim", "release", "hand_back", "resolve"]


# What the page for frames offers; the words are the message's own.
FIELDS: dict[str, Any] = {"intent": INTENTS, "mood": list(MOODS), "slots": [*SLOTS[:-2], "sort"], "lists": ("category", *LIST_SLOTS), "sort": SORTS}  # fmt: skip


class Right(BaseModel):
    """The right frame of a message, as a model is taught to write it."""

    frame: dict[str, Any]


class SignIn(BaseModel):
    """Name and password."""

    name: str = Field(max_length=60)
    password: str = Field(max_length=200)


class Words(BaseModel):
    """What staff write; `picks` are ids of products that go along as cards."""

    text: str = Field(default="", max_length=4_000)
    picks: list[str] = Field(default_factory=list, max_length=10)
    client_message_id: str | None = Field(default=None, max_length=64)


class To(BaseModel):
    """Who shall have a conversation."""

    to: str = Field(max_length=60)


def desk_router(parts: Parts, live: Live, limit: Limit) -> APIRouter:
    """The routes below `/desk`."""
    desk = APIRouter(prefix="/desk", tags=["desk"])

    def session(token: Annotated[str | None, Cookie(alias=COOKIE)] = None) -> Session:
        found = parts.staff.session(token)
        if found is None:
            raise HTTPException(401, "sign in first")
        return found

    def change(found: Annotated[Session, Depends(session)], x_csrf_token: Annotated[str, Header()] = "") -> Session:
        if not secrets.compare_digest(x_csrf_token.encode(), found.csrf.encode()):
            raise HTTPException(403, "the CSRF token is missing or not that of this session")
        return found

    reader, writer = Annotated[Session, Depends(session)], Annotated[Session, Depends(change)]
    _pages(desk)
    _account(desk, parts, limit, reader, writer)
    _overview(desk, parts, live, reader)
    _labelling(desk, parts, reader, writer)
    _reading(desk, parts, live, reader)
    _writing(desk, parts, live, writer)
    return desk


def _pages(desk: APIRouter) -> None:
    """The page and what it loads."""

    @desk.get("")
    def page() -> Response:
        return Response(files("web").joinpath("desk.html").read_text("utf-8"), media_type="text/html", headers=HEADERS)

    @desk.get("/assets/{name}")
    def asset(name: str) -> Response:
        if name not in ASSETS:
            raise HTTPException(404, "no such file")
        return Response(files("web").joinpath(name).read_text("utf-8"), media_type=ASSETS[name], headers=HEADERS)


def _account(desk: APIRouter, parts: Parts, limit: Limit, Reader: Any, Writer: Any) -> None:  # noqa: N803
    """Who is signed in."""

    @desk.post("/sign-in")
    def sign_in(given: SignIn, request: Request, response: Response) -> dict[str, str]:
        limit.check(given.name, request)
        try:
            token, found = parts.staff.sign_in(given.name, given.password)
        except StaffError as error:
            raise HTTPException(401, str(error)) from error
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure, path="/desk")
        return _me(found)

    @desk.post("/sign-out", status_code=204)
    def sign_out(_: Writer, token: Annotated[str | None, Cookie(alias=COOKIE)] = None) -> None:
        parts.staff.sign_out(token or "")

    @desk.get("/me")
    def me(found: Reader) -> dict[str, str]:
        return _me(found)

    @desk.get("/colleagues")
    def colleagues(found: Reader) -> list[str]:
        return _colleagues(parts, found)


def _overview(desk: APIRouter, parts: Parts, live: Live, Reader: Any) -> None:  # noqa: N803
    """Who waits, and how all are served."""

    @lru_cache(maxsize=1)
    def insights(version: int) -> ReviewInsights:
        """Of the catalog as it is in a version: all reviews are read for them."""
        return review_insights(parts.products)

    @desk.get("/queue")
    def queue(_: Reader) -> list[dict[str, Any]]:
        return [_row(waiting) for waiting in parts.desk.queue()]

    @desk.get("/stream")
    def stream(_: Reader) -> StreamingResponse:
        before: dict[str, Any] | None = None

        def news() -> Iterator[str]:
            nonlocal before
            if (now := dict(parts.conversations.held_cursor())) != before:
                before = now
                yield event(json.dumps(now))

        return event_stream(live, ANY, news)

    @desk.get("/figures")
    def all_figures(found: Reader) -> dict[str, Any]:
        _only_leads(found, "figures")
        return asdict(figures(parts.conversations))

    @desk.get("/reviews")
    def reviews(found: Reader, language: Language = "en") -> dict[str, Any]:
        _only_leads(found, "reviews")
        return _reviews(insights(parts.products.version()), language)

    @desk.get("/products")
    def products(_: Reader, text: str = "", language: Language = "en") -> list[Card]:
        return [card(c.product, language) for c in parts.search.search(Query(text[:200], k=8))]


def _labelling(desk: APIRouter, parts: Parts, Reader: Any, Writer: Any) -> None:  # noqa: N803
    """Frames that staff put right."""
    labels = Labels(parts.conversations)

    @desk.get("/labels")
    def asked(_: Reader) -> list[dict[str, Any]]:
        return [asdict(one) for one in labels.asked(MOST_ASKED)]

    @desk.get("/labels/{conversation}/{seq}")
    def proposal(conversation: str, seq: int, _: Reader) -> dict[str, Any]:
        with _told():
            return {"frame": labels.proposal(parts.llm, parts.parser, conversation, seq), "fields": FIELDS}

    @desk.post("/labels/{conversation}/{seq}", status_code=204)
    def write(conversation: str, seq: int, right: Right, found: Writer) -> None:
        with _told():
            labels.write(conversation, seq, right.frame, found.staff.name)
        parts.staff.audit(found.staff.name, "label", f"{conversation}, message {seq}")


def _reading(desk: APIRouter, parts: Parts, live: Live, Reader: Any) -> None:  # noqa: N803
    """One conversation."""

    @desk.get("/conversations/{conversation}")
    def show(conversation: str, _: Reader, language: Language = "en") -> dict[str, Any]:
        with _told():
            events = parts.desk.transcript(conversation)
        shopper = parts.conversations.shopper_of(conversation)
        held, state = custody(events), fold(events)
        bought = [i for i in parts.products.history(shopper) if i.kind == "purchase"][:MOST_ORDERS]
        products = parts.products.by_external_id({*shown_products(events), *state.cart, *(i.product for i in bought)})
        return {
            "conversation": conversation,
            "holder": held.holder,
            "present": live.present(conversation),
            "staff": held.staff,
            "reason": held.reason,
            "mood": round(state.mood, 2),
            "limits": {**state.slots, **{f"not {k}": v for k, v in state.exclude.items()}},
            "known": [{"text": k.text, "because": k.because} for k in parts.memory.known(shopper, language)],
            "cart": [
                card(products[p], language, f"× {n}" if n > 1 else "") for p, n in state.cart.items() if p in products
            ],
            "orders": [
                card(products[i.product], language, f"{i.time:%Y-%m-%d}") for i in bought if i.product in products
            ],
            "tags": [e.payload["tag"] for e in events if e.kind == "tag"],
            "events": [_event(e, products, language) for e in events if e.kind not in ("parsed", "fact", "label")],
        }

    @desk.get("/conversations/{conversation}/photos/{name}")
    def photo(conversation: str, name: str, _: Reader) -> Response:
        return photo_response(parts.photos, conversation, name)

    @desk.get("/conversations/{conversation}/messages/{seq}/picture")
    def picture(conversation: str, seq: int, _: Reader, language: Language = "en") -> dict[str, Any]:
        with _told():
            events = parts.desk.transcript(conversation)
            return _picture(parts, turn_picture(parts.llm, parts.parser, events, seq), language)

    @desk.get("/conversations/{conversation}/suggestion")
    def suggestion(conversation: str, _: Reader) -> dict[str, Any]:
        with _told():
            parts.desk.transcript(conversation)
        draft = parts.assistant.draft(conversation)
        return {"text": draft.text, "picks": [card(p.product, draft.language) for p in draft.picks]}


def _writing(desk: APIRouter, parts: Parts, live: Live, Writer: Any) -> None:  # noqa: N803
    """What is done with a conversation."""

    @desk.post("/conversations/{conversation}/reply", status_code=204)
    def reply(conversation: str, words: Words, found: Writer) -> None:
        with _told():
            parts.desk.reply(conversation, found.staff.name, words.text, words.picks, words.client_message_id)
        live.typed(conversation)

    @desk.post("/conversations/{conversation}/typing", status_code=204)
    def typing(conversation: str, found: Writer) -> None:
        with _told():
            held = custody(parts.desk.transcript(conversation))
        if held.staff == found.staff.name:
            live.types(conversation, found.staff.name)

    @desk.post("/conversations/{conversation}/note", status_code=204)
    def note(conversation: str, words: Words, found: Writer) -> None:
        with _told():
            parts.desk.note(conversation, found.staff.name, words.text)

    @desk.post("/conversations/{conversation}/tag", status_code=204)
    def tag(conversation: str, words: Words, found: Writer) -> None:
        with _told():
            parts.desk.tag(conversation, found.staff.name, words.text)

    @desk.post("/conversations/{conversation}/transfer", status_code=204)
    def transfer(conversation: str, to: To, found: Writer) -> None:
        if to.to not in _colleagues(parts, found):
            raise HTTPException(422, f"there is no colleague {to.to!r}")
        with _told():
            parts.desk.transfer(conversation, found.staff.name, to.to)
        parts.staff.audit(found.staff.name, "transfer", f"{conversation} to {to.to}")

    @desk.post("/conversations/{conversation}/{action}", status_code=204)
    def act(conversation: str, action: Action, found: Writer) -> None:
        do = {"claim": parts.desk.claim, "release": parts.desk.release, "hand_back": parts.desk.hand_back,
              "resolve": parts.desk.resolve}[action]  # fmt: skip
        with _told():
            do(conversation, found.staff.name)
        live.typed(conversation)
        parts.staff.audit(found.staff.name, action, conversation)


@contextmanager
def _told() -> Iterator[None]:
    """What cannot be done is a conflict, told in words."""
    try:
        yield
    except UserError as error:
        raise HTTPException(404 if isinstance(error, UnknownConversation) else 409, str(error)) from error


def _only_leads(found: Session, what: str) -> None:
    if found.staff.role == "agent":
        raise HTTPException(403, f"{what} are for leads and admins")


def _colleagues(parts: Parts, found: Session) -> list[str]:
    return [one.name for one in parts.staff.all() if not one.disabled and one.name != found.staff.name]


def _me(found: Session) -> dict[str, str]:
    return {"name": found.staff.name, "role": found.staff.role, "csrf": found.csrf}


def _row(waiting: Waiting) -> dict[str, Any]:
    return {
        "conversation": waiting.conversation, "holder": waiting.custody.holder, "staff": waiting.custody.staff,
        "reason": waiting.custody.reason, "mood": waiting.mood, "waited": round(waiting.waited), "unread": waiting.unread,
        "cart": waiting.cart, "last": waiting.last[:120],
    }  # fmt: skip


def _reviews(found: ReviewInsights, language: Language) -> dict[str, Any]:
    def told(pairs: list[tuple[Product, Opinion]]) -> list[dict[str, Any]]:
        return [
            {"product": card(p, language), "aspect": aspect_name(o.aspect, language), "good": o.good, "bad": o.bad}
            for p, o in pairs
        ]

    return {
        "reviews": found.reviews, "ratings": found.ratings, "months": found.months, "suspicious": found.suspicious,
        "aspects": {aspect_name(aspect, language): voices for aspect, voices in found.aspects.items()},
        "blamed": told(found.blamed), "praised": told(found.praised),
        "odd": [{"product": card(p, language), "suspicious": odd, "reviews": all_of_it} for p, odd, all_of_it in found.odd],
    }  # fmt: skip


def _picture(parts: Parts, found: TurnPicture, language: Language) -> dict[str, Any]:
    products = parts.products.by_external_id(found.picks)
    return {
        "words": found.words,
        "holds": [asdict(hold) for hold in found.holds],
        "picks": [
            {"title": products[pick].text(language).title, "parts": [(phrase(f"part_{n}", language), v) for n, v in of]}
            for pick, of in found.picks.items() if pick in products
        ],
    }  # fmt: skip


def _event(event: Event, products: Any, language: Language) -> dict[str, Any]:
    payload = event.payload
    return {
        "seq": event.seq, "kind": event.kind, "time": event.time.isoformat(), "text": payload.get("text", ""),
        "photo": payload.get("photo", ""),
        "who": payload.get("to") or payload.get("staff", ""), "reason": payload.get("reason", ""),
        "detail": payload.get("tag") or payload.get("score") or payload.get("product", ""),
        "picks": [card(products[p["product"]], language, p["why"])
                  for p in payload.get("picks", ()) if p["product"] in products],
    }  # fmt: skip
