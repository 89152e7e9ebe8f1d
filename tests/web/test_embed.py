"""The chat on a page of another site, in Chromium."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest

from assistant.build import build
from assistant.settings import Settings
from tests.fakes import ScriptedLLM, frame
from tests.web.conftest import Shop

KEY = "a key of at least thirty-two bytes!"
PAGE = """<!doctype html><html lang="en"><title>Another shop</title><h1>Another shop</h1>
<script src="{shop}/embed.js" {token} async></script></html>"""

pytestmark = pytest.mark.browser


class Site:
    """Pages of another origin: `localhost`, which to a browser is another site than `127.0.0.1`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        handler = partial(_Quiet, directory=str(folder))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.origin = f"http://localhost:{self.server.server_address[1]}"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    running = Site(folder)
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture
def embedded(site: Site, script: ScriptedLLM, data_dir: Path) -> Iterator[Shop]:
    settings = Settings(data_dir=data_dir, explain=False, token_key=KEY, embed_origins=site.origin)
    running = Shop(build(settings, llm=script))
    token = jwt.encode({"sub": "shopper-007", "exp": datetime.now(UTC) + timedelta(hours=1)}, KEY, "HS256")
    for name, given in (("visitor", ""), ("known", f'data-token="{token}"')):
        (site.folder / f"{name}.html").write_text(PAGE.format(shop=running.url, token=given))
    yield running
    running.close()


def chat(page: Any) -> Any:
    page.get_by_role("button", name="Need help?").click()
    frame_of = page.frame_locator("#daogou-chat")
    frame_of.locator("#dg-message textarea").wait_for(timeout=30_000)
    return frame_of


def seated(page: Any) -> None:
    """Wait until the chat has loaded itself anew for another shopper."""
    deadline = time.monotonic() + 20
    while not any(one.url.endswith("#seated") for one in page.frames):
        assert time.monotonic() < deadline
        page.wait_for_timeout(100)
    page.frame_locator("#daogou-chat").locator("#dg-message textarea").wait_for(timeout=20_000)


def test_a_visitor_chats_on_the_shops_page(chromium: Any, embedded: Shop, site: Site, script: ScriptedLLM) -> None:
    page = chromium.new_page()
    page.goto(f"{site.origin}/visitor.html")
    assert page.locator("#daogou-chat").is_hidden()
    widget = chat(page)
    script.enqueue(frame("find", slots={"category": ["scarf"]}))
    widget.locator("#dg-message textarea").fill("scarf")
    widget.locator("#dg-message textarea").press("Enter")
    widget.locator(".dg-card").first.wait_for(timeout=20_000)
    page.reload()
    chat(page).get_by_text("scarf", exact=True).wait_for(timeout=20_000)  # the cookie holds in a frame
    page.keyboard.press("Escape")
    assert [s[:4] for _, s in embedded.parts.conversations.all()] == ["web-"]
    page.close()


def test_who_is_signed_in_at_the_shop_is_known_in_the_chat(chromium: Any, embedded: Shop, site: Site) -> None:
    page = chromium.new_page()
    page.goto(f"{site.origin}/known.html")
    widget = chat(page)
    seated(page)
    widget.locator(".dg-known summary", has_text="What I know").click(timeout=20_000)
    widget.get_by_role("heading", name="You bought").wait_for(timeout=20_000)
    page.evaluate("Daogou.signOut()")
    page.wait_for_timeout(300)
    seated(page)
    widget.locator(".dg-known summary", has_text="What I know").click(timeout=20_000)
    widget.get_by_text("Nothing yet").wait_for(timeout=20_000)
    page.close()


def test_no_other_page_can_frame_it(chromium: Any, embedded: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "stranger"
    folder.mkdir()
    (folder / "index.html").write_text(PAGE.format(shop=embedded.url, token=""))
    stranger = Site(folder)
    page = chromium.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(stranger.origin)
    page.get_by_role("button", name="Need help?").click()
    page.wait_for_timeout(1_500)
    assert any("frame-ancestors" in text for text in refused)
    assert page.frame_locator("#daogou-chat").locator("#dg-message").count() == 0
    page.close()
    stranger.server.shutdown()
    stranger.server.server_close()
