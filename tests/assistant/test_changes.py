import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine

from assistant.changes import changes
from assistant.privacy import erase
from assistant.store import ConversationStore


@pytest.fixture
def told(engine: Engine) -> Iterator["Told"]:
    following = Told(engine)
    yield following
    following.stop.set()


class Told:
    """What a follower in another thread is told."""

    def __init__(self, engine: Engine) -> None:
        self.stop, self._new, self._seen = threading.Event(), threading.Condition(), set[str]()
        self._follows = threading.Event()
        threading.Thread(target=self._follow, args=(engine,), daemon=True).start()
        assert self._follows.wait(10)

    def of(self, conversation: str) -> bool:
        with self._new:
            there = self._new.wait_for(lambda: conversation in self._seen, 10)
            self._seen.discard(conversation)
            return there

    def _follow(self, engine: Engine) -> None:
        for written in changes(engine, self.stop, lambda: None):
            self._follows.set()
            with self._new:
                self._seen |= written
                self._new.notify_all()


def test_what_another_process_writes_is_told(engine: Engine, told: Told) -> None:
    elsewhere = ConversationStore(create_engine(engine.url))
    own, other = elsewhere.begin("ann"), elsewhere.begin("bob")
    for _ in range(3):
        elsewhere.append(own, "message", {"text": "hi"})
        assert told.of(own)
    assert other not in told._seen


def test_erasing_a_shopper_loses_no_later_word(engine: Engine, told: Told) -> None:
    conversations = ConversationStore(engine)
    own = conversations.begin("ann")
    for _ in range(5):
        conversations.append(conversations.begin("bob"), "message", {"text": "hi"})
    erase(engine, "bob")
    for _ in range(3):
        conversations.append(own, "message", {"text": "hi"})
        assert told.of(own)
