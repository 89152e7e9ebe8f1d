"""The real server in a process of its own, with a stand-in for the language model: for load tests and drills."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from assistant.build import Parts, build
from assistant.settings import Settings
from web.app import create_app
from web.paced_llm import PacedLLM

START_SECONDS = 120.0


def paced_settings(data_dir: Path, **more: Any) -> Settings:
    """The settings of the server; nobody writes too often."""
    return Settings(data_dir=data_dir, messages_per_minute=100_000, **{"explain": False, **more})


def serve_paced(data_dir: Path, port: int, **more: Any) -> None:
    """What runs in the process; with a setting `llm_url` the stand-in is asked over HTTP."""
    import uvicorn

    settings = paced_settings(data_dir, **more)
    parts: Parts = build(settings, llm=None if settings.llm_url else PacedLLM())
    uvicorn.run(create_app(parts), host="127.0.0.1", port=port, log_level="error")


@contextmanager
def server(data_dir: Path, port: int, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The shop's server, up, until the block ends; then it is killed. `more` are settings."""
    call = f"serve_paced(Path({str(data_dir)!r}), {port}, **{more!r})"
    with process_of(f"from pathlib import Path; from web.paced import serve_paced; {call}") as process:
        wait_until_up(process, f"http://127.0.0.1:{port}/api/health")
        yield process


@contextmanager
def llm_server(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The model's server, up, until the block ends; then it is killed."""
    with process_of(f"from web.paced_llm import serve_paced_llm; serve_paced_llm({port})") as process:
        wait_until_up(process, f"http://127.0.0.1:{port}/v1/models")
        yield process


@contextmanager
def process_of(code: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs some Python, killed when the block ends."""
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait_until_up(process: subprocess.Popen[bytes], url: str) -> None:
    """Until an address answers. Raises `RuntimeError` for a process that ended before, or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with code {process.returncode} before it was up")
        try:
            httpx.get(url, timeout=1)
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError(f"the server was not up after {START_SECONDS:.0f} seconds")
