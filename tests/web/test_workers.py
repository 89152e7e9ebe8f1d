"""Two processes behind nginx are replaced while shoppers write: no request fails, nothing is lost."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from assistant.build import open_store
from assistant.settings import Settings
from assistant.store import ConversationStore
from web.crash import compare, wait_for_answers
from web.outage import Diary, Shopper
from web.paced import free_port, llm_server, wait_until_up
from web.proxy import proxy


@pytest.fixture
def ports() -> list[int]:
    """Two that follow each other."""
    while True:
        first = free_port()
        try:
            httpx.get(f"http://127.0.0.1:{first + 1}", timeout=0.2)
        except httpx.ConnectError:
            return [first, first + 1]


def started(shop: int, port: int) -> int:
    """The process of a shop that serves a port; 0 while there is none."""
    for process in psutil.Process(shop).children():
        with suppress(psutil.Error):
            if str(port) in process.cmdline():
                return process.pid
    return 0


def test_replacing_processes_interrupts_nobody(data_dir: Path, tmp_path: Path, ports: list[int]) -> None:
    diary, stop, model = Diary(), threading.Event(), free_port()
    more = {"DATA_DIR": str(data_dir), "LLM_URL": f"http://127.0.0.1:{model}", "LLM_ADAPTER": "served", "EXPLAIN": "false",
            "MESSAGES_PER_MINUTE": "10000", "SPEECH_MODEL": "none"}  # fmt: skip
    environment = {**os.environ, **{f"DAOGOU_{name}": value for name, value in more.items()}}
    command = [sys.executable, "-m", "assistant.cli", "serve", "--workers", "2", "--port", str(ports[0])]
    with llm_server(model), proxy(free_port(), ports, tmp_path) as url:
        shop = subprocess.Popen(command, env=environment)
        try:
            for port in ports:
                wait_until_up(shop, f"http://127.0.0.1:{port}/api/ready")
            first = [started(shop.pid, port) for port in ports]
            crowd = [Shopper(number, diary) for number in range(4)]
            threads = [threading.Thread(target=one.run, args=(url, stop)) for one in crowd]
            for thread in threads:
                thread.start()
            shop.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + 120
            while {0, *first} & {started(shop.pid, port) for port in ports}:
                assert time.monotonic() < deadline
                time.sleep(0.5)
            wait_until_up(shop, f"http://127.0.0.1:{ports[1]}/api/ready")
            stop.set()
            for thread in threads:
                thread.join(60)
        finally:
            stop.set()
            shop.terminate()
            shop.wait(60)
    failures = {what: diary.count(what, 0, time.monotonic()) for what in ("refused", "no line", "broken", "no answer")}
    assert failures == dict.fromkeys(failures, 0)
    log = ConversationStore(open_store(Settings(data_dir=data_dir)).engine)
    assert wait_for_answers(log) == 0
    told = compare(log, crowd)
    assert told["acknowledged"] > 10
    assert (told["lost"], told["doubled"], told["out_of_order"]) == (0, 0, 0)
