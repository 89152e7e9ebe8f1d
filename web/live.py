"""Answers in the making, and the word to pages that something is new.

Each answer is produced in a thread of its own and written to the event log. Pages do not hold an answer; they follow
the log and this: a page that goes away stops nothing, and what another process wrote reaches it as well.
"""

import asyncio
import logging
import threading
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from time import monotonic

from sqlalchemy.exc import SQLAlchemyError

from assistant.changes import changes
from assistant.custody import custody, unanswered, with_bot
from assistant.desk import Desk
from assistant.store import ConversationStore, Event
from assistant.turn import Assistant
from assistant.types import Reply
from catalog.schema import DATABASE_AWAY
from catalog.types import Language

log = logging.getLogger(__name__)
WORKERS = 128  # answers at once; with a local model they wait for it in turn
ANY = ""  # in the place of a conversation: all of them
TICK = 0.2  # seconds between looks of a page; streamed text is shown at most this often
HEARTBEAT = 15.0  # seconds after which a silent page is written to, so that a dead one is noticed
LOOK = 1.0  # seconds between looks at who waits for a person
TYPING = timedelta(seconds=4)  # how long one keystroke counts as typing

_Waiter = tuple[asyncio.AbstractEventLoop, asyncio.Event]


class Live:
    """Runs answers, holds the growing reply of each conversation that has one, and wakes the pages."""

    def __init__(
        self,
        assistant: Assistant,
        conversations: ConversationStore,
        desk: Desk,
        patience: timedelta,
        observe: Callable[[Reply], None] = lambda reply: None,
    ) -> None:
        self._assistant = assistant
        self._desk = desk
        self._patience = patience
        self._observe = observe
        self._conversations = conversations
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="answer")
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._running: set[str] = set()
        self._cut_off: set[str] = set()  # whose answers wait for the database
        self._replies: dict[str, Reply] = {}
        self._typing: dict[str, tuple[str, datetime]] = {}
        self._versions: defaultdict[str, int] = defaultdict(int)
        self._pages: Counter[str] = Counter()
        self._waiters: defaultdict[str, set[_Waiter]] = defaultdict(set)

    # -- answers -------------------------------------------------------------------------

    def start(self) -> None:
        """Follow the event log, and answer what a crash left unanswered."""
        threading.Thread(target=self._follow, name="changes", daemon=True).start()
        self._answer_all()

    def close(self) -> None:
        """Stop following, and let the pages go: they come back to whoever serves then."""
        self._stop.set()
        with self._lock:
            woken = [waiter for waiters in self._waiters.values() for waiter in waiters]
        _wake(woken)

    def say(
        self, conversation: str, text: str, client_message_id: str | None = None, photo: str = "",
        language: Language = "zh",
    ) -> Event:  # fmt: skip
        """Write a shopper's message down and begin to answer it; see `Assistant.hear`."""
        heard = self._assistant.hear(conversation, text, client_message_id, photo, language)
        self.ensure_answer(conversation)
        return heard

    def call_person(self, conversation: str, language: Language) -> None:
        """Ask for a person, and have the brief written for whoever comes."""
        if self._assistant.call_person(conversation, language):
            self._pool.submit(self._desk.brief, conversation)

    def ensure_answer(self, conversation: str) -> None:
        """Answer what is unanswered unless that is under way (after a crash it is not)."""
        if not unanswered(self._conversations.events(conversation)):
            return
        with self._lock:
            if conversation in self._running:
                return
            self._running.add(conversation)
        self._pool.submit(self._answer, conversation)

    def reply(self, conversation: str) -> Reply | None:
        """The reply as far as it has grown, None if none is under way."""
        return self._replies.get(conversation)

    def busy(self, conversation: str) -> bool:
        """Whether an answer is under way."""
        return conversation in self._running

    def _answer_all(self) -> None:
        """Answer what was left unanswered."""
        for conversation in self._conversations.unanswered():
            self.ensure_answer(conversation)

    def _answer(self, conversation: str) -> None:
        """Answer, and go on with what has come meanwhile; without its database, when that is back."""
        try:
            self._produce(conversation)
            if not with_bot(self._conversations.events(conversation)):
                self._desk.brief(conversation)
            self.ensure_answer(conversation)
        except DATABASE_AWAY as error:
            log.warning("the answer in conversation %s waits for the database: %s", conversation, error)
            self._cut_off.add(conversation)

    def _produce(self, conversation: str) -> None:
        try:
            for reply in self._assistant.answer(conversation):
                self._replies[conversation] = reply
                self.changed(conversation)
                if reply.done:
                    self._observe(reply)
        except DATABASE_AWAY:
            raise
        except Exception:
            # Whatever else broke, the shopper is told and can go on.
            log.exception("no answer in conversation %s", conversation)
            self._assistant.apologise(conversation)
        finally:
            with self._lock:
                self._running.discard(conversation)
            self._replies.pop(conversation, None)
            self.changed(conversation)

    # -- pages ---------------------------------------------------------------------------

    def version(self, conversation: str) -> int:
        """Grows with every change that a page should show."""
        return self._versions[conversation]

    def changed(self, conversation: str) -> None:
        """Wake the pages of a conversation, and those that show all."""
        with self._lock:
            woken: list[_Waiter] = []
            for key in (conversation, ANY):
                self._versions[key] += 1
                woken += self._waiters.get(key, ())
        _wake(woken)

    async def wait(self, conversation: str, version: int, seconds: float) -> bool:
        """Sleep until the version is another, at most `seconds`; whether it is."""
        waiter = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            if self._versions[conversation] != version:
                return True
            self._waiters[conversation].add(waiter)
        try:
            await asyncio.wait_for(waiter[1].wait(), seconds)
        except TimeoutError:
            return False
        finally:
            with self._lock:
                self._waiters[conversation].discard(waiter)
        return True

    async def looks(self, conversation: str) -> AsyncIterator[bool]:
        """True whenever a page should look again, at most every `TICK`; False for a sign of life. Until `close`."""
        while not self._stop.is_set():
            version = self.version(conversation)
            yield True
            await asyncio.sleep(TICK)
            while not await self.wait(conversation, version, HEARTBEAT) and not self._stop.is_set():
                yield False

    @contextmanager
    def watched(self, conversation: str) -> Iterator[None]:
        """A page of the conversation is open as long as the block lasts."""
        self._pages[conversation] += 1
        try:
            yield
        finally:
            self._pages[conversation] -= 1

    def present(self, conversation: str) -> bool:
        """Whether a page of the conversation is open in this process."""
        return self._pages[conversation] > 0

    def types(self, conversation: str, who: str) -> None:
        """Note that a member of staff is writing."""
        self._typing[conversation] = who, datetime.now(UTC)
        self.changed(conversation)
        over = threading.Timer(TYPING.total_seconds(), self.changed, [conversation])
        over.daemon = True
        over.start()

    def typed(self, conversation: str) -> None:
        """Note that what was being written is said, or will not be."""
        self._typing.pop(conversation, None)
        self.changed(conversation)

    def typing(self, conversation: str) -> str:
        """Who of the staff is writing now."""
        who, since = self._typing.get(conversation, ("", datetime.min.replace(tzinfo=UTC)))
        return who if _age(since) < TYPING else ""

    # -- the log -------------------------------------------------------------------------

    def _follow(self) -> None:
        looked = monotonic()
        for written in changes(self._conversations.engine, self._stop, self._catch_up):
            for conversation in written:
                self.changed(conversation)
            if monotonic() - looked > LOOK:
                looked = monotonic()
                try:
                    self.tell_who_waits_in_vain()
                    self._answer_cut_off()
                except SQLAlchemyError:
                    log.exception("cannot look who waits")

    def _answer_cut_off(self) -> None:
        """Answer what the database's absence has cut off; what it cuts off again stays to be answered."""
        for conversation in list(self._cut_off):
            self._cut_off.discard(conversation)
            try:
                self.ensure_answer(conversation)
            except DATABASE_AWAY:
                self._cut_off.add(conversation)
                raise

    def _catch_up(self) -> None:
        """After the database was away: nobody has told what was written meanwhile, or begun to answer it."""
        for conversation in [own for own, pages in self._pages.items() if pages > 0]:
            self.changed(conversation)
        self._answer_all()

    def tell_who_waits_in_vain(self) -> None:
        """Tell shoppers, once, who have waited for a person too long."""

        def alone(events: Sequence[Event]) -> bool:
            held = custody(events)
            told = any(e.kind == "away" and held.since and e.time >= held.since for e in events)
            return held.holder == "queue" and held.since is not None and not told and _age(held.since) > self._patience

        for conversation in self._conversations.waiting():
            self._conversations.append_if(conversation, "away", {}, alone)


def _wake(waiters: Iterable[_Waiter]) -> None:
    for loop, event in waiters:
        with suppress(RuntimeError):  # the loop of a server that is shutting down
            loop.call_soon_threadsafe(event.set)


def _age(time: datetime) -> timedelta:
    return datetime.now(UTC) - time
