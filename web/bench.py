"""What the web application stands: kill -9 under load, with nothing acknowledged lost, doubled or out of order.

The server is the real one in a process of its own; only its language model is a stand-in that takes its time.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from assistant.build import Parts, build, open_store
from assistant.llm import LLM
from assistant.llm.protocol import until_stop
from assistant.settings import Settings
from assistant.store import ConversationStore
from web.app import create_app

PARSE_SECONDS = 0.3  # as long as the embedded model takes
START_SECONDS = 120.0
ANSWER_SECONDS = 60.0
Progress = Callable[[str], Any]


class PacedLLM:
    """Takes every message for a search for scarves, after as long as a real model would need."""

    name = "paced"
    tuned = True

    def complete(self, prompt: str, *, max_tokens: int, stop: Sequence[str] = ()) -> str:
        return "".join(self.stream(prompt, max_tokens=max_tokens, stop=stop))

    def stream(self, prompt: str, *, max_tokens: int, stop: Sequence[str] = ()) -> Iterator[str]:
        time.sleep(PARSE_SECONDS)
        return until_stop(iter(["A scarf."]), stop)

    def complete_json(self, prompt: str, schema: Mapping[str, Any], *, max_tokens: int) -> Any:
        time.sleep(PARSE_SECONDS)
        return {"mood": 0, "slots": {"category": ["scarf"]}, "intent": "find"}


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
    settings = Settings(data_dir=data_dir, explain=False, messages_per_minute=10_000)
    build(settings, llm=PacedLLM())
    port, stop = _free_port(), threading.Event()
    url = f"http://127.0.0.1:{port}"
    shoppers = [Client(n) for n in range(clients)]
    threads = [threading.Thread(target=one.run, args=(url, stop), daemon=True) for one in shoppers]
    rng = random.Random(7)
    for thread in threads:
        thread.start()
    for number in range(1, kills + 1):
        with _server(data_dir, port) as server:
            time.sleep(rng.uniform(0.2, 1.5))
            server.send_signal(signal.SIGKILL)
        progress(f"killed {number} of {kills}, {sum(len(s.acknowledged) for s in shoppers)} messages acknowledged")
    stop.set()
    for thread in threads:
        thread.join(10)
    store = ConversationStore(open_store(settings).engine)
    with _server(data_dir, port):
        hanging = _wait_for_answers(store)
    return [{"kills": kills, "clients": clients, **_compare(store, shoppers), "unanswered": hanging}]


def serve_paced(data_dir: Path, port: int) -> None:
    """The server that is killed."""
    import uvicorn

    llm: LLM = PacedLLM()
    parts: Parts = build(Settings(data_dir=data_dir, explain=False, messages_per_minute=10_000), llm=llm)
    uvicorn.run(create_app(parts), host="127.0.0.1", port=port, log_level="error")


def _compare(store: ConversationStore, shoppers: Sequence[Client]) -> dict[str, int]:
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


def _wait_for_answers(store: ConversationStore) -> int:
    """How many conversations still wait for the bot when it had time enough."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while (waiting := len(store.unanswered())) and time.monotonic() < deadline:
        time.sleep(0.2)
    return waiting


@contextmanager
def _server(data_dir: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    code = f"from pathlib import Path; from web.bench import serve_paced; serve_paced(Path({str(data_dir)!r}), {port})"
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"})
    try:
        _wait_until_up(process, port)
        yield process
    finally:
        process.kill()
        process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with code {process.returncode} before it was up")
        try:
            httpx.get(f"http://127.0.0.1:{port}/api/health", timeout=1)
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError(f"the server was not up after {START_SECONDS:.0f} seconds")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
