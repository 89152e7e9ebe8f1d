from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from assistant.build import build
from assistant.settings import Settings
from tests.fakes import ScriptedLLM
from tests.web.conftest import Shop

FRIEND, STRANGER = "https://shop.example", "https://evil.example"


@pytest.fixture(scope="module")
def open_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("shop"), explain=False, embed_origins=FRIEND)
    running = Shop(build(settings, llm=ScriptedLLM()))
    yield running
    running.close()


@pytest.mark.parametrize("path", ["/api/profile", "/gradio_api/info", "/gradio_api/startup-events", "/config"])
@pytest.mark.parametrize("host", ["", "chat.shop.example"])
def test_only_pages_that_may_read_answers(open_shop: Shop, path: str, host: str) -> None:
    visitor = open_shop.visitor()
    extra = {"Host": host} if host else {}
    friend = visitor.get(path, headers={"Origin": FRIEND, **extra}).headers
    assert friend["access-control-allow-origin"] == FRIEND
    assert friend["access-control-allow-credentials"] == "true"
    stranger = visitor.get(path, headers={"Origin": STRANGER, **extra}).headers
    assert not [name for name in stranger if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "path", ["/api/messages", "/gradio_api/queue/join", "/gradio_api/run/predict", "/desk/sign-in"]
)
def test_strangers_pages_change_nothing(open_shop: Shop, path: str) -> None:
    visitor = open_shop.visitor()
    body = {"text": "hi", "fn_index": 0, "data": [], "session_hash": "abc", "name": "lin", "password": "x"}
    assert visitor.post(path, json=body, headers={"Origin": STRANGER}).status_code == 403
    assert visitor.post(path, json=body, headers={"Origin": "null"}).status_code == 403
    assert visitor.post(path, json=body, headers={"Origin": open_shop.url}).status_code != 403


def test_who_may_frame_the_pages(open_shop: Shop) -> None:
    visitor = open_shop.visitor()
    assert f"frame-ancestors 'self' {FRIEND}" in visitor.get("/").headers["content-security-policy"]
    assert "frame-ancestors 'none'" in visitor.get("/desk").headers["content-security-policy"]
    assert visitor.get("/").headers["x-content-type-options"] == "nosniff"


def test_cookies_go_into_frames_only_where_that_is_safe(open_shop: Shop, tmp_path: Path) -> None:
    assert "SameSite=None; Secure; Partitioned" in httpx.get(open_shop.url).headers["set-cookie"]
    plain = httpx.get(open_shop.url, headers={"Host": "shop.lan"}).headers["set-cookie"]
    assert "SameSite=Lax" in plain
    assert "HttpOnly" in plain
