"""How many shoppers a process, or several behind nginx, stands, and how fast a person's word reaches a shopper's browser.

The server runs in a process of its own with a stand-in for the language model that takes its time; shoppers are
clients that follow the transcript as the page's script does, and one is a real browser.
"""

import asyncio
import contextlib
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Any

import httpx

from assistant.build import build, open_store
from assistant.desk import Desk, DeskError
from assistant.evaluation.own_postgres import own_postgres
from assistant.phrases import phrase
from assistant.staff import StaffStore
from assistant.store import ConversationStore
from catalog.errors import UserError
from web.paced import free_port, paced_settings, server
from web.paced_llm import PacedLLM
from web.proxy import proxy

Progress = Callable[[str], Any]
PASSWORD = secrets.token_urlsafe(12)
DONE = phrase("quick_rated", "en")  # on the page only below an answer that is finished
HISTORY = 20  # messages of a shopper who has been here for a while
IDLE_SECONDS = 30.0
SETTLE_SECONDS = 3.0  # until all pages follow
REPLIES = 40  # of staff, timed
CHROMIUM = "/usr/bin/chromium"


def chat(
    shoppers: int, idle: int, data_dir: Path, progress: Progress, workers: int = 1, postgres: bool = False
) -> list[dict[str, Any]]:
    """One row for each question, with what must be reached; of several processes behind nginx, on SQLite or PostgreSQL."""
    with ExitStack() as stack:
        more = {}
        if postgres:
            more["database_url"] = stack.enter_context(own_postgres(data_dir / "postgres")).url
        settings = paced_settings(data_dir, **more)
        build(settings, llm=PacedLLM())
        store = open_store(settings)
        staff, conversations = StaffStore(store.engine), ConversationStore(store.engine)
        staff.add("lin", PASSWORD, "agent")
        progress("claims")
        rows = [claims(Desk(conversations, store), conversations, 20, 200)]
        with _shop(data_dir, workers, explain=True, **more) as (url, _):
            progress("a word of staff to a browser")
            rows.append(_delivery(url, conversations))
            progress(f"{shoppers} shoppers at once")
            rows += asyncio.run(_streams(url, shoppers, conversations))
        with _shop(data_dir, workers, **more) as (url, processes):
            progress(f"{idle} idle pages")
            rows.append(asyncio.run(_idle(url, idle, processes)))
        store.engine.dispose()
    return rows


@contextmanager
def _shop(data_dir: Path, workers: int, **more: Any) -> Iterator[tuple[str, list[int]]]:
    """The shop's address, and the ids of the processes that serve it."""
    ports = [free_port() for _ in range(workers)]
    with ExitStack() as stack:
        processes = [stack.enter_context(server(data_dir, port, **more)).pid for port in ports]
        url = f"http://127.0.0.1:{ports[0]}"
        yield stack.enter_context(proxy(free_port(), ports, data_dir)) if workers > 1 else url, processes


def claims(desk: Desk, conversations: ConversationStore, people: int, times: int) -> dict[str, Any]:
    """How many win when `people` claim one conversation at once."""

    def claim(conversation: str, name: str) -> bool:
        try:
            desk.claim(conversation, name)
        except DeskError:
            return False
        return True

    winners = []
    with ThreadPoolExecutor(people) as pool:
        for number in range(times):
            own = conversations.begin(f"claimed-{number}")
            conversations.append(own, "handoff", {"reason": "asked"})
            winners.append(sum(pool.map(lambda name, own=own: claim(own, name), map(str, range(people)))))
    return {
        "what": f"claim by {people} at once, {times} times", "must": "1 winner each",
        "measured": f"{min(winners)} to {max(winners)} winners",
    }  # fmt: skip


# -- a word of staff to a shopper's browser -------------------------------------------------


def _delivery(url: str, conversations: ConversationStore) -> dict[str, Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise UserError("a browser is needed to measure: pip install 'daogou[test]', and Chromium") from error
    agent = httpx.Client(base_url=url)
    signed = agent.post("/desk/sign-in", json={"name": "lin", "password": PASSWORD}).raise_for_status().json()
    agent.headers["x-csrf-token"] = signed["csrf"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(url)
        page.locator("#dg-message textarea").wait_for()
        page.wait_for_timeout(1_000)
        cookies = {c["name"]: c["value"] for c in page.context.cookies()}
        httpx.post(f"{url}/api/handoff", cookies=cookies).raise_for_status()
        (own,) = conversations.waiting()
        agent.post(f"/desk/conversations/{own}/claim").raise_for_status()
        times = [_delivered(page, agent, own, f"word {number} of many") for number in range(REPLIES)]
        browser.close()
    return {
        "what": "word of staff to shopper's browser", "must": "p50 <= 150 ms",
        "measured": f"p50 {1000 * median(times):.0f} ms, p95 {1000 * quantiles(times, n=20)[-1]:.0f} ms",
    }  # fmt: skip


def _delivered(page: Any, agent: httpx.Client, conversation: str, word: str) -> float:
    """Seconds from the moment that a reply is sent until it stands on the page, by one clock."""
    page.evaluate(
        """word => { window.shown = null; const look = () => {
            if (document.querySelector('#dg-chat').innerText.includes(word)) window.shown = Date.now();
            else requestAnimationFrame(look); }; look(); }""",
        word,
    )
    sent = time.time()
    agent.post(f"/desk/conversations/{conversation}/reply", json={"text": word}).raise_for_status()
    page.wait_for_function("window.shown !== null", timeout=10_000)
    seconds: float = page.evaluate("window.shown") / 1000 - sent
    time.sleep(0.3)
    return seconds


# -- many pages ---------------------------------------------------------------------------


class Page:
    """A page that follows its conversation as the widget's script does."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=None, limits=httpx.Limits(keepalive_expiry=2))

    async def open(self) -> None:
        """Load the page, which begins the conversation."""
        await self._client.get("/")
        await self._client.get("/api/messages")

    async def say(self, text: str) -> None:
        """Send a message."""
        (await self._client.post("/api/messages", json={"text": text})).raise_for_status()

    async def updates(self) -> AsyncIterator[str]:
        """What the page is told, as JSON text."""
        async with self._client.stream("GET", "/transcript") as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    yield line

    async def ask(self, begin: asyncio.Event, later: float = 0.0) -> float:
        """Say something `later` seconds after `begin`; seconds until the answer is on the page, whole."""
        updates = self.updates()
        await anext(updates)
        await begin.wait()
        await asyncio.sleep(later)
        began = time.perf_counter()
        await self.say("scarf")
        async for update in updates:
            if DONE in update:
                return time.perf_counter() - began
        raise RuntimeError("the page was closed before the answer was done")


async def _streams(url: str, shoppers: int, conversations: ConversationStore) -> list[dict[str, Any]]:
    """Shoppers who ask at any moment of the time that one answer takes, so that all are answered at once; and
    shoppers who ask in the same instant."""
    alone = median([(await _asked(await _pages(url, 1, conversations), [0.0]))[0] for _ in range(3)])
    draw = Random(1)
    spread = await _asked(await _pages(url, shoppers, conversations), [draw.uniform(0, alone) for _ in range(shoppers)])
    burst = await _asked(await _pages(url, shoppers, conversations), [0.0] * shoppers)
    what = f"{shoppers} shoppers at once, {HISTORY}-message histories"
    return [
        _against(alone, spread, what, "each <= 1.25 x one alone"),
        _against(alone, burst, "the same, all asking in one instant", ""),
    ]


async def _asked(pages: Sequence[Page], later: Sequence[float]) -> list[float]:
    begin = asyncio.Event()
    asking = [asyncio.create_task(page.ask(begin, after)) for page, after in zip(pages, later, strict=True)]
    await asyncio.sleep(SETTLE_SECONDS)
    begin.set()
    return await asyncio.gather(*asking)


def _against(alone: float, together: Sequence[float], what: str, must: str) -> dict[str, Any]:
    slowest, middle = max(together) / alone, median(together) / alone
    return {"what": what, "must": must, "measured": f"slowest {slowest:.2f} x, median {middle:.2f} x of {alone:.1f} s"}


async def _pages(url: str, count: int, conversations: ConversationStore) -> list[Page]:
    """Open pages of shoppers who have talked before."""
    pages = [Page(url) for _ in range(count)]
    known = {conversation for conversation, _ in conversations.all()}
    for page in pages:
        await page.open()
    new = [conversation for conversation, _ in conversations.all() if conversation not in known]
    for conversation in new:
        _talked(conversations, conversation)
    return pages


def _talked(conversations: ConversationStore, conversation: str) -> None:
    for number in range(HISTORY // 2):
        asked = conversations.append(conversation, "message", {"role": "shopper", "text": f"question {number}"})
        answer = {"role": "bot", "language": "en", "text": "An answer of some length, as they are.", "picks": [],
                  "quick_replies": [], "asks": "", "timings": {}, "to": asked.seq}  # fmt: skip
        conversations.append(conversation, "answer", answer)


async def _idle(url: str, count: int, processes: Sequence[int]) -> dict[str, Any]:
    await asyncio.sleep(5)
    empty = sum(map(_memory, processes))
    pages = [Page(url) for _ in range(count)]
    readers = []
    for page in pages:
        await page.open()
        readers.append(asyncio.create_task(_read(page.updates())))
    await asyncio.sleep(10)
    began, used = datetime.now(UTC), sum(map(_processor, processes))
    await asyncio.sleep(IDLE_SECONDS)
    share = (sum(map(_processor, processes)) - used) / (datetime.now(UTC) - began).total_seconds()
    full = sum(map(_memory, processes))
    for reader in readers:
        reader.cancel()
    return {
        "what": f"{count} idle open chats", "must": "<= 10 % of one core, <= 400 MB",
        "measured": f"{100 * share:.1f} % of one core, {full:.0f} MB ({full - empty:.0f} MB more than with none)",
    }  # fmt: skip


async def _read(updates: AsyncIterator[str]) -> None:
    with contextlib.suppress(httpx.HTTPError):
        async for update in updates:
            json.loads(update[5:])


def _processor(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    """Resident megabytes of a process."""
    lines: Sequence[str] = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))
