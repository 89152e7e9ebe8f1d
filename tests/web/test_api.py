import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from sqlalchemy.exc import OperationalError

from assistant.build import build
from assistant.settings import Settings
from assistant.speech import MOST_BYTES as MOST_RECORDED
from assistant.speech import Heard as SpokenWords
from assistant.speech import SpeechError
from assistant.store import Event
from catalog.pictures import MOST_BYTES, read_picture
from catalog.types import Language
from tests.fakes import ScriptedLLM, frame
from tests.web.conftest import Shop, photo_of
from web.crash import crash
from web.identity import COOKIE, Identity
from web.language import LANGUAGE_COOKIE
from web.live import Live

SCARVES = frame("find", slots={"category": ["scarf"]})


def own(shop: Shop, visitor: httpx.Client) -> str:
    key = (shop.parts.settings.data_dir / "secret_key").read_text()
    shopper = Identity(key).shopper(visitor.cookies[COOKIE])
    assert shopper
    return shop.parts.conversations.open(shopper)


def wait_until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def own_events(shop: Shop, visitor: httpx.Client) -> list[Event]:
    return shop.parts.conversations.events(own(shop, visitor))


def wait_for_answer(shop: Shop, visitor: httpx.Client) -> Event:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        events = own_events(shop, visitor)
        if events and events[-1].kind == "answer":
            return events[-1]
        time.sleep(0.05)
    raise AssertionError("no answer came")


def test_a_message_is_answered_once(shop: Shop, script: ScriptedLLM) -> None:
    visitor = shop.visitor()
    script.enqueue(SCARVES)
    for _ in range(3):
        assert visitor.post("/api/messages", json={"text": "scarf", "client_message_id": "m1"}).status_code == 202
    answer = wait_for_answer(shop, visitor)
    assert len(answer.payload["picks"]) == 3
    assert [e.kind for e in own_events(shop, visitor)] == ["message", "parsed", "answer"]


def test_one_question_is_answered_at_once_to_nobody(shop: Shop, script: ScriptedLLM) -> None:
    """As garak's REST generator asks: no cookie before, none needed after, and each in a conversation of its own."""
    script.enqueue(SCARVES, SCARVES)
    for _ in range(2):
        response = httpx.post(f"{shop.url}/api/ask", json={"text": "a scarf"})
        assert response.status_code == 200
        answer = response.json()
        assert len(answer["products"]) == 3
        assert shop.parts.products.get(answer["products"][0]).text("en").title in answer["text"]  # type: ignore[union-attr]
    told = [shop.parts.conversations.events(conversation) for conversation, *_ in shop.parts.conversations.all()]
    assert [[e.kind for e in events] for events in told] == [["message", "parsed", "answer"]] * 2


def test_whatever_breaks_the_shopper_is_told(shop: Shop, script: ScriptedLLM) -> None:
    visitor = shop.visitor()
    script.enqueue(RuntimeError("a bug"))
    visitor.post("/api/messages", json={"text": "scarf"})
    assert wait_for_answer(shop, visitor).payload["text"].startswith("Something went wrong")
    script.enqueue(SCARVES)
    assert visitor.post("/api/messages", json={"text": "scarf"}).status_code == 202
    assert wait_for_answer(shop, visitor).payload["picks"]


def test_clicks_become_history(shop: Shop) -> None:
    visitor = shop.visitor()
    assert visitor.post("/api/interactions", json={"product": "scarf-01", "kind": "cart"}).status_code == 204
    assert [e.payload for e in own_events(shop, visitor)] == [{"product": "scarf-01", "kind": "cart"}]


def test_a_click_is_noted_with_its_place(shop: Shop, script: ScriptedLLM) -> None:
    visitor = shop.visitor()
    script.enqueue(SCARVES)
    visitor.post("/api/messages", json={"text": "scarf"})
    third = wait_for_answer(shop, visitor).payload["picks"][2]["product"]
    visitor.post("/api/interactions", json={"product": third, "kind": "dwell", "seconds": 12.5})
    shopper = shop.parts.conversations.all()[-1][1]
    (dwell,) = shop.parts.products.history(shopper)
    assert (dwell.kind, dwell.value, dwell.position) == ("dwell", 12.5, 3)
    assert dwell.session == shop.parts.conversations.open(shopper)
    assert own_events(shop, visitor)[-1].kind == "answer"  # a look is no part of the conversation


def test_a_shopper_reads_corrects_and_deletes_what_is_known(shop: Shop, script: ScriptedLLM) -> None:
    visitor = shop.visitor()
    script.enqueue(frame("chitchat", profile={"height_cm": "180"}))
    visitor.post("/api/messages", json={"text": "I am 180"})
    wait_for_answer(shop, visitor)

    def known() -> list[str]:
        return [k["text"] for group in visitor.get("/api/profile").json()["groups"] for k in group["known"]]

    assert known() == ["height: 180"]
    assert visitor.post("/api/profile/correct", json={"fact": "height_cm", "value": "182"}).status_code == 204
    assert known() == ["height: 182.0"]
    assert shop.visitor().get("/api/profile").json()["groups"] == []
    assert visitor.post("/api/profile/forget", json={"name": "fact:height_cm"}).status_code == 204
    assert known() == []
    assert visitor.post("/api/profile/forget", json={"name": "nonsense"}).status_code == 404
    assert visitor.post("/api/profile/correct", json={"fact": "height_cm", "value": "tall"}).status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/interactions", {"product": "nothing", "kind": "cart"}, 404),
        ("/api/interactions", {"product": "scarf-01", "kind": "purchase"}, 422),
        ("/api/interactions", {"product": "scarf-01", "kind": "like", "shopper": "x" * 10}, 422),
        ("/api/messages", {"text": "x", "client_message_id": "answer:1"}, 422),
        ("/api/messages", {"text": ""}, 422),
        ("/api/messages", {"text": "x" * 2_001}, 422),
    ],
)
def test_bad_requests(shop: Shop, path: str, body: dict[str, str], status: int) -> None:
    assert shop.visitor().post(path, json=body).status_code == status


def test_nobody_acts_for_another(shop: Shop) -> None:
    visitor = shop.visitor()
    body = {"product": "scarf-01", "kind": "cart"}
    assert httpx.post(f"{shop.url}/api/interactions", json=body).status_code == 401
    forged = {COOKIE: visitor.cookies[COOKIE][:-3] + "abc"}
    assert httpx.post(f"{shop.url}/api/interactions", json=body, cookies=forged).status_code == 401
    elsewhere = {"Origin": "https://evil.example"}
    assert visitor.post("/api/interactions", json=body, headers=elsewhere).status_code == 403
    assert own_events(shop, visitor) == []


def test_pictures_and_nothing_else(shop: Shop) -> None:
    visitor = shop.visitor()
    picture = visitor.get("/images/scarf-01.svg")
    assert picture.headers["content-type"].startswith("image/svg+xml")
    assert "default-src 'none'" in picture.headers["content-security-policy"]
    for path in (
        "/images/..%2fsecret_key",
        "/images/%2e%2e/shop.db",
        "/images/none.svg",
        "/images/..%2f..%2fetc%2fpasswd",
    ):
        assert "secret" not in visitor.get(path).text
        assert visitor.get(path).status_code in (404, 405)


def test_health_and_readiness(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert httpx.get(f"{shop.url}/api/health").json() == {"status": "ok"}
    assert httpx.get(f"{shop.url}/api/ready").json() == {"status": "ready", "language_model": "here"}
    monkeypatch.setattr(shop.parts.llm, "is_away", True, raising=False)
    assert httpx.get(f"{shop.url}/api/ready").json() == {"status": "degraded", "language_model": "away"}


def test_while_the_database_is_away_it_is_said(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> int:
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    visitor = shop.visitor()
    monkeypatch.setattr(shop.parts.products, "version", away)
    monkeypatch.setattr(shop.parts.conversations, "append", away)
    for told in (visitor.get("/api/ready"), visitor.post("/api/messages", json={"text": "scarf"})):
        assert told.status_code == 503
        assert "Nothing is lost" in told.json()["detail"] or "不会丢失" in told.json()["detail"]
        assert told.headers["retry-after"] == "2"
    assert httpx.get(f"{shop.url}/api/health").is_success


def test_nothing_acknowledged_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    (row,) = crash(kills=2, clients=3, data_dir=tmp_path, progress=lambda line: None)
    assert row["acknowledged"] > 0
    assert (row["lost"], row["doubled"], row["out_of_order"], row["unanswered"]) == (0, 0, 0, 0)


def test_who_writes_too_often_is_told_when_to_go_on(script: ScriptedLLM, data_dir: Path) -> None:
    shop = Shop(build(Settings(data_dir=data_dir, explain=False, messages_per_minute=2), llm=script))
    script.enqueue(*[frame("chitchat")] * 3)
    visitor = shop.visitor()
    told = [visitor.post("/api/messages", json={"text": "hi"}) for _ in range(3)]
    assert [one.status_code for one in told] == [202, 202, 429]
    assert 1 <= int(told[2].headers["retry-after"]) <= 60
    assert shop.visitor().post("/api/messages", json={"text": "hi"}).status_code == 202
    shop.close()


def test_who_waits_in_vain_is_told_once(shop: Shop) -> None:
    conversations = shop.parts.conversations
    own = conversations.begin("ann")
    conversations.append(own, "handoff", {"reason": "asked"})
    for patience, away in ((timedelta(minutes=5), 0), (timedelta(0), 1), (timedelta(0), 1)):
        Live(shop.parts.assistant, conversations, shop.parts.desk, patience).tell_who_waits_in_vain()
        assert [e.kind for e in conversations.events(own)].count("away") == away
    shop.parts.desk.claim(own, "lin")
    Live(shop.parts.assistant, conversations, shop.parts.desk, timedelta(0)).tell_who_waits_in_vain()
    assert conversations.events(own)[-1].kind == "claimed"


def test_a_conversation_is_read_and_followed(shop: Shop, script: ScriptedLLM) -> None:
    visitor = shop.visitor()
    script.enqueue(SCARVES)
    assert visitor.post("/api/messages", json={"text": "scarf"}).json() == {"seq": 1}
    wait_for_answer(shop, visitor)
    first, answer = visitor.get("/api/messages").json()
    assert (first["role"], first["text"], answer["role"]) == ("shopper", "scarf", "bot")
    assert len(answer["picks"]) == 3
    assert answer["picks"][0]["why"]
    assert visitor.get("/api/messages", params={"after": answer["seq"]}).json() == []
    with visitor.stream("GET", "/api/messages/stream", headers={"Last-Event-ID": "1"}) as stream:
        told = (line for line in stream.iter_lines() if line.startswith("data:"))
        assert json.loads(next(told)[5:]) == answer
        shop.parts.conversations.append(own(shop, visitor), "note", {"staff": "lin", "text": "a difficult one"})
        shop.parts.desk.claim(own(shop, visitor), "lin")
        shop.parts.desk.reply(own(shop, visitor), "lin", "Hello!")
        joined, hello = (json.loads(next(told)[5:]) for _ in range(2))
    assert (joined["role"], "lin" in joined["text"]) == ("notice", True)
    assert (hello["role"], hello["who"], hello["text"]) == ("staff", "lin", "Hello!")


def test_what_one_process_writes_the_pages_of_another_show(shop: Shop, script: ScriptedLLM) -> None:
    other = Shop(build(shop.parts.settings, llm=script))
    visitor = shop.visitor()
    conversation = own(shop, visitor)
    shop.parts.conversations.append(conversation, "handoff", {"reason": "asked"})
    with httpx.stream("GET", f"{other.url}/api/messages/stream", cookies=dict(visitor.cookies)) as stream:
        told = (line for line in stream.iter_lines() if line.startswith("data:"))
        shop.parts.desk.claim(conversation, "lin")
        assert "lin" in next(told)
        shop.parts.desk.reply(conversation, "lin", "Hello!")
        assert "Hello!" in next(told)
    other.close()


def test_metrics_are_for_who_has_the_token(shop: Shop, script: ScriptedLLM, data_dir: Path) -> None:
    assert httpx.get(f"{shop.url}/metrics").status_code == 404
    measured = Shop(build(Settings(data_dir=data_dir, explain=False, metrics_token="m" * 20), llm=script))
    visitor = measured.visitor()
    script.enqueue(SCARVES)
    visitor.post("/api/messages", json={"text": "canary"})
    wait_for_answer(measured, visitor)
    assert visitor.get("/metrics").status_code == 401
    text = visitor.get("/metrics", headers={"Authorization": f"Bearer {'m' * 20}"}).text
    assert 'daogou_events_total{kind="message"} 1.0' in text
    assert 'daogou_turn_seconds_count{stage="first_card"} 1.0' in text
    assert "daogou_waiting 0.0" in text
    assert "canary" not in text
    assert 'daogou_step_seconds_count{step="search"}' in text
    dashboard = Path("docs/deploy/grafana.json").read_text("utf-8")
    asked = {name.removesuffix("_bucket") for name in re.findall(r"daogou_[a-z_]+", dashboard)}
    assert {name for name in asked if f"\n# TYPE {name} " not in f"\n{text}"} == set()
    measured.close()


def test_a_person_is_called_by_a_button(shop: Shop) -> None:
    visitor = shop.visitor()
    for _ in range(2):
        assert visitor.post("/api/handoff", params={"language": "en"}).status_code == 202
    assert [e.kind for e in own_events(shop, visitor)] == ["handoff", "answer"]
    assert shop.parts.conversations.waiting() == [own(shop, visitor)]
    assert "1" in visitor.get("/api/messages").json()[-1]["text"]


def test_whoever_is_called_by_the_button_finds_a_brief(script: ScriptedLLM, data_dir: Path) -> None:
    shop = Shop(build(Settings(data_dir=data_dir), llm=script))
    visitor = shop.visitor()
    script.enqueue(frame("chitchat"), "Wants a gift.")
    visitor.post("/api/messages", json={"text": "a gift"})
    wait_until(lambda: own_events(shop, visitor)[-1].kind == "answer")
    for _ in range(2):
        visitor.post("/api/handoff")
    wait_until(lambda: own_events(shop, visitor)[-1].kind == "note")
    assert [e.payload["text"] for e in own_events(shop, visitor) if e.kind == "note"] == ["Wants a gift."]
    shop.close()


def test_products_for_the_caller(shop: Shop) -> None:
    visitor = shop.visitor()
    found = visitor.get("/api/products", params={"q": "scarf", "price_max": 150, "k": 5, "language": "en"}).json()
    assert 0 < len(found) <= 5
    assert all(Decimal(one["amount"]) <= 150 for one in found)
    details = visitor.get(f"/api/products/{found[0]['id']}", params={"language": "en"}).json()
    assert details["title"] == found[0]["title"]
    assert details["attributes"]
    alike = visitor.get(f"/api/products/{found[0]['id']}/similar").json()
    assert alike
    assert found[0]["id"] not in [one["id"] for one in alike]
    for path in ("/api/products/none", "/api/products/none/similar"):
        assert visitor.get(path).status_code == 404


def test_a_shopper_takes_the_data_out_and_erases_it(shop: Shop, script: ScriptedLLM) -> None:
    visitor, canary = shop.visitor(), "canary-4711"
    script.enqueue(frame("chitchat", profile={"size": canary}))
    visitor.post("/api/messages", json={"text": f"I wear {canary}", "client_message_id": canary})
    wait_for_answer(shop, visitor)
    visitor.post("/api/interactions", json={"product": "scarf-01", "kind": "like"})
    everything = visitor.get("/api/profile/export").json()
    assert canary in str(everything["conversations"])
    assert everything["interactions"][0]["product"] == "scarf-01"
    assert visitor.delete("/api/profile").status_code == 204
    assert visitor.get("/api/messages").json() == []
    assert visitor.get("/api/profile/export").json()["interactions"] == []
    for path in shop.parts.settings.data_dir.rglob("*"):
        assert not path.is_file() or canary.encode() not in path.read_bytes(), path


class TestTokens:
    KEY = "a key of at least thirty-two bytes!"

    @pytest.fixture
    def known(self, data_dir: Path, script: ScriptedLLM) -> Iterator[Shop]:
        settings = Settings(data_dir=data_dir, explain=False, token_key=self.KEY)
        running = Shop(build(settings, llm=script))
        yield running
        running.close()

    def token(self, shopper: str = "shopper-007", key: str = KEY, seconds: int = 60) -> str:
        return jwt.encode({"sub": shopper, "exp": datetime.now(UTC) + timedelta(seconds=seconds)}, key, "HS256")

    def test_a_token_says_who_calls(self, known: Shop) -> None:
        mine = {"Authorization": f"Bearer {self.token()}"}
        assert httpx.get(f"{known.url}/api/profile", headers=mine).json()["groups"]
        assert httpx.get(f"{known.url}/api/profile/export", headers=mine).json()["shopper"] == "shopper-007"

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"key": "another key of thirty-two bytes!!"}, "Signature verification failed"),
            ({"seconds": -10}, "expired"),
            ({"shopper": "web-abc"}, "names nobody"),
            ({"shopper": "x" * 101}, "names nobody"),
        ],
    )
    def test_other_tokens_do_not(self, known: Shop, given: dict[str, Any], told: str) -> None:
        bad = self.token(**given)
        answer = httpx.get(f"{known.url}/api/profile", headers={"Authorization": f"Bearer {bad}"})
        assert answer.status_code == 401
        assert told in answer.json()["detail"]
        assert known.visitor().post("/api/session", json={"token": bad}).status_code == 401

    def test_an_unsigned_token_is_none(self, known: Shop, shop: Shop) -> None:
        none = jwt.encode({"sub": "shopper-007", "exp": 2**33}, None, "none")
        assert httpx.get(f"{known.url}/api/profile", headers={"Authorization": f"Bearer {none}"}).status_code == 401
        assert shop.visitor().post("/api/session", json={"token": self.token()}).status_code == 401

    def test_signing_in_takes_the_conversation_along(self, known: Shop, script: ScriptedLLM) -> None:
        visitor = known.visitor()
        script.enqueue(SCARVES)
        visitor.post("/api/messages", json={"text": "scarf"})
        wait_for_answer(known, visitor)
        assert visitor.post("/api/session", json={"token": self.token()}).json() == {"changed": True}
        assert visitor.post("/api/session", json={"token": self.token()}).json() == {"changed": False}
        assert visitor.get("/api/messages").json()[0]["text"] == "scarf"
        assert visitor.get("/api/profile/export").json()["shopper"] == "shopper-007"

    def test_signing_out_leaves_nothing_in_the_browser(self, known: Shop) -> None:
        visitor = known.visitor()
        assert visitor.post("/api/session", json={"token": None}).json() == {"changed": False}
        visitor.post("/api/session", json={"token": self.token()})
        assert visitor.post("/api/session", json={"token": None}).json() == {"changed": True}
        assert visitor.get("/api/profile").json()["groups"] == []


def test_a_photo_is_shown_and_found(shop: Shop) -> None:
    visitor = shop.visitor()
    kept = visitor.post("/api/photos", content=photo_of(shop.parts, "sofa-01"))
    assert kept.status_code == 201
    sent = {**kept.json(), "client_message_id": "m1"}
    assert [visitor.post("/api/messages", json=sent).json()["seq"] for _ in range(2)] == [1, 1]
    answer = wait_for_answer(shop, visitor)
    assert answer.payload["picks"][0]["product"] == "sofa-01"
    said = visitor.get("/api/messages").json()
    assert [one["text"] for one in said if one["role"] == "shopper"] == [""]
    assert read_picture(visitor.get(said[0]["photo"]).content).width > 100


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"<svg/>", 415, "no JPEG, PNG or WebP"),
        (b"GIF89a" + b"0" * 100, 415, "no JPEG, PNG or WebP"),
        (b"", 415, "no JPEG, PNG or WebP"),
        (b"x" * (MOST_BYTES + 1), 413, "10 MB"),
    ],
    ids=["svg", "gif", "nothing", "too large"],
)
def test_what_is_no_photo_is_refused(shop: Shop, body: bytes, status: int, words: str) -> None:
    answer = shop.visitor().post("/api/photos", content=body)
    assert answer.status_code == status
    assert words in answer.json()["detail"]


def test_nobody_shows_a_photo_that_they_have_not(shop: Shop) -> None:
    mine, other = shop.visitor(), shop.visitor()
    kept = mine.post("/api/photos", content=photo_of(shop.parts, "sofa-01")).json()
    assert mine.get(f"/api/photos/{kept['photo']}").status_code == 200
    assert other.get(f"/api/photos/{kept['photo']}").status_code == 404
    assert other.post("/api/messages", json=kept).status_code == 404
    assert own_events(shop, other) == []


class Listener:
    """Hears the same whatever is said, and remembers the language that it was told to expect."""

    name = "listener"

    def __init__(self) -> None:
        self.expected: list[Language | None] = []

    def hear(self, recording: bytes, expected: Language | None = None) -> SpokenWords:
        self.expected.append(expected)
        if not recording.startswith(b"RIFF"):
            raise SpeechError("this is no recording")
        return SpokenWords("red shoes", "en")


class TestSpeech:
    @pytest.fixture
    def listening(self, script: ScriptedLLM, data_dir: Path) -> Iterator[Shop]:
        parts = build(Settings(data_dir=data_dir, explain=False), llm=script)
        running = Shop(replace(parts, speech=Listener()))
        yield running
        running.close()

    def test_words_come_back_and_nothing_is_said_with_them(self, listening: Shop) -> None:
        visitor = listening.visitor()
        visitor.cookies.set(LANGUAGE_COOKIE, "zh")
        answer = visitor.post("/api/speech", content=b"RIFF....")
        assert answer.json() == {"text": "red shoes", "language": "en"}
        assert listening.parts.speech.expected == ["zh"]  # type: ignore[union-attr]
        assert own_events(listening, visitor) == []

    def test_what_is_no_recording_is_refused(self, listening: Shop) -> None:
        visitor = listening.visitor()
        assert visitor.post("/api/speech", content=b"<svg/>").status_code == 415
        assert visitor.post("/api/speech", content=bytes(MOST_RECORDED + 1)).status_code == 413
        assert httpx.post(f"{listening.url}/api/speech", content=b"RIFF").status_code == 401

    def test_a_shop_that_wants_none_says_so(self, script: ScriptedLLM, data_dir: Path) -> None:
        silent = Shop(build(Settings(data_dir=data_dir, explain=False, speech_model="none"), llm=script))
        answer = silent.visitor().post("/api/speech", content=b"RIFF")
        assert (answer.status_code, "does not take spoken" in answer.json()["detail"]) == (501, True)
        silent.close()
