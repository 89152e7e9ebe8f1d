"""What the web application stands: kill -9 under load, with nothing acknowledged lost, doubled or out of order.

The server is the real one in a process of its own; only its language model is a stand-in that takes its time.
"""

import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx

from assistant.build import build, open_store
from assistant.store import ConversationStore
from web.paced import free_port, paced_settings, server
from web.paced_llm import PacedLLM

ANSWER_SECONDS = 60.0
Progress = Callable[[str], Any]


class Sender(Protocol):
    """Whoever sent messages named `number.0`, `number.1` ..., and knows which of them were acknowledged."""

    number: int
    acknowledged: list[str]


@dataclass
class Client:
    """One shopper's browser, which sends numbered messages and sends each again until it is acknowledged."""

    number: int
    acknowledged: list[str] = field(default_factory=list)

    def run(self, url: str, stop: threading.Event) -> None:
        session = httpx.Client(base_url=url, timeout=5)
        while not stop.is_set():
            if not session.cookies and not self._visit(session):
                continue
            name = f"{self.number}.{len(self.acknowledged)}"
            try:
                told = session.post("/api/messages", json={"text": f"scarf {name}", "client_message_id": name})
            except httpx.HTTPError:
                time.sleep(0.1)
                continue
            if told.status_code == 202:
                self.acknowledged.append(name)

    def _visit(self, session: httpx.Client) -> bool:
        try:
            session.get("/")
        except httpx.HTTPError:
            time.sleep(0.1)
        return bool(session.cookies)


def crash(kills: int, clients: int, data_dir: Path, progress: Progress) -> list[dict[str, Any]]:
    """Kill the server `kills` times while `clients` shoppers write; what the log holds beside what was acknowledged.

    The sample shop is loaded first, so that no kill falls into its import.
    """
    settings = paced_settings(data_dir)
    build(settings, llm=PacedLLM())
    port, stop = free_port(), threading.Event()
    url = f"http://127.0.0.1:{port}"
    shoppers = [Client(n) for n in range(clients)]
    threads = [threading.Thread(target=one.run, args=(url, stop), daemon=True) for one in shoppers]
    rng = random.Random(7)
    for thread in threads:
        thread.start()
    for number in range(1, kills + 1):
        with server(data_dir, port) as process:
            time.sleep(rng.uniform(0.2, 1.5))
            process.send_signal(signal.SIGKILL)
        progress(f"killed {number} of {kills}, {sum(len(s.acknowledged) for s in shoppers)} messages acknowledged")
    stop.set()
    for thread in threads:
        thread.join(10)
    store = ConversationStore(open_store(settings).engine)
    with server(data_dir, port):
        hanging = wait_for_answers(store)
    return [{"kills": kills, "clients": clients, **compare(store, shoppers), "unanswered": hanging}]


def compare(store: ConversationStore, shoppers: Sequence[Sender]) -> dict[str, int]:
    """Messages acknowledged, and of these the lost, the doubled and those out of order."""
    logs = [[e.payload["text"].removeprefix("scarf ") for e in store.events(c) if e.kind == "message"]
            for c, _ in store.all()]  # fmt: skip
    found = {"acknowledged": 0, "lost": 0, "doubled": 0, "out_of_order": 0}
    for shopper in shoppers:
        own = next((log for log in logs if log and log[0].startswith(f"{shopper.number}.")), [])
        found["acknowledged"] += len(shopper.acknowledged)
        found["lost"] += len(set(shopper.acknowledged) - set(own))
        found["doubled"] += len(own) - len(set(own))
        found["out_of_order"] += own != sorted(own, key=lambda name: int(name.split(".")[1]))
    return found


def wait_for_answers(store: ConversationStore) -> int:
    """How many conversations still wait for the bot when it had time enough."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while (waiting := len(store.unanswered())) and time.monotonic() < deadline:
        time.sleep(0.2)
    return waiting
