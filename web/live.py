"""Answers in the making: each is produced in a thread of its own and written to the event log.

Pages do not hold an answer; they follow the log and this. A page that goes away stops nothing.
"""

import logging
import threading
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from assistant.custody import custody
from assistant.desk import Desk
from assistant.phrases import phrase
from assistant.store import ConversationStore, Event
from assistant.turn import Assistant, to_payload, unanswered, with_bot
from assistant.types import Reply

log = logging.getLogger(__name__)
WORKERS = 8


class Live:
    """Runs answers and holds the growing reply of each conversation that has one."""

    def __init__(self, assistant: Assistant, conversations: ConversationStore, desk: Desk, patience: timedelta) -> None:
        self._assistant = assistant
        self._desk = desk
        self._patience = patience
        self._conversations = conversations
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="answer")
        self._lock = threading.Lock()
        self._running: set[str] = set()
        self._replies: dict[str, Reply] = {}
        self._versions: defaultdict[str, int] = defaultdict(int)

    def say(self, conversation: str, text: str, client_message_id: str | None = None) -> None:
        """Write a shopper's message down and begin to answer it."""
        self._assistant.hear(conversation, text, client_message_id)
        self.changed(conversation)
        self.ensure_answer(conversation)

    def ensure_answer(self, conversation: str) -> None:
        """Answer the latest message unless that is done or under way (after a crash it is not)."""
        with self._lock:
            if conversation in self._running or unanswered(self._conversations.events(conversation)) is None:
                return
            self._running.add(conversation)
        self._pool.submit(self._answer, conversation)

    def resume(self) -> None:
        """Answer what a crash left unanswered."""
        for conversation in self._conversations.unanswered():
            self.ensure_answer(conversation)

    def tell_if_nobody_comes(self, conversation: str) -> None:
        """Tell a shopper, once, who has waited for a person too long."""

        def alone(events: Sequence[Event]) -> bool:
            held = custody(events)
            told = any(e.kind == "away" and held.since and e.time >= held.since for e in events)
            return held.holder == "queue" and held.since is not None and not told and _age(held.since) > self._patience

        if alone(self._conversations.events(conversation)):
            self._conversations.append_if(conversation, "away", {}, alone)
            self.changed(conversation)

    def reply(self, conversation: str) -> Reply | None:
        """The reply as far as it has grown, None if none is under way."""
        return self._replies.get(conversation)

    def busy(self, conversation: str) -> bool:
        """Whether an answer is under way."""
        return conversation in self._running

    def version(self, conversation: str) -> int:
        """Grows with every change that a page should show."""
        return self._versions[conversation]

    def changed(self, conversation: str) -> None:
        """Tell the pages of a conversation to look again."""
        self._versions[conversation] += 1

    def _answer(self, conversation: str) -> None:
        try:
            for reply in self._assistant.answer(conversation):
                self._replies[conversation] = reply
                self.changed(conversation)
        except Exception:
            # Whatever broke, the shopper is told and can go on.
            log.exception("no answer in conversation %s", conversation)
            language = (self._replies.get(conversation) or Reply("en")).language
            trouble = Reply(language, phrase("trouble", language), done=True)
            self._conversations.append_if(conversation, "answer", to_payload(trouble), with_bot)
        finally:
            with self._lock:
                self._running.discard(conversation)
            self._replies.pop(conversation, None)
            self.changed(conversation)
        if not with_bot(self._conversations.events(conversation)):
            self._desk.brief(conversation)
        self.ensure_answer(conversation)  # a message may have come while this one was answered


def _age(time: datetime) -> timedelta:
    return datetime.now(UTC) - time
