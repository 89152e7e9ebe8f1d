"""A running shop: the toy catalog, the real web application, a scripted model or the real one."""

import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from assistant.build import Parts, build
from assistant.settings import Settings
from catalog.sample.pictures import rasterised
from tests.fakes import ScriptedLLM
from web.app import create_app


class Shop:
    """A server on a free port, until `close`."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        config = uvicorn.Config(create_app(parts), port=0, log_level="warning", timeout_graceful_shutdown=0)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.02)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()

    def visitor(self) -> httpx.Client:
        """A new browser's client, with its cookie."""
        client = httpx.Client(base_url=self.url)
        client.get("/")
        return client


def photo_of(parts: Parts, product: str) -> bytes:
    """What a shopper sees who holds a phone, a little askew, over a product's picture: a JPEG."""
    found = parts.products.get(product)
    assert found is not None
    drawn = BytesIO()
    picture = rasterised((parts.settings.data_dir / found.image).read_text("utf-8"))
    picture.rotate(4, expand=True, fillcolor="white").save(drawn, "JPEG", quality=80)
    return drawn.getvalue()


@pytest.fixture
def script() -> ScriptedLLM:
    return ScriptedLLM()


@pytest.fixture
def shop(script: ScriptedLLM, data_dir: Path) -> Iterator[Shop]:
    """The sample shop with a scripted model."""
    running = Shop(build(Settings(data_dir=data_dir, explain=False), llm=script))
    yield running
    running.close()


@pytest.fixture
def talking_shop(script: ScriptedLLM, data_dir: Path) -> Iterator[Shop]:
    """The same, whose model writes texts as well: what is said of picks, briefs."""
    running = Shop(build(Settings(data_dir=data_dir), llm=script))
    yield running
    running.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    if not Path("/usr/bin/chromium").exists():
        pytest.fail("Chromium is not installed; .ci/system-packages installs it")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        yield browser
        browser.close()
