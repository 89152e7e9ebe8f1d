"""The event log: a conversation is its events, and nothing acknowledged is ever lost."""

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Select, case, func, select
from sqlalchemy.exc import IntegrityError

from assistant.changes import announce
from assistant.custody import HOLDERS
from catalog.schema import ConversationRow, EventRow, ShopperRow, insert_of

EventKind = Literal[
    "message", "parsed", "answer", "feedback", "cart", "uncart", "fact",
    "handoff", "claimed", "transferred", "released", "returned", "resolved", "staff", "note", "tag", "rating", "away",
    "label",
]  # fmt: skip
ATTEMPTS = 100  # at the next number, when several write to one conversation at once


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `seq` counts from 1 without gaps within its conversation."""

    seq: int
    kind: EventKind
    payload: Mapping[str, Any]
    time: datetime


class ConversationStore:
    """Appends to and reads from the event log."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._insert = insert_of(engine)

    def open(self, shopper: str) -> str:
        """The shopper's latest conversation, begun if there is none; callers at once begin but one."""
        if known := self.latest(shopper):
            return known
        with self.engine.begin() as connection:
            self._lock(connection, shopper)
            return connection.scalar(_latest(shopper)) or self._begin(connection, shopper)

    def all(self) -> list[tuple[str, str]]:
        """(conversation, shopper) of every conversation, oldest first."""
        statement = select(ConversationRow.id, ConversationRow.shopper_id).order_by(ConversationRow.created)
        with self.engine.connect() as connection:
            return list(connection.execute(statement).tuples())

    def waiting(self) -> list[str]:
        """The conversations that wait for a person, the longest first."""
        return [c for c, kind, _ in self._held() if HOLDERS[kind] == "queue"]

    def held(self) -> list[str]:
        """The conversations that wait for a person or have one, the longest first."""
        return [c for c, kind, _ in self._held() if HOLDERS[kind] in ("queue", "staff")]

    def unanswered(self) -> list[str]:
        """The conversations with the bot that has not answered the latest message: a crash may have cut it off."""
        # An answer stands for the message that it is to: another may have come while it was made.
        place = case((EventRow.kind == "answer", func.coalesce(EventRow.payload["to"].as_integer(), EventRow.seq)),
                     else_=EventRow.seq)  # fmt: skip
        said = func.max(case((EventRow.kind == "message", EventRow.seq)))
        done = func.coalesce(func.max(case((EventRow.kind != "message", place))), 0)
        behind = (
            select(EventRow.conversation_id)
            .where(EventRow.kind.in_(("message", "answer", *HOLDERS)))
            .group_by(EventRow.conversation_id)
            .having(said > done)
        )
        held = set(self.held())
        with self.engine.connect() as connection:
            return [conversation for conversation in connection.scalars(behind) if conversation not in held]

    def counts(self) -> dict[str, int]:
        """How many events of each kind there are."""
        statement = select(EventRow.kind, func.count()).group_by(EventRow.kind)
        with self.engine.connect() as connection:
            return dict(connection.execute(statement).tuples().all())

    def held_cursor(self) -> tuple[tuple[str, int], ...]:
        """(conversation, number of its latest event) of those held: changes with everything a desk shows."""
        latest = select(EventRow.conversation_id, func.max(EventRow.seq)).where(
            EventRow.conversation_id.in_(self.held())
        )
        with self.engine.connect() as connection:
            return tuple(connection.execute(latest.group_by(EventRow.conversation_id)).tuples())

    def _held(self) -> list[tuple[str, str, datetime]]:
        """(conversation, the event that gave it to its holder, when) for all that ever left the bot."""
        with self.engine.connect() as connection:
            return list(connection.execute(_latest_of(tuple(HOLDERS)).order_by(EventRow.time)).tuples())

    def latest(self, shopper: str) -> str | None:
        """The shopper's latest conversation, if any."""
        with self.engine.connect() as connection:
            return connection.scalar(_latest(shopper))

    def begin(self, shopper: str) -> str:
        """A new conversation of the shopper; its id cannot be guessed."""
        with self.engine.begin() as connection:
            self._lock(connection, shopper)
            return self._begin(connection, shopper)

    def shopper_of(self, conversation: str) -> str:
        """Whose conversation it is. Raises `KeyError` if there is none of that id."""
        with self.engine.connect() as connection:
            shopper = connection.scalar(select(ConversationRow.shopper_id).where(ConversationRow.id == conversation))
        if shopper is None:
            raise KeyError(f"no conversation {conversation!r}")
        return shopper

    def append(
        self, conversation: str, kind: EventKind, payload: Mapping[str, Any], client_message_id: str | None = None
    ) -> Event:
        """Write one event, on disk when this returns.

        The same `client_message_id` again returns the event that it wrote the first time.
        """
        for _ in range(ATTEMPTS):
            if event := self._append(conversation, self.last_seq(conversation) + 1, kind, payload, client_message_id):
                return event
        raise RuntimeError(f"conversation {conversation!r} is written to by too many at once")

    def append_if(
        self,
        conversation: str,
        kind: EventKind,
        payload: Mapping[str, Any],
        allowed: Callable[[Sequence[Event]], bool],
        client_message_id: str | None = None,
    ) -> Event | None:
        """Write one event if the events before it allow it, None if they do not.

        Nothing can come between the look and the write: whoever is second to write a number looks again.
        """
        events: list[Event] = []
        for _ in range(ATTEMPTS):
            events += self.events(conversation, after=len(events))
            if not allowed(events):
                return None
            if event := self._append(conversation, len(events) + 1, kind, payload, client_message_id):
                return event
        raise RuntimeError(f"conversation {conversation!r} is written to by too many at once")

    def events(self, conversation: str, after: int = 0) -> list[Event]:
        """The events with a number above `after`, in order."""
        statement = (
            select(EventRow)
            .where(EventRow.conversation_id == conversation, EventRow.seq > after)
            .order_by(EventRow.seq)
        )
        with self.engine.connect() as connection:
            return [_event(row) for row in connection.execute(statement)]

    def logs(self, conversations: Collection[str] | None = None) -> Iterator[tuple[str, str, list[Event]]]:
        """(conversation, shopper, events) of some conversations that have any, or of all, in one query."""
        statement = (
            select(EventRow, ConversationRow.shopper_id)
            .join(ConversationRow, ConversationRow.id == EventRow.conversation_id)
            .order_by(EventRow.conversation_id, EventRow.seq)
        )
        if conversations is not None:
            statement = statement.where(EventRow.conversation_id.in_(conversations))
        with self.engine.connect() as connection:
            rows = connection.execution_options(yield_per=1000).execute(statement)
            for (conversation, shopper), own in groupby(rows, key=lambda row: (row.conversation_id, row.shopper_id)):
                yield conversation, shopper, [_event(row) for row in own]

    def last_seq(self, conversation: str) -> int:
        """The number of the latest event, 0 if there is none."""
        with self.engine.connect() as connection:
            return (
                connection.scalar(select(func.max(EventRow.seq)).where(EventRow.conversation_id == conversation)) or 0
            )

    def _lock(self, connection: Connection, shopper: str) -> None:
        """Make the shopper known, and let nobody else begin a conversation of theirs until the commit."""
        statement = self._insert(ShopperRow).values(id=shopper, created=datetime.now(UTC))
        connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"id": shopper}))

    def _begin(self, connection: Connection, shopper: str) -> str:
        conversation = secrets.token_hex(16)  # no sign in it that a command line takes for an option's
        row = {"id": conversation, "shopper_id": shopper, "created": datetime.now(UTC)}
        connection.execute(self._insert(ConversationRow), row)
        return conversation

    def _append(
        self, conversation: str, seq: int, kind: EventKind, payload: Mapping[str, Any], client_message_id: str | None
    ) -> Event | None:
        """The event, or the one that was written under the same client id; None if the number is taken."""
        event = Event(seq, kind, payload, datetime.now(UTC))
        row = {
            "conversation_id": conversation,
            "seq": seq,
            "kind": kind,
            "client_message_id": client_message_id,
            "payload": dict(payload),
            "time": event.time,
        }
        try:
            with self.engine.begin() as connection:
                connection.execute(self._insert(EventRow), row)
                announce(connection, conversation)
        except IntegrityError:
            return self._by_client_id(conversation, client_message_id) if client_message_id else None
        return event

    def _by_client_id(self, conversation: str, client_message_id: str) -> Event | None:
        statement = select(EventRow).where(
            EventRow.conversation_id == conversation, EventRow.client_message_id == client_message_id
        )
        with self.engine.connect() as connection:
            row = connection.execute(statement).first()
        return _event(row) if row else None


def _latest_of(kinds: Sequence[str]) -> Select[str, str, datetime]:
    """(conversation, kind, time) of each conversation's latest event of some kinds."""
    last = (
        select(EventRow.conversation_id, func.max(EventRow.seq).label("seq"))
        .where(EventRow.kind.in_(kinds))
        .group_by(EventRow.conversation_id)
        .subquery()
    )
    same = (EventRow.conversation_id == last.c.conversation_id) & (EventRow.seq == last.c.seq)
    return select(EventRow.conversation_id, EventRow.kind, EventRow.time).join(last, same)


def _latest(shopper: str) -> Select[str]:
    mine = select(ConversationRow.id).where(ConversationRow.shopper_id == shopper)
    return mine.order_by(ConversationRow.created.desc()).limit(1)


def _event(row: Any) -> Event:
    return Event(row.seq, row.kind, row.payload, row.time)
