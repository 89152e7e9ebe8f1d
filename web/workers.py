"""Several processes that serve, each on a port of its own behind a proxy (docs/deploy/nginx.conf), and their replacement.

SIGHUP replaces them one after another, each when the one before is ready, so that somebody always serves. SIGTERM and
SIGINT end them. One that dies is started again.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

import httpx

from catalog.errors import UserError

log = logging.getLogger(__name__)
READY_SECONDS = 180.0  # that a process has to load its models
LEAVE_SECONDS = 30.0  # that one which is told to end has for the answers under way
LOOK = 0.2
PAUSE = 1.0  # before one that died is started again


class Worker:
    """One process, and those that come in its place."""

    def __init__(self, host: str, port: int) -> None:
        self.port = port
        self._host = host
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin to load."""
        # A process that lets the model's threads take all cores would starve the others.
        threads = str(max(1, (os.cpu_count() or 1) // 2))
        command = [
            sys.executable,
            "-m",
            "assistant.cli",
            "serve",
            "--host",
            self._host,
            "--port",
            str(self.port),
            "--json",
        ]
        environment = {"OMP_NUM_THREADS": threads, **os.environ}
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)

    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process is not None and self._process.poll() is None

    def wait_until_ready(self, stop: threading.Event) -> bool:
        """Whether it serves, within `READY_SECONDS`."""
        deadline = time.monotonic() + READY_SECONDS
        while not stop.is_set() and self.is_alive() and time.monotonic() < deadline:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/api/ready", timeout=2).is_success:
                    return True
            except httpx.HTTPError:
                pass
            time.sleep(LOOK)
        return False

    def end(self) -> None:
        """Let it finish what is under way, then be gone."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Workers:
    """All of them."""

    def __init__(self, host: str, ports: Sequence[int]) -> None:
        self._workers = [Worker(host, port) for port in ports]
        self._stop = threading.Event()
        self._replace = threading.Event()

    def run(self) -> None:
        """Serve until a signal ends it; to be called in the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        signal.signal(signal.SIGHUP, lambda *_: self._replace.set())
        try:
            if not self._each(Worker.start) and not self._stop.is_set():
                raise UserError("the shop does not start; what is wrong stands above")
            while not self._stop.wait(LOOK):
                if self._replace.is_set():
                    self._replace.clear()
                    self._each(_anew)
                for worker in self._workers:
                    if not worker.is_alive():
                        log.warning("the process on port %d has ended; it is started again", worker.port)
                        time.sleep(PAUSE)
                        worker.start()
        finally:
            for worker in self._workers:
                worker.end()

    def _each(self, change: Callable[[Worker], None]) -> bool:
        """Change one after another, as long as the one before gets ready: what does not start replaces nothing more."""
        for worker in self._workers:
            change(worker)
            if not worker.wait_until_ready(self._stop):
                log.error("the process on port %d does not get ready", worker.port)
                return False
        return True


def _anew(worker: Worker) -> None:
    worker.end()
    worker.start()
