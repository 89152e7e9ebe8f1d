"""The conversation on the shopper's page: a piece of HTML for each thing said, and the stream that keeps it up to date.

The page holds nothing but what it was sent last. Only pieces that are new or look otherwise are sent, so that a long
conversation costs no more than a short one.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from assistant.build import Parts
from assistant.cart import cart_after
from assistant.payload import from_payload
from assistant.phrases import phrase
from assistant.store import Event
from assistant.types import Pick, Reply
from catalog.types import Language, Product
from web.cards import cards, closing, quick_replies
from web.identity import Identity
from web.live import Live
from web.messages import NOTICES, shown_products
from web.photos import photo_address
from web.stream import event, event_stream

# Events that change the page.
VISIBLE = ("message", "answer", "staff", "feedback", "cart", "uncart", "rating", *NOTICES)
_SPOKEN = ("message", "answer", "staff", *NOTICES)


def transcript_router(parts: Parts, live: Live, identity: Identity) -> APIRouter:
    """The stream that the page's script follows; how it is made is nobody else's concern."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/transcript")
    def transcript(shopper: str = Depends(identity.caller)) -> StreamingResponse:
        conversation = parts.conversations.open(shopper)
        live.ensure_answer(conversation)
        return event_stream(live, conversation, Transcript(parts, live, conversation).news)

    return routes


class Transcript:
    """A conversation as one page was told it."""

    def __init__(self, parts: Parts, live: Live, conversation: str) -> None:
        self._parts = parts
        self._live = live
        self._conversation = conversation
        self._events: list[Event] = []
        self._shown: tuple[object, ...] = ()
        self._told: Mapping[str, str] = {}

    def news(self) -> Iterator[str]:
        """An event with the `order` of all pieces and the `html` of those that changed; nothing if none did."""
        live, own = self._live, self._conversation
        self._events += self._parts.conversations.events(own, after=len(self._events))
        growing, busy, typing = live.reply(own), live.busy(own), live.typing(own)
        visible = sum(one.kind in VISIBLE for one in self._events)
        if (shown := (visible, growing, busy, typing)) == self._shown:
            return
        self._shown = shown
        products = self._parts.products.by_external_id(shown_products(self._events))
        now = pieces(self._events, products, growing)
        if busy and growing is None:
            now["busy"] = _said("bot", "…")
        if typing:
            now["typing"] = _said("staff", f"{typing}: …")
        changed = {key: html for key, html in now.items() if self._told.get(key) != html}
        self._told = now
        yield event(json.dumps({"order": list(now), "html": changed}, ensure_ascii=False))


def pieces(events: Sequence[Event], products: Mapping[str, Product], growing: Reply | None) -> dict[str, str]:
    """The event log, and the reply under way, as HTML by key. A reply has the same key before and after it is done."""
    done = {(e.payload["product"], e.payload["kind"]) for e in events if e.kind == "feedback"}
    done |= {(product, "cart") for product in cart_after(events)}
    last = max((e.seq for e in events if e.kind in _SPOKEN), default=0)
    found: dict[str, str] = {}
    language: Language = "en"
    answers = 0
    for one in events:
        if one.kind == "answer":
            answers += 1
            reply = from_payload(one.payload, products)
            language = reply.language
            found[f"answer-{answers}"] = _reply(reply, done, latest=one.seq == last and growing is None)
        elif html := _piece(one, events, products, language, done):
            found[str(one.seq)] = html
    if growing is not None and not growing.done:
        found[f"answer-{answers + 1}"] = _reply(growing, done, latest=False)
    return found


def _piece(
    one: Event, events: Sequence[Event], products: Mapping[str, Product], language: Language,
    done: Collection[tuple[str, str]],
) -> str:  # fmt: skip
    """What is shown of an event that is not an answer, nothing for most."""
    if one.kind == "message":
        return _message(one.payload)
    if one.kind == "staff":
        return _staff(one, products, language, done)
    if one.kind == "resolved":
        return closing(language, rated=any(e.kind == "rating" for e in events[one.seq :]))
    if one.kind in NOTICES:
        name = one.payload.get("to") or one.payload.get("staff", "")
        return f'<div class="dg-notice">{escape(phrase(NOTICES[one.kind], language, name=name))}</div>'
    return ""


def _message(payload: Mapping[str, Any]) -> str:
    """What the shopper wrote, and the photo that they showed with it."""
    said = _said("shopper", payload["text"]) if payload["text"] else ""
    if "photo" not in payload:
        return said
    label = escape(phrase("photo_of_shopper", payload["language"]))
    return f'<img class="dg-photo" src="{photo_address(payload["photo"])}" alt="{label}" loading="lazy">{said}'


def _reply(reply: Reply, done: Collection[tuple[str, str]], latest: bool) -> str:
    """An answer: its opening line, its cards, what is said about them, quick replies."""
    offers = reply.quick_replies if latest else ()
    opening, _, rest = reply.text.partition("\n") if reply.picks else (reply.text, "", "")
    shown = cards(reply.picks, reply.language, done, offers) if reply.picks else ""
    said = _said("bot", rest) if rest else ""
    return f"{_said('bot', opening)}{shown}{said}{quick_replies(offers) if offers else ''}"


def _staff(one: Event, products: Mapping[str, Product], language: Language, done: Collection[tuple[str, str]]) -> str:
    """What a person says, under their name, and the products that they send."""
    picks = [Pick(products[p["product"]], p["why"]) for p in one.payload["picks"] if p["product"] in products]
    said = _said("staff", f"{one.payload['staff']}: {one.payload['text']}") if one.payload["text"] else ""
    return f"{said}{cards(picks, language, done) if picks else ''}"


def _said(who: str, text: str) -> str:
    return f'<p class="dg-said dg-{who}">{escape(text)}</p>'
