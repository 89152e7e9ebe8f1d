"""What shoppers notice when the language model's server and the database die in the middle of chats, and come back.

All is real but the model: the shop's server, PostgreSQL and the model's server run in processes of their own and are
killed with SIGKILL. Shoppers send numbered messages, each again until it is acknowledged, and wait for the answer.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx

from assistant.build import build, open_store
from assistant.evaluation.own_postgres import own_postgres
from assistant.phrases import phrase
from assistant.store import ConversationStore
from web.crash import compare, wait_for_answers
from web.paced import free_port, llm_server, paced_settings, server
from web.paced_llm import PacedLLM

AWAY_SECONDS = 6.0
BETWEEN_SECONDS = 10.0
PATIENCE = 60.0  # seconds that a shopper waits for an answer, outages and all
TOLD = phrase("away_found", "en")
Progress = Callable[[str], Any]
What = Literal["acknowledged", "answered", "by words", "refused", "no line", "broken", "no answer"]


@dataclass
class Diary:
    """What happened to shoppers, and when; and how long they waited for answers."""

    lines: list[tuple[float, What]] = field(default_factory=list)
    waits: list[tuple[float, float]] = field(default_factory=list)  # (when the wait began, seconds)

    def note(self, what: What) -> None:
        self.lines.append((time.monotonic(), what))

    def count(self, what: What, begin: float, end: float) -> int:
        return sum(begin <= at < end and own == what for at, own in self.lines)


@dataclass
class Shopper:
    """Says something, waits for the answer, goes on."""

    number: int
    diary: Diary
    acknowledged: list[str] = field(default_factory=list)

    def run(self, url: str, stop: threading.Event) -> None:
        session = httpx.Client(base_url=url, timeout=20)
        while not stop.is_set():
            if not session.cookies:
                self._request(lambda: session.get("/"))
                continue
            name = f"{self.number}.{len(self.acknowledged)}"
            body = {"text": f"scarf {name}", "client_message_id": name}
            heard = self._request(lambda sent=body: session.post("/api/messages", json=sent))  # type: ignore[misc]
            if heard is not None:
                self.acknowledged.append(name)
                self.diary.note("acknowledged")
                self._wait(session, heard.json()["seq"])

    def _wait(self, session: httpx.Client, seq: int) -> None:
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            told = self._request(lambda: session.get("/api/messages", params={"after": seq}))
            said = [one["text"] for one in told.json() if one["role"] == "bot"] if told is not None else []
            if said:
                self.diary.note("by words" if said[0].startswith(TOLD) else "answered")
                self.diary.waits.append((began, time.monotonic() - began))
                return
            time.sleep(0.1)
        self.diary.note("no answer")

    def _request(self, send: Callable[[], httpx.Response]) -> httpx.Response | None:
        """What the server says; None, after a moment, where it cannot be reached or serves nobody now."""
        try:
            response = send()
        except httpx.HTTPError:
            self.diary.note("no line")
        else:
            if response.is_success:
                return response
            self.diary.note("refused" if response.status_code == 503 else "broken")
        time.sleep(0.3)
        return None


def outage(
    shoppers: int, folder: Path, progress: Progress, outages: Sequence[str] = ("model", "database", "both")
) -> list[dict[str, Any]]:
    """A row for each outage, and one for all that was said."""
    diary, stop = Diary(), threading.Event()
    crowd = [Shopper(number, diary) for number in range(shoppers)]
    shop_port, llm_port = free_port(), free_port()
    with own_postgres(folder / "postgres") as database, ExitStack() as stack:
        more = {"database_url": database.url, "llm_url": f"http://127.0.0.1:{llm_port}", "llm_adapter": "served"}
        settings = paced_settings(folder, **more)
        build(settings, llm=PacedLLM()).products.engine.dispose()
        model = ExitStack()
        model.enter_context(llm_server(llm_port))
        stack.enter_context(server(folder, shop_port, **more))
        threads = [threading.Thread(target=one.run, args=(f"http://127.0.0.1:{shop_port}", stop)) for one in crowd]
        for thread in threads:
            thread.start()
        time.sleep(BETWEEN_SECONDS)
        rows = []
        for what in outages:
            progress(f"{what} killed")
            began = time.monotonic()
            if what != "database":
                model.close()
            if what != "model":
                database.kill()
            time.sleep(AWAY_SECONDS)
            if what != "model":
                database.start()
            if what != "database":
                model.enter_context(llm_server(llm_port))
            up = time.monotonic()
            time.sleep(BETWEEN_SECONDS)
            while not diary.count("answered", up, time.monotonic()) and time.monotonic() < up + PATIENCE:
                time.sleep(0.5)  # a busy machine takes longer: what is told is how long
            rows.append(_row(what, diary, began, up))
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
        store = ConversationStore(open_store(settings).engine)
        hanging = wait_for_answers(store)
        rows.append({"killed": "in all", **compare(store, crowd), "unanswered": hanging,
                     **_sums(diary, 0, time.monotonic())})  # fmt: skip
        store.engine.dispose()
        model.close()
    return rows


def _row(what: str, diary: Diary, began: float, up: float) -> dict[str, Any]:
    """One outage: what came of messages from its begin until the next, and how soon all was well again."""
    well = [at for at, own in diary.lines if own == "answered" and at > up]
    return {"killed": what, "away s": round(up - began, 1), "well again after s": round(min(well) - up, 1) if well else None,
            "acknowledged": diary.count("acknowledged", began, time.monotonic()),
            **_sums(diary, began, time.monotonic())}  # fmt: skip


def _sums(diary: Diary, begin: float, end: float) -> dict[str, Any]:
    longest = max((seconds for at, seconds in diary.waits if begin <= at < end), default=0.0)
    names: Sequence[What] = ("answered", "by words", "refused", "no line", "broken", "no answer")
    return {**{name: diary.count(name, begin, end) for name in names}, "longest wait s": round(longest, 1)}
