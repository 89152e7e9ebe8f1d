import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import Engine, update

from assistant.store import ConversationStore
from assistant.webhooks import ATTEMPTS, Webhooks, signature
from catalog.schema import WebhookRow

SECRET = "whsec-test"


class Receiver:
    """Another system: notes what it is told, and answers with `statuses` first, then 204."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.heard.append((dict(self.headers), body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.server.shutdown()
    running.server.server_close()


def hasten(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(update(WebhookRow).where(WebhookRow.due.is_not(None)).values(due=datetime.now(UTC)))


def test_handoff_and_closing_are_told_once_and_signed(engine: Engine, receiver: Receiver) -> None:
    conversations, webhooks = ConversationStore(engine), Webhooks(engine, receiver.url, SECRET)
    own = conversations.begin("ann")
    conversations.append(own, "message", {"text": "a secret wish"})
    conversations.append(own, "handoff", {"reason": "asked"})
    assert (webhooks.deliver(), webhooks.deliver()) == (1, 0)
    conversations.append(own, "resolved", {"staff": "lin"})
    assert (webhooks.deliver(), webhooks.deliver()) == (1, 0)
    bodies = [json.loads(body) for _, body in receiver.heard]
    assert [b["type"] for b in bodies] == ["conversation.handoff", "conversation.resolved"]
    assert bodies[0]["data"] == {"conversation": own, "shopper": "ann", "reason": "asked"}
    assert b"secret wish" not in receiver.heard[0][1]
    for headers, body in receiver.heard:
        expected = signature(SECRET, headers["webhook-id"], headers["webhook-timestamp"], body)
        assert headers["webhook-signature"] == expected
    assert len({headers["webhook-id"] for headers, _ in receiver.heard}) == 2


def test_who_does_not_hear_is_told_again_later(engine: Engine, receiver: Receiver) -> None:
    conversations, webhooks = ConversationStore(engine), Webhooks(engine, receiver.url, SECRET)
    conversations.append(conversations.begin("ann"), "handoff", {"reason": "asked"})
    receiver.statuses = [500, 404]
    assert webhooks.deliver() == 0
    assert webhooks.deliver() == 0
    assert len(receiver.heard) == 1  # not before its time
    for heard in (0, 1):
        hasten(engine)
        assert webhooks.deliver() == heard
    ids = [headers["webhook-id"] for headers, _ in receiver.heard]
    assert len(ids) == 3
    assert len(set(ids)) == 1


def test_nobody_is_told_for_ever(engine: Engine) -> None:
    conversations, webhooks = ConversationStore(engine), Webhooks(engine, "http://127.0.0.1:9/", "")
    conversations.append(conversations.begin("ann"), "handoff", {"reason": "asked"})
    webhooks.deliver()
    with engine.begin() as connection:
        connection.execute(update(WebhookRow).values(attempts=ATTEMPTS - 1))
    hasten(engine)
    webhooks.deliver()
    with engine.connect() as connection:
        assert connection.scalar(WebhookRow.__table__.select().with_only_columns(WebhookRow.due)) is None


def test_of_several_processes_one_tells(engine: Engine, receiver: Receiver) -> None:
    conversations = ConversationStore(engine)
    for shopper in ("ann", "bob", "cat"):
        conversations.append(conversations.begin(shopper), "handoff", {"reason": "asked"})
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: Webhooks(engine, receiver.url, SECRET).deliver(), range(4)))
    assert sum(told) == len(receiver.heard) == 3
