"""The real server in a process of its own, with a stand-in for the language model that takes its time: for load tests."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from assistant.build import Parts, build
from assistant.llm import LLM
from assistant.llm.protocol import Piece, until_stop, value_of
from assistant.settings import Settings
from web.app import create_app

PARSE_SECONDS = 0.3  # as long as the embedded model takes
SENTENCE_SECONDS = 1.5
START_SECONDS = 120.0


class PacedLLM:
    """Takes every message for a search for scarves, after as long as a real model would need."""

    name = "paced"
    tuned = True

    def complete(self, prompt: str, *, max_tokens: int, stop: Sequence[str] = ()) -> str:
        return "".join(self.stream(prompt, max_tokens=max_tokens, stop=stop))

    def stream(self, prompt: str, *, max_tokens: int, stop: Sequence[str] = ()) -> Iterator[str]:
        time.sleep(SENTENCE_SECONDS)
        return until_stop(iter(["A scarf."]), stop)

    def complete_json(self, prompt: str, schema: Mapping[str, Any], *, max_tokens: int) -> Any:
        return value_of(self.spell_json(prompt, schema, max_tokens=max_tokens))

    def spell_json(self, prompt: str, schema: Mapping[str, Any], *, max_tokens: int) -> list[Piece]:
        time.sleep(PARSE_SECONDS)
        return [Piece('{"mood": 0, "slots": {"category": ["scarf"]}, "intent": "find"}', 1.0)]


def paced_settings(data_dir: Path, explain: bool = False) -> Settings:
    """The settings of the server; nobody writes too often."""
    return Settings(data_dir=data_dir, explain=explain, messages_per_minute=100_000)


def serve_paced(data_dir: Path, port: int, explain: bool) -> None:
    """What runs in the process."""
    import uvicorn

    llm: LLM = PacedLLM()
    parts: Parts = build(paced_settings(data_dir, explain), llm=llm)
    uvicorn.run(create_app(parts), host="127.0.0.1", port=port, log_level="error")


@contextmanager
def server(data_dir: Path, port: int, explain: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """The server, up, until the block ends; then it is killed."""
    call = f"serve_paced(Path({str(data_dir)!r}), {port}, {explain})"
    code = f"from pathlib import Path; from web.paced import serve_paced; {call}"
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"})
    try:
        _wait_until_up(process, port)
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
