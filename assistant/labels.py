"""Messages whose frames staff put right, for the parser to learn from: those first that the model was least sure of.

A correction is an event of its conversation, and goes where that goes. What it says are words of the message, as a model is
taught to copy them. Of messages that are nearly alike one is asked: least confidence (Lewis and Gale, "A Sequential
Algorithm for Training Text Classifiers", 1994) alone would ask the same thing again and again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import jsonschema_rs
from rapidfuzz import fuzz, process

from assistant.frame import frame_schema
from assistant.llm import LLM
from assistant.parser import MAX_TOKENS, Parser, active_names, active_of, shown
from assistant.state import DialogueState, message_at
from assistant.store import ConversationStore, Event
from catalog.errors import UserError

ALIKE = 80  # of 100: messages as like as this are one
SURE = 0.05  # doubt up to which the model's own reading counts as a label
NOT_UNDERSTOOD = 1.0  # the doubt of a message that the model gave no frame


class LabelError(UserError):
    """A correction that cannot be."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A message whose frame staff are asked to put right, and how unsure the model was of it."""

    conversation: str
    seq: int
    text: str
    doubt: float


@dataclass(frozen=True, slots=True)
class Label:
    """A message, what was in force before it, as the model reads both, and its right frame."""

    text: str
    active: str
    frame: Mapping[str, Any]


class Doubted(Protocol):
    """A message, and how unsure the model was of it."""

    @property
    def text(self) -> str: ...

    @property
    def doubt(self) -> float: ...


D = TypeVar("D", bound=Doubted)


def least_sure(messages: Sequence[D], told: Sequence[str], count: int) -> list[D]:
    """At most `count` messages, those of most doubt, none like another or like one of `told`."""
    chosen: list[D] = []
    texts = list(told)
    for message in sorted(messages, key=lambda m: -m.doubt):
        if len(chosen) == count:
            break
        if process.extractOne(message.text, texts, scorer=fuzz.ratio, score_cutoff=ALIKE) is None:
            chosen.append(message)
            texts.append(message.text)
    return chosen


class Labels:
    """What is to be labelled in the log, and what is."""

    def __init__(self, conversations: ConversationStore) -> None:
        self._conversations = conversations

    def asked(self, count: int) -> list[Asked]:
        """The messages to label next, at most `count`, none like another or like one that is labelled."""
        read = list(self._read())
        told = [asked.text for asked, is_labelled, _ in read if is_labelled]
        return least_sure([asked for asked, is_labelled, _ in read if not is_labelled], told, count)

    def proposal(self, llm: LLM, parser: Parser, conversation: str, seq: int) -> Mapping[str, Any]:
        """The frame that the model gives the message now, in the words that it is taught. Raises `LabelError`, `LLMError`."""
        return _proposed(llm, parser, *self._at(conversation, seq))

    def write(self, conversation: str, seq: int, frame: Mapping[str, Any], staff: str) -> None:
        """Keep the right frame of a message. Raises `LabelError` for one that no model could give."""
        text, state = self._at(conversation, seq)
        schema = frame_schema(text, active_names(state.slots, state.exclude, state.profile))
        try:
            jsonschema_rs.validate(schema, dict(frame))
        except jsonschema_rs.ValidationError as error:
            raise LabelError(
                f"{'/'.join(map(str, error.instance_path)) or 'the frame'}: {_said(error.message)}"
            ) from error
        payload = {"message": seq, "frame": dict(frame), "staff": staff}
        self._conversations.append(conversation, "label", payload)

    def all(self) -> list[Label]:
        """Every labelled message; of several labels of one the latest counts."""
        found = []
        for _, _, events in self._conversations.logs():
            latest = {e.payload["message"]: e.payload["frame"] for e in events if e.kind == "label"}
            for seq, frame in latest.items():
                text, state = _before(events, seq)
                found.append(Label(text, active_of(state), frame))
        return found

    def sure(self, llm: LLM, parser: Parser, most_doubt: float = SURE) -> list[Label]:
        """The model's own reading of messages that nobody labelled, where it is sure: what self-training learns from.

        Of equal ones there is one. Raises `LLMAway`.
        """
        states: dict[tuple[str, str], DialogueState] = {}
        for asked, is_labelled, events in self._read():
            if asked.doubt <= most_doubt and not is_labelled:
                text, state = _before(events, asked.seq)
                states.setdefault((text, active_of(state)), state)
        return [Label(text, active, _proposed(llm, parser, text, state)) for (text, active), state in states.items()]

    def _read(self) -> Iterator[tuple[Asked, bool, Sequence[Event]]]:
        """Every message that was read, whether it is labelled, and the log that it stands in."""
        for conversation, _, events in self._conversations.logs():
            done = {e.payload["message"] for e in events if e.kind == "label"}
            for asked in _of(conversation, events):
                yield asked, asked.seq in done, events

    def _at(self, conversation: str, seq: int) -> tuple[str, DialogueState]:
        try:
            self._conversations.shopper_of(conversation)
        except KeyError as error:
            raise LabelError(str(error)) from error
        return _before(self._conversations.events(conversation), seq)


def _proposed(llm: LLM, parser: Parser, text: str, state: DialogueState) -> Mapping[str, Any]:
    """The frame that the model gives a message after a state."""
    prompt, schema = parser.request(text, state)
    raw: Mapping[str, Any] = llm.complete_json(prompt, schema, max_tokens=MAX_TOKENS)
    return raw


def _of(conversation: str, events: Sequence[Event]) -> Iterator[Asked]:
    """The messages of a conversation that were read, with the doubt in which."""
    texts = {e.seq: e.payload["text"] for e in events if e.kind == "message"}
    for event in events:
        text = shown(texts.get(event.payload.get("message", 0), "")) if event.kind == "parsed" else ""
        if text:
            understood = event.payload["frame"].get("understood", True)
            doubt = event.payload.get("doubt", 0.0) if understood else NOT_UNDERSTOOD
            yield Asked(conversation, event.payload["message"], text, doubt)


def _before(events: Sequence[Event], seq: int) -> tuple[str, DialogueState]:
    """A message as the model reads it, and the state that it came to."""
    if (asked := message_at(events, seq)) is None:
        raise LabelError(f"there is no message {seq}")
    return shown(asked[0]), asked[1]


def _said(message: str) -> str:
    """An error of the schema without the list of everything that it would take."""
    return (
        message
        if len(message) < 160
        else f"{message.split(' is not', maxsplit=1)[0]} is not a word of the message or no value there"
    )
