"""One turn: hear a message, understand it, answer it."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol
from zlib import crc32

from assistant.answers import Answers, acknowledged
from assistant.basket import Done
from assistant.custody import in_queue, unanswered, with_bot
from assistant.finding import Clock
from assistant.frame import language_of
from assistant.handoff import DEFAULTS, Reason, Thresholds, handoff_reason, topic_of
from assistant.llm import LLMAway
from assistant.payload import to_payload
from assistant.phrases import phrase
from assistant.state import DialogueState, fold, update
from assistant.store import ConversationStore, Event, EventKind
from assistant.tracing import Turn, traced_turn
from assistant.types import ParsedTurn, Reply, Sentiment
from catalog.store import ProductStore
from catalog.types import Interaction, InteractionKind, Language

log = logging.getLogger(__name__)
_NO_SEARCH = ("human", "order")  # intents that a photo may go along with: a broken parcel, a receipt
CAUGHT_UP = 5  # messages to a person that the bot reads when it has the conversation again


class Parser(Protocol):
    """Message and state to frame; see `assistant.parser.Parser`."""

    def parse(self, text: str, state: DialogueState) -> ParsedTurn:
        """The frame. Raises `LLMAway` where there is nobody to read the message."""
        ...


class Assistant:
    """Holds conversations."""

    def __init__(
        self,
        parser: Parser,
        answers: Answers,
        products: ProductStore,
        conversations: ConversationStore,
        thresholds: Thresholds = DEFAULTS,
    ) -> None:
        self._parser = parser
        self._answers = answers
        self._products = products
        self._conversations = conversations
        self._thresholds = thresholds

    def hear(
        self, conversation: str, text: str, client_message_id: str | None = None, photo: str = "",
        language: Language = "zh",
    ) -> Event:  # fmt: skip
        """Write a shopper's message down, durable before anything can fail, once per client id.

        `photo` names a photo of the conversation that is shown with it, `language` is that of one without words.
        Whoever waits for a person can go back to the bot.
        """
        if text in (phrase("quick_back", "en"), phrase("quick_back", "zh")):
            self._conversations.append_if(conversation, "returned", {"by": "shopper"}, in_queue)
        shown = {"photo": photo, "language": language} if photo else {}
        message = {"role": "shopper", "text": text, **shown}
        return self._conversations.append(conversation, "message", message, client_message_id)

    def answer(self, conversation: str) -> Iterator[Reply]:
        """Answer what is unanswered: replies that grow, cards first, the last one `done` and stored.

        Nothing is yielded if all has its answer already, or if a person holds the conversation. An answer
        that a person has come before is dropped: the last reply is then not `done`. While the model is away the
        answer is what search finds for the message's words; the message is read when the model is back.
        """
        events = self._conversations.events(conversation)
        if messages := unanswered(events):
            with traced_turn(conversation) as turn:
                yield from self._answer(conversation, events, messages, turn)

    def _answer(
        self, conversation: str, events: Sequence[Event], messages: Sequence[Event], turn: Turn
    ) -> Iterator[Reply]:
        """Replies to messages that have none."""
        clock = Clock()
        earlier = _unread(events, messages[0].seq)
        first = (earlier or messages)[0].seq
        before = state = fold(e for e in events if e.payload.get("message", 0) < first)
        reason: Reason | None = None
        try:
            for message in earlier:
                parsed = self._understand(conversation, message, events, state, to_bot=False)
                state = _after(state, message, parsed)
            for message in messages:
                parsed = self._understand(conversation, message, events, state)
                state = _after(state, message, parsed)
                reason = reason or handoff_reason(state, self._thresholds)
        except LLMAway as away:
            log.warning("answering by words alone: %s", away)
            before = state = _heard(state, messages[-1])
            reason = reason or topic_of(state)
            answers = self._respond(conversation, state, None, reason, clock, messages[-1].seq)
        else:
            answers = self._respond(conversation, state, parsed, reason, clock, messages[-1].seq)
        clock.mark("parse")
        opening, reply = acknowledged(before, state), Reply(state.language)
        for answer in answers:
            reply = replace(answer, text=f"{opening}{answer.text}")
            yield reply
        clock.mark("text")
        final = replace(reply, done=True, timings=dict(clock.times))
        turn.tell(intent=state.intent, language=state.language, picks=len(final.picks), handoff=reason or "")
        payload = {**to_payload(final), "to": messages[-1].seq, "trace": turn.steps()}
        if self._conversations.append_if(conversation, "answer", payload, with_bot, f"answer:{messages[-1].seq}"):
            if reason:
                self._conversations.append_if(conversation, "handoff", {"reason": reason}, with_bot)
            told = {"conversation": conversation, "intent": state.intent, "language": state.language, "handoff": reason,
                    "picks": len(final.picks), "milliseconds": final.timings}  # fmt: skip
            log.info("turn answered", extra=told)
            yield final

    def apologise(self, conversation: str) -> None:
        """Answer what is unanswered with the word that something broke.

        What had not been read counts as not understood and is not tried again: it might break every later answer.
        """
        if not (messages := unanswered(self._conversations.events(conversation))):
            return
        last = messages[-1]
        language = language_of(last.payload["text"])
        for message in messages:
            self._write_down_frame(
                conversation, message, ParsedTurn(language=language, intent="other", understood=False)
            )
        told = {**to_payload(Reply(language, phrase("trouble", language), done=True)), "to": last.seq}
        self._conversations.append_if(conversation, "answer", told, with_bot, f"answer:{last.seq}")

    def call_person(self, conversation: str, language: Language) -> bool:
        """Hand the conversation to a person because the shopper pressed the button for it; False if one has it."""
        reply = self._answers.person(DialogueState(language), len(self._conversations.waiting()) + 1)
        told = {**to_payload(replace(reply, done=True)), "to": self._conversations.last_seq(conversation)}
        called = self._conversations.append_if(conversation, "handoff", {"reason": "asked"}, with_bot) is not None
        if called:
            self._conversations.append(conversation, "answer", told)
        return called

    def draft(self, conversation: str) -> Reply:
        """What the bot would say to the latest message: a suggestion, of which nothing is stored."""
        events = self._conversations.events(conversation)
        before, messages = fold(events), [e for e in events if e.kind == "message"]
        if not messages:
            return Reply(before.language)
        shopper = self._conversations.shopper_of(conversation)
        try:
            parsed = self._read(messages[-1], (), before)
        except LLMAway:
            *_, last = self._answers.finder.by_words(_heard(before, messages[-1]), shopper, Clock())
            return last
        return self._answers.suggest(_after(before, messages[-1], parsed), parsed, shopper)

    def interact(self, conversation: str, product: str, kind: InteractionKind, value: float = 1.0) -> bool:
        """Note what the shopper did with a product; False if there is no such product."""
        if not self._note(conversation, product, kind, value):
            return False
        self._write_down(conversation, product, kind)
        return True

    def _write_down(
        self, conversation: str, product: str, done: Done, quantity: int | None = None, once: str | None = None
    ) -> None:
        """Of what was done with a product, what the page shows."""
        events: dict[str, EventKind] = {"cart": "cart", "uncart": "uncart", "like": "feedback", "dislike": "feedback"}
        if done in events:
            many = {} if quantity is None else {"quantity": quantity}
            self._conversations.append(conversation, events[done], {"product": product, "kind": done, **many}, once)

    def _understand(
        self, conversation: str, message: Event, events: Sequence[Event], state: DialogueState, to_bot: bool = True
    ) -> ParsedTurn:
        """The frame of a message, written down once, whoever else answers it as well.

        Of what was said to a person the mood is left out: it was theirs to deal with, and calls nobody again.
        """
        parsed = self._read(message, events, state)
        if not to_bot:
            parsed = parsed.model_copy(update={"sentiment": Sentiment(), "understood": True})
        return self._write_down_frame(conversation, message, parsed)

    def _read(self, message: Event, events: Sequence[Event], state: DialogueState) -> ParsedTurn:
        """The frame of a message. Who shows a photo looks for something like it, unless they call for a person."""
        text, photo = message.payload["text"], message.payload.get("photo")
        if photo and not text:
            return ParsedTurn(language=message.payload["language"], intent="find")
        parsed = _pressed(text, events) or self._parser.parse(text, state)
        if photo and parsed.intent not in _NO_SEARCH:
            return parsed.model_copy(update={"intent": "find", "items": (), "understood": True})
        return parsed

    def _write_down_frame(self, conversation: str, message: Event, parsed: ParsedTurn) -> ParsedTurn:
        """The frame that stands in the log: this one, or who came first."""
        payload = {"frame": {**parsed.frame(), "understood": parsed.understood}, "message": message.seq}
        if parsed.doubt:
            payload["doubt"] = parsed.doubt
        if photo := message.payload.get("photo"):
            payload["photo"] = photo
        first = self._conversations.append(conversation, "parsed", payload, f"parsed:{message.seq}")
        return ParsedTurn.model_validate(first.payload["frame"])

    def _respond(
        self, conversation: str, state: DialogueState, parsed: ParsedTurn | None, reason: Reason | None, clock: Clock,
        to: int,
    ) -> Iterator[Reply]:  # fmt: skip
        """Replies to the message number `to`, which nobody could read if there is no frame.

        What it changes is done once, whoever answers it again.
        """
        if reason:
            yield self._answers.person(state, len(self._conversations.waiting()) + 1)
            return

        def note(product: str, done: Done, quantity: int | None = None) -> None:
            if done != "uncart":
                self._note(conversation, product, done)
            self._write_down(conversation, product, done, quantity, f"{done}:{to}:{crc32(product.encode())}")

        shopper = self._conversations.shopper_of(conversation)
        if parsed is None:
            yield from self._answers.finder.by_words(state, shopper, clock)
        else:
            yield from self._answers.respond(state, parsed, shopper, clock, note)

    def _note(self, conversation: str, product: str, kind: InteractionKind, value: float = 1.0) -> bool:
        """Write an interaction down with where it happened: ranking learns what position does."""
        shown = next(
            (e.payload["picks"] for e in reversed(self._conversations.events(conversation)) if _shows(e, product)), ()
        )
        position = next((n for n, pick in enumerate(shown, start=1) if pick["product"] == product), 0)
        shopper = self._conversations.shopper_of(conversation)
        now = datetime.now(UTC)
        return self._products.interact(Interaction(shopper, product, kind, now, value, conversation, position))


def _after(state: DialogueState, message: Event, parsed: ParsedTurn) -> DialogueState:
    """The state after a message that was read."""
    heard = replace(state, text=message.payload["text"])
    return update(heard, parsed, photo=message.payload.get("photo", ""))


def _heard(state: DialogueState, message: Event) -> DialogueState:
    """The state with a message that nobody could read: a search for its words."""
    text = message.payload["text"]
    language = language_of(text) if text else state.language
    return replace(state, language=language, text=text, intent="find", items=(), turn_mood=0.0)


def _unread(events: Sequence[Event], until: int) -> list[Event]:
    """The latest messages before number `until` that the bot has not read: a person had the conversation, or the model
    was away.
    """
    read = max((e.payload.get("message", 0) for e in events if e.kind == "parsed"), default=0)
    return [e for e in events if e.kind == "message" and read < e.seq < until][-CAUGHT_UP:]


def _shows(event: Event, product: str) -> bool:
    return event.kind == "answer" and any(pick["product"] == product for pick in event.payload["picks"])


def _pressed(text: str, events: Sequence[Event]) -> ParsedTurn | None:
    """What a quick reply of the latest answer means, if the message is one."""
    answers = (e for e in reversed(events) if e.kind == "answer")
    for offer in next((a.payload["quick_replies"] for a in answers), ()):
        if offer["text"] == text:
            return ParsedTurn.model_validate(offer["frame"])
    return None
