"""What staff can do with a conversation: take it, speak in it, pass it on, close it. Each checked as it is written."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from assistant.brief import Speaker, write_brief
from assistant.custody import Custody, custody
from assistant.llm import LLM, LLMError
from assistant.phrases import phrase
from assistant.state import DialogueState, fold
from assistant.store import ConversationStore, Event, EventKind
from catalog.errors import UserError
from catalog.store import ProductStore

log = logging.getLogger(__name__)
BOT = "Daogou"  # who signs briefs
URGENT = ("safety", "charge")  # reasons that go before all others
MOST_PICKS = 10  # products in one message of staff
_MINUTE = 60.0


class DeskError(UserError):
    """What staff wanted to do is not possible now, and why."""


class UnknownConversation(DeskError):
    """An id that is no conversation's."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A conversation on the desk. `unread` counts the shopper's messages since a person last wrote."""

    conversation: str
    shopper: str
    custody: Custody
    mood: float
    waited: float  # seconds
    unread: int
    cart: int  # products put in the cart in this conversation
    last: str
    priority: float


def said(message: Event) -> str:
    """A shopper's message in words: a photo alone has none of its own."""
    return message.payload["text"] or phrase("photo_shown", message.payload["language"])


class Desk:
    """The conversations that people hold or are asked to. Without a model no briefs are written."""

    def __init__(self, conversations: ConversationStore, products: ProductStore, llm: LLM | None = None) -> None:
        self._conversations = conversations
        self._products = products
        self._llm = llm

    def brief(self, conversation: str) -> None:
        """Sum the conversation up in a note for whoever takes it over."""
        spoken = [e for e in self._conversations.events(conversation) if e.kind in ("message", "answer", "staff")]
        if self._llm is None or all(e.kind != "message" for e in spoken):
            return
        lines: list[tuple[Speaker, str]] = [
            ("shopper", said(e)) if e.kind == "message" else ("shop", e.payload["text"]) for e in spoken
        ]
        try:
            text = write_brief(self._llm, lines)
        except LLMError as error:
            log.warning("no brief of conversation %s: %s", conversation, error)
            return
        if text:
            self._conversations.append(conversation, "note", {"staff": BOT, "text": text})

    def queue(self, now: datetime | None = None) -> list[Waiting]:
        """All conversations that wait or are held, the most pressing first."""
        now = now or datetime.now(UTC)
        held = self._conversations.logs(self._conversations.held())
        rows = [_waiting(conversation, shopper, events, now) for conversation, shopper, events in held]
        return sorted(rows, key=lambda row: -row.priority)

    def claim(self, conversation: str, staff: str) -> None:
        """Take a conversation from the queue or the bot. Of several who do at once, one gets it."""

        def free(now: Custody) -> str:
            return f"{now.staff} has this conversation already" if now.holder == "staff" else ""

        self._write(conversation, "claimed", {"staff": staff}, free)

    def release(self, conversation: str, staff: str) -> None:
        """Put an own conversation back into the queue."""
        self._write(conversation, "released", {"staff": staff}, _own(staff))

    def transfer(self, conversation: str, staff: str, to: str) -> None:
        """Give an own conversation to a colleague."""
        self._write(conversation, "transferred", {"staff": staff, "to": to}, _own(staff))

    def hand_back(self, conversation: str, staff: str) -> None:
        """Let the bot go on, which knows what was said."""
        self._write(conversation, "returned", {"staff": staff}, _own(staff))

    def resolve(self, conversation: str, staff: str) -> None:
        """Close an own conversation; the shopper is asked how it was."""
        self._write(conversation, "resolved", {"staff": staff}, _own(staff))

    def reply(
        self, conversation: str, staff: str, text: str, picks: Sequence[str] = (), client_message_id: str | None = None
    ) -> Event:
        """Say something in an own conversation, with products as cards. The same client id again is the same message.

        Raises `DeskError` for an empty message, for products that there are not, and where somebody else has it.
        """
        if not text.strip() and not picks:
            raise DeskError("nothing to say: a message needs words or products")
        if len(picks) > MOST_PICKS:
            raise DeskError(f"{len(picks)} products: at most {MOST_PICKS} go into one message")
        known = self._products.by_external_id(picks)
        if missing := [p for p in picks if p not in known]:
            raise DeskError(f"no product {missing[0]!r}")
        payload = {
            "role": "staff", "staff": staff, "text": text.strip(), "picks": [{"product": p, "why": ""} for p in picks],
            "named": self._named(conversation, text),
        }  # fmt: skip
        return self._write(conversation, "staff", payload, _own(staff), client_message_id)

    def _named(self, conversation: str, text: str) -> list[str]:
        """The products shown in a conversation that a text calls by their titles: the bot is to know what was meant."""
        shown = [p["product"] for e in self._conversations.events(conversation) for p in e.payload.get("picks", ())]
        found, said = self._products.by_external_id(shown), text.casefold()
        return [i for i, p in found.items() if any(t.title.casefold() in said for t in p.texts.values())]

    def note(self, conversation: str, staff: str, text: str) -> Event:
        """A private note, which colleagues see and the shopper and the bot do not."""
        if not text.strip():
            raise DeskError("an empty note says nothing")
        return self._write(conversation, "note", {"staff": staff, "text": text.strip()}, _anybody)

    def tag(self, conversation: str, staff: str, tag: str) -> Event:
        """Put a tag on a conversation."""
        if not tag.strip():
            raise DeskError("an empty tag says nothing")
        return self._write(conversation, "tag", {"staff": staff, "tag": tag.strip()}, _anybody)

    def transcript(self, conversation: str) -> list[Event]:
        """All that happened. Raises `UnknownConversation`."""
        self._check(conversation)
        return self._conversations.events(conversation)

    def _check(self, conversation: str) -> None:
        try:
            self._conversations.shopper_of(conversation)
        except KeyError as error:
            raise UnknownConversation(str(error.args[0])) from error

    def _write(
        self,
        conversation: str,
        kind: EventKind,
        payload: Mapping[str, Any],
        objection: Callable[[Custody], str],
        client_message_id: str | None = None,
    ) -> Event:
        """Append if nothing speaks against it at the moment of writing."""
        self._check(conversation)
        said: list[str] = []

        def allowed(events: Sequence[Event]) -> bool:
            said[:] = [objection(custody(events))]
            return not said[0]

        event = self._conversations.append_if(conversation, kind, payload, allowed, client_message_id)
        if event is None:
            raise DeskError(said[0])
        return event


def _waiting(conversation: str, shopper: str, events: Sequence[Event], now: datetime) -> Waiting:
    held, state = custody(events), fold(events)
    waited = (now - held.since).total_seconds() if held.since else 0.0
    spoken = max((n for n, e in enumerate(events) if e.kind == "staff"), default=-1)
    messages = [e for e in events if e.kind == "message"]
    unread = sum(e.kind == "message" for e in events[spoken + 1 :])
    cart = len(state.cart)
    return Waiting(
        conversation, shopper, held, round(state.mood, 2), waited, unread, cart,
        said(messages[-1]) if messages else "", _priority(held, state, waited, cart),
    )  # fmt: skip


def _priority(held: Custody, state: DialogueState, waited: float, cart: int) -> float:
    """What is urgent first, then a point for each minute of waiting, ten for bad mood, three for a full cart."""
    if held.holder == "staff":
        return -1.0  # somebody is there already
    return 100.0 * (held.reason in URGENT) + 10 * max(0.0, -state.mood) + 3.0 * bool(cart) + waited / _MINUTE


def _own(staff: str) -> Callable[[Custody], str]:
    def objection(now: Custody) -> str:
        if now.holder != "staff":
            return "claim this conversation first"
        return "" if now.staff == staff else f"{now.staff} has this conversation now"

    return objection


def _anybody(now: Custody) -> str:
    return ""
