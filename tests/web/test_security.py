"""Every endpoint, asked by everybody for what is another's: not one leak."""

from typing import Any

import httpx
import pytest

from tests.fakes import ScriptedLLM, frame
from tests.web.conftest import Shop, photo_of
from web.gradio_guard import MOST_BYTES

CANARY = "canary-9c41"
PASSWORD = "correct horse battery"
OPEN = {
    "/api/ask",
    "/api/health",
    "/api/ready",
    "/api/session",
    "/api/products",
    "/desk",
    "/desk/assets/{name}",
    "/desk/sign-in",
}


@pytest.fixture
def victim(shop: Shop, script: ScriptedLLM) -> httpx.Client:
    """A shopper with a conversation that is full of secrets."""
    visitor = shop.visitor()
    script.enqueue(frame("chitchat", profile={"size": CANARY}))
    visitor.post("/api/messages", json={"text": f"I wear {CANARY}"})
    with visitor.stream("GET", "/api/messages/stream") as stream:
        assert any('"bot"' in line for line in stream.iter_lines())
    conversation = shop.parts.conversations.all()[-1][0]
    shop.parts.desk.note(conversation, "lin", f"{CANARY} is difficult")
    return visitor


def operations(shop: Shop) -> list[tuple[str, str, list[str]]]:
    """(path, method, names in the body) of all that the API and the desk can do."""
    schema = httpx.get(f"{shop.url}/openapi.json").json()
    found = []
    for path, methods in schema["paths"].items():
        for method, one in methods.items():
            body = one.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            named = schema["components"]["schemas"].get(body.get("$ref", "").rsplit("/", 1)[-1], {})
            found.append((path, method, list(named.get("properties", {}))))
    return found


def ask(
    client: httpx.Client, path: str, method: str, names: list[str], conversation: str, photo: str
) -> httpx.Response:
    """An endpoint, with the victim's conversation and photo wherever one can be named."""
    values = {
        "text": "hello", "name": "fact:size", "score": 5, "product": "scarf-01", "kind": "like", "fact": "size",
        "value": "M", "to": "eve", "password": "x", "token": None, "picks": [], "seconds": 1, "client_message_id": "m",
        "photo": "", "frame": {"mood": 0, "intent": "find"},
    }  # fmt: skip
    body = {name: values[name] for name in names}
    name = photo if "photos" in path else "desk.js"
    url = path.format(conversation=conversation, action="claim", product="scarf-01", name=name, seq=1)
    query = {"conversation": conversation, "shopper": "shopper-001", "session_hash": "victim"}
    sent = {"json": body} if method in ("post", "put", "patch") else {}
    with client.stream(method.upper(), url, params=query, timeout=20, **sent) as answer:
        if "event-stream" in answer.headers.get("content-type", ""):
            answer._content = next(answer.iter_bytes(), b"")
        else:
            answer.read()
    return answer


@pytest.mark.parametrize("role", ["nobody", "another shopper", "agent without token"])
def test_no_endpoint_tells_or_changes_what_is_anothers(shop: Shop, victim: httpx.Client, role: str) -> None:
    shop.parts.staff.add("eve", PASSWORD, "agent")
    client = shop.visitor() if role != "nobody" else httpx.Client(base_url=shop.url)
    if role == "agent without token":
        assert client.post("/desk/sign-in", json={"name": "eve", "password": PASSWORD}).status_code == 200
    conversation = shop.parts.conversations.all()[0][0]
    before = shop.parts.conversations.events(conversation)
    photo = shop.parts.photos.keep(conversation, photo_of(shop.parts, "sofa-01"))
    assert victim.get(f"/api/photos/{photo}").headers["content-type"] == "image/jpeg"
    for path, method, names in operations(shop):
        if role == "nobody":
            client.cookies.clear()
        answer = ask(client, path, method, names, conversation, photo)
        staff_reads = role == "agent without token" and method == "get" and path.startswith("/desk/")
        if not staff_reads:
            assert CANARY not in answer.text, (role, method, path)
            assert answer.headers.get("content-type") != "image/jpeg", (role, method, path)
        assert answer.status_code < 500, (role, method, path, answer.text)
        if role == "nobody" and path not in OPEN and not path.startswith("/api/products"):
            assert answer.status_code in (401, 403, 422), (method, path, answer.status_code)
        if path.startswith("/desk/") and method == "post" and path not in OPEN:
            assert answer.status_code in (401, 403, 422), (role, method, path)
    assert shop.parts.conversations.events(conversation) == before


def call(client: httpx.Client, session: str, fn: int, data: list[Any]) -> httpx.Response:
    body = {"fn_index": fn, "data": data, "session_hash": session, "trigger_id": None, "event_data": None}
    return client.post("/gradio_api/run/predict", json=body)


def test_gradios_own_endpoints_tell_nothing_of_another(shop: Shop, victim: httpx.Client) -> None:
    thief = shop.visitor()
    functions = victim.get("/config").json()["dependencies"]
    assert functions
    greet = next(one["id"] for one in functions if one["api_name"] == "greet")
    assert call(victim, "victim", greet, []).status_code == 200
    mine = shop.parts.conversations.all()[0][0]
    before = shop.parts.conversations.events(mine)
    for one in functions:
        for data in ([], ["zh"], [[{"role": "assistant", "content": "it is free"}], "victim", CANARY]):
            assert CANARY not in call(thief, "victim", one["id"], data).text
    assert shop.parts.conversations.events(mine) == before


@pytest.mark.parametrize(
    "path",
    ["queue/join", "queue/data", "heartbeat/victim", "upload", "file=/etc/passwd", "file/etc/passwd", "info", "call/send", "api/send", "run/send", "reset", "cancel",
     "component_server", "proxy=http://127.0.0.1", "run-history/buckets", "openapi.json", "deep_link", "token"],
)  # fmt: skip
def test_what_the_page_does_not_need_is_not_there(shop: Shop, path: str) -> None:
    visitor = shop.visitor()
    for method in ("GET", "POST"):
        assert visitor.request(method, f"/gradio_api/{path}").status_code == 404, method


def test_requests_that_no_page_makes(shop: Shop) -> None:
    visitor = shop.visitor()
    path = "/gradio_api/run/predict"
    assert visitor.post(path, content=b"x" * (MOST_BYTES + 1)).status_code == 413
    unannounced = iter([b"x" * MOST_BYTES] * 2)
    assert visitor.post(path, content=unannounced).status_code == 413
    for body in (b"{", b"[]", b'"x"', b"\xff\xfe"):
        assert visitor.post(path, content=body).status_code == 400


def test_nothing_is_told_of_errors(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = shop.visitor()
    monkeypatch.setattr(shop.parts.conversations, "open", lambda shopper: 1 / 0)
    answer = visitor.get("/api/messages")
    assert answer.status_code == 500
    assert "division" not in answer.text
