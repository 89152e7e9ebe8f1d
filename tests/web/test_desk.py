"""The desk over HTTP and in the browser."""

import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from assistant.labels import Labels
from assistant.staff import Role
from catalog.types import Opinion
from tests.fakes import ScriptedLLM, frame
from tests.web.conftest import Shop, photo_of
from web.desk import COOKIE
from web.identity import Identity

PASSWORD = "correct horse battery"
ANGRY = frame("order", mood=-2)
BRIEF = "想要：投诉，跑鞋坏了\n限制：无\n态度：非常不满\n心情：生气\n待办：处理投诉"


class Agent:
    """A signed-in member of staff."""

    def __init__(self, shop: Shop, name: str = "Lin") -> None:
        if name not in {s.name for s in shop.parts.staff.all()}:
            shop.parts.staff.add(name, PASSWORD)
        self.client = httpx.Client(base_url=shop.url, timeout=30)
        told = self.client.post("/desk/sign-in", json={"name": name, "password": PASSWORD})
        assert told.status_code == 200
        self.csrf = {"X-CSRF-Token": told.json()["csrf"]}

    def post(self, path: str, body: Any = None) -> httpx.Response:
        return self.client.post(f"/desk{path}", json=body or {}, headers=self.csrf)

    def get(self, path: str) -> Any:
        return self.client.get(f"/desk{path}").json()


def handed_off(shop: Shop, script: ScriptedLLM, text: str = "a human please") -> str:
    visitor = shop.visitor()
    before = set(shop.parts.conversations.waiting())
    script.enqueue(frame("human"))
    visitor.post("/api/messages", json={"text": text})
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if new := set(shop.parts.conversations.waiting()) - before:
            return new.pop()
        time.sleep(0.05)
    raise AssertionError("nobody was handed off")


def signed_in(chromium: Any, shop: Shop, name: str = "Lin", role: Role = "agent") -> Any:
    """The desk's page of a new member of staff."""
    shop.parts.staff.add(name, PASSWORD, role)
    page = chromium.new_context(locale="en-GB").new_page()
    page.goto(f"{shop.url}/desk")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    return page


def paths(shop: Shop) -> list[tuple[str, str]]:
    """(method, path) of everything below /desk that is not the way in."""
    schema = httpx.get(f"{shop.url}/openapi.json").json()["paths"]
    public = {"/desk", "/desk/assets/{name}", "/desk/sign-in"}
    return [(m, p) for p, methods in schema.items() if p.startswith("/desk") and p not in public for m in methods]


def test_nothing_of_the_desk_answers_without_signing_in(shop: Shop, script: ScriptedLLM) -> None:
    conversation = handed_off(shop, script)
    assert len(paths(shop)) >= 12
    for client in (httpx.Client(base_url=shop.url), shop.visitor(), forged(shop)):
        for method, path in paths(shop):
            path = path.format(conversation=conversation, action="claim", name="a photo", seq=1)
            told = client.request(method, path, json={"text": "x", "to": "x"} if method == "post" else None)
            assert told.status_code == 401, (method, path)
            assert "human" not in told.text
    assert [e.kind for e in shop.parts.conversations.events(conversation)][-1] == "handoff"


def forged(shop: Shop) -> httpx.Client:
    return httpx.Client(base_url=shop.url, cookies={COOKIE: "made up"})


def test_every_change_needs_the_sessions_own_token(shop: Shop, script: ScriptedLLM) -> None:
    conversation = handed_off(shop, script)
    lin, wei = Agent(shop), Agent(shop, "Wei")
    for headers in ({}, {"X-CSRF-Token": "made up"}, wei.csrf):
        for method, path in paths(shop):
            if method == "post":
                path = path.format(conversation=conversation, action="claim", seq=1)
                body = {"text": "x", "to": "x"}
                assert lin.client.post(path, json=body, headers=headers).status_code == 403, path


def test_a_conversation_over_the_desk(shop: Shop, script: ScriptedLLM) -> None:
    conversation = handed_off(shop, script)
    lin, wei = Agent(shop), Agent(shop, "Wei")
    (row,) = lin.get("/queue")
    assert (row["holder"], row["reason"], row["unread"], row["last"]) == ("queue", "asked", 1, "a human please")
    own = f"/conversations/{conversation}"
    assert lin.post(f"{own}/claim").status_code == 204
    refused = wei.post(f"{own}/claim")
    assert (refused.status_code, refused.json()["detail"]) == (409, "Lin has this conversation already")
    assert wei.post(f"{own}/reply", {"text": "hi"}).status_code == 409
    assert lin.post(f"{own}/reply", {"text": "These?", "picks": ["scarf-01"]}).status_code == 204
    assert lin.post(f"{own}/reply", {"text": "", "picks": []}).status_code == 409
    assert lin.post(f"{own}/reply", {"text": "x", "picks": ["nowhere"]}).json()["detail"] == "no product 'nowhere'"
    assert wei.post(f"{own}/note", {"text": "regular"}).status_code == 204
    assert lin.post(f"{own}/tag", {"text": "vip"}).status_code == 204
    told = lin.get(own)
    assert (told["holder"], told["staff"], told["tags"]) == ("staff", "Lin", ["vip"])
    kinds = [e["kind"] for e in told["events"]]
    assert kinds == ["message", "answer", "handoff", "claimed", "staff", "note", "tag"]
    assert told["events"][4]["picks"][0]["price"].startswith("¥")
    assert lin.post(f"{own}/transfer", {"to": "nobody"}).status_code == 422
    assert lin.post(f"{own}/transfer", {"to": "Wei"}).status_code == 204
    assert wei.post(f"{own}/resolve").status_code == 204
    assert lin.get("/queue") == []
    assert lin.client.get("/desk/conversations/nowhere").status_code == 404
    actions = [(who, what) for who, what, _, _ in shop.parts.staff.audited()]
    assert ("Lin", "claim") in actions
    assert ("Wei", "resolve") in actions


def test_who_writes_and_who_is_there_is_seen(shop: Shop, script: ScriptedLLM) -> None:
    conversation = handed_off(shop, script)
    agent, other = Agent(shop), Agent(shop, "Wei")
    assert agent.get(f"/conversations/{conversation}")["present"] is False
    agent.post(f"/conversations/{conversation}/claim")
    cookie = Identity((shop.parts.settings.data_dir / "secret_key").read_text()).cookie(
        shop.parts.conversations.shopper_of(conversation)
    )
    with httpx.stream("GET", f"{shop.url}/api/messages/stream", cookies={"daogou_shopper": cookie}) as stream:
        lines = stream.iter_lines()
        next(lines)
        time.sleep(0.4)
        assert agent.get(f"/conversations/{conversation}")["present"] is True
        other.post(f"/conversations/{conversation}/typing")
        agent.post(f"/conversations/{conversation}/typing")
        assert any('"typing":"Lin"' in line for line in lines)
        agent.post(f"/conversations/{conversation}/reply", {"text": "Hello."})
        time.sleep(0.4)
        cookies = {"daogou_shopper": cookie}
        with httpx.stream("GET", f"{shop.url}/transcript", cookies=cookies) as page:
            shown = next(line for line in page.iter_lines() if line.startswith("data:"))
    assert "Lin: Hello." in shown
    assert "typing" not in shown
    assert [e.kind for e in shop.parts.conversations.events(conversation)][-1] == "staff"


def test_the_latest_orders_stand_beside_the_conversation(shop: Shop) -> None:
    own = shop.parts.conversations.begin("shopper-007")
    shop.parts.conversations.append(own, "handoff", {"reason": "asked"})
    orders = Agent(shop).get(f"/conversations/{own}")["orders"]
    assert 0 < len(orders) <= 5
    assert orders[0]["why"] >= orders[-1]["why"]  # dates, the latest first


def test_the_cart_tells_how_many_there_are_of_each(shop: Shop, script: ScriptedLLM) -> None:
    conversation = handed_off(shop, script)
    for product, quantity in (("scarf-01", 1), ("scarf-02", 3)):
        shop.parts.conversations.append(conversation, "cart", {"product": product, "quantity": quantity})
    cart = Agent(shop).get(f"/conversations/{conversation}")["cart"]
    assert [(card["id"], card["why"]) for card in cart] == [("scarf-01", ""), ("scarf-02", "× 3")]


def test_a_suggestion_stores_nothing(shop: Shop, script: ScriptedLLM) -> None:
    conversation = handed_off(shop, script)
    lin = Agent(shop)
    script.enqueue(frame("find", slots={"category": ["scarf"]}))
    before = shop.parts.conversations.last_seq(conversation)
    draft = lin.get(f"/conversations/{conversation}/suggestion")
    assert len(draft["picks"]) == 3
    assert shop.parts.conversations.last_seq(conversation) == before


RED_SCARF = frame("find", slots={"category": ["scarf"], "color": ["red"]})


def asked_for_a_red_scarf(shop: Shop, script: ScriptedLLM) -> tuple[str, int]:
    """A conversation that then goes to a person, and the number of the message."""
    conversation = shop.parts.conversations.begin("web-red")
    script.enqueue(RED_SCARF)
    heard = shop.parts.assistant.hear(conversation, "a red scarf")
    list(shop.parts.assistant.answer(conversation))
    shop.parts.assistant.call_person(conversation, "en")
    return conversation, heard.seq


def test_staff_see_what_a_frame_hangs_on(shop: Shop, script: ScriptedLLM) -> None:
    conversation, seq = asked_for_a_red_scarf(shop, script)
    script.enqueue(RED_SCARF)
    agent = Agent(shop)
    told = agent.get(f"/conversations/{conversation}/messages/{seq}/picture")
    assert told["words"] == ["a", "red", "scarf"]
    holds = {h["name"]: (h["value"], h["weights"]) for h in told["holds"]}
    assert holds["color"] == ("red", [0.0, 1.0, 0.0])
    assert holds["category"] == ("scarf", [0.0, 0.0, 1.0])
    assert len(told["picks"]) == 3
    assert all(pick["parts"] for pick in told["picks"])
    missing = agent.client.get(f"/desk/conversations/{conversation}/messages/999/picture")
    assert (missing.status_code, missing.json()["detail"]) == (409, "there is no message 999")


@pytest.mark.browser
def test_staff_put_a_frame_right(chromium: Any, shop: Shop, script: ScriptedLLM, tmp_path: Path) -> None:
    asked_for_a_red_scarf(shop, script)
    script.enqueue(frame("find", slots={"category": ["scarf"]}))  # it missed the colour
    page = signed_in(chromium, shop)
    page.get_by_role("button", name="Frames").click()
    page.get_by_role("button", name="Put right: a red scarf").click()
    page.get_by_role("button", name="Add").click()
    row = page.locator("#figures .field").nth(1)
    row.get_by_label("slots").select_option("color")
    row.locator("input").fill("blue")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("slots/color/0").wait_for()
    page.screenshot(path=tmp_path / "label.png")
    row.locator("input").fill("red")
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector("#figures .label", state="detached")
    (label,) = Labels(shop.parts.conversations).all()
    assert label.frame["slots"] == {"category": ["scarf"], "color": ["red"]}


@pytest.mark.browser
def test_the_picture_is_drawn(chromium: Any, shop: Shop, script: ScriptedLLM, tmp_path: Path) -> None:
    asked_for_a_red_scarf(shop, script)
    script.enqueue(RED_SCARF)
    page = signed_in(chromium, shop)
    page.click("#queue button")
    page.click("#transcript .why")
    page.wait_for_selector("#picture span")
    darkest = "[...document.querySelectorAll('#picture p')].find(p => p.innerText.startsWith('color')).querySelectorAll('span')[1]"
    assert page.evaluate(f"getComputedStyle({darkest}).backgroundColor") == "rgba(37, 99, 235, 0.65)"
    assert page.locator("#picture table").count() == 3
    page.screenshot(path=tmp_path / "picture.png")


def test_figures_are_for_leads(shop: Shop, script: ScriptedLLM) -> None:
    handed_off(shop, script)
    assert Agent(shop).client.get("/desk/figures").status_code == 403
    shop.parts.staff.add("Boss", PASSWORD, "lead")
    told = Agent(shop, "Boss").get("/figures")
    assert (told["conversations"], told["by_bot"], told["reasons"]) == (1, 0, {"asked": 1})


VOICES = {
    "sofa-01": [Opinion("comfort", 18, 2), Opinion("delivery", 3, 9)],
    "mug-02": [Opinion("quality", 1, 6), Opinion("appearance", 7, 0)],
}


def test_reviews_are_for_leads(shop: Shop) -> None:
    shop.parts.products.set_opinions(VOICES)
    assert Agent(shop).client.get("/desk/reviews").status_code == 403
    shop.parts.staff.add("Boss", PASSWORD, "lead")
    told = Agent(shop, "Boss").get("/reviews?language=zh")
    assert told["reviews"] == sum(told["ratings"].values()) > 0
    assert told["aspects"] == {"舒适": [18, 2], "物流": [3, 9], "质量": [1, 6], "外观": [7, 0]}
    assert [(row["product"]["id"], row["aspect"]) for row in told["blamed"]] == [
        ("mug-02", "质量"),
        ("sofa-01", "物流"),
    ]


@pytest.mark.browser
def test_the_owner_looks_at_reviews(chromium: Any, shop: Shop, tmp_path: Path) -> None:
    shop.parts.products.set_opinions(VOICES)
    page = signed_in(chromium, shop, "Boss", "lead")
    page.get_by_role("button", name="Reviews").click()
    page.wait_for_selector("#figures .voices .good")
    page.screenshot(path=tmp_path / "reviews.png", full_page=True)
    words = page.locator("#figures").inner_text()
    assert "What buyers speak of" in words
    assert not re.search(r"undefined|NaN|\[object", words)


def test_products_can_be_searched(shop: Shop) -> None:
    found = Agent(shop).get("/products?text=scarf")
    assert any("scarf" in p["title"] for p in found)


def test_signing_out_ends_the_session(shop: Shop) -> None:
    lin = Agent(shop)
    assert lin.get("/me")["name"] == "Lin"
    assert lin.post("/sign-out").status_code == 204
    assert lin.client.get("/desk/me").status_code == 401
    assert httpx.post(f"{shop.url}/desk/sign-in", json={"name": "Lin", "password": "wrong"}).status_code == 401


def test_the_page_cannot_be_framed(shop: Shop) -> None:
    page = httpx.get(f"{shop.url}/desk")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert httpx.get(f"{shop.url}/desk/assets/desk.js").status_code == 200
    assert httpx.get(f"{shop.url}/desk/assets/desk.py").status_code == 404


@pytest.mark.browser
def test_from_anger_to_five_stars(chromium: Any, talking_shop: Shop, script: ScriptedLLM, tmp_path: Path) -> None:
    """Two windows, from a complaint to a rating; `--basetemp DIR` keeps a picture of each stage."""

    def picture(stage: str) -> None:
        shopper.screenshot(path=tmp_path / f"{stage}-shopper.png")
        desk.screenshot(path=tmp_path / f"{stage}-desk.png")

    shop = talking_shop
    shop.parts.staff.add("Lin", PASSWORD)
    shopper = chromium.new_context(locale="zh-CN").new_page()
    desk = chromium.new_context(locale="en-GB").new_page()
    desk.goto(f"{shop.url}/desk")
    desk.get_by_label("Name").fill("Lin")
    desk.get_by_label("Password").fill(PASSWORD)
    desk.get_by_role("button", name="Sign in").click()
    desk.wait_for_selector("#empty:not([hidden])")

    shopper.goto(shop.url)
    shopper.wait_for_selector("#dg-message textarea")
    script.enqueue(ANGRY, BRIEF)
    shopper.locator("#dg-message textarea").fill("买的跑鞋第一天就坏了，我要投诉！")
    shopper.locator("#dg-send").click()
    shopper.wait_for_function("document.body.innerText.includes('已为您转接人工客服')")
    desk.wait_for_selector("#queue button:has-text('投诉')")
    assert desk.title().startswith("(1)")
    desk.locator("#queue button").first.click()
    desk.wait_for_selector("#transcript li:has-text('跑鞋坏了')")
    picture("1-waiting")
    desk.get_by_role("button", name="Claim").click()
    shopper.wait_for_function("document.body.innerText.includes('Lin已接入')")
    desk.get_by_label("Products").fill("跑鞋")
    desk.get_by_role("button", name="Search").click()
    desk.locator("#found button").first.click()
    desk.locator("#reply textarea").fill("非常抱歉，给您换这双好吗？")
    desk.locator("#reply [type=submit]").click()
    shopper.wait_for_function("document.body.innerText.includes('给您换这双好吗')")
    shopper.wait_for_selector(".dg-card")
    sent = shopper.locator(".dg-card").first.get_attribute("data-product")
    picture("2-answered")
    desk.get_by_role("button", name="Back to the bot").click()
    shopper.wait_for_function("document.body.innerText.includes('导购助手继续为您服务')")
    script.enqueue(frame("cart", items=[1]))
    shopper.locator("#dg-message textarea").fill("第一个加购物车")
    shopper.locator("#dg-send").click()
    shopper.wait_for_function("document.body.innerText.includes('已加入购物车')")
    picture("3-bot-again")
    conversation = shop.parts.conversations.all()[-1][0]
    shopper_id = shop.parts.conversations.shopper_of(conversation)
    assert shop.parts.products.history(shopper_id)[0].product == sent  # the bot knows what staff sent
    script.enqueue(frame("human"))
    shopper.locator("#dg-message textarea").fill("再找一下人工")
    shopper.locator("#dg-send").click()
    desk.get_by_role("button", name="Claim").click()
    desk.get_by_role("button", name="Resolve").click()
    shopper.wait_for_selector(".dg-star")
    picture("4-closed")
    shopper.locator(".dg-star").nth(4).click()
    shopper.wait_for_function("!document.querySelector('.dg-star')")
    assert shop.parts.conversations.events(conversation)[-1].payload == {"score": 5}


@pytest.mark.browser
def test_the_desk_is_accessible(chromium: Any, shop: Shop, script: ScriptedLLM) -> None:
    from axe_playwright_python.sync_playwright import Axe

    handed_off(shop, script)
    page = signed_in(chromium, shop)
    page.locator("#queue button").first.click()
    page.wait_for_selector("#transcript li")
    violations = Axe().run(page).response["violations"]
    serious = [(v["id"], v["nodes"][0]["html"][:200]) for v in violations if v["impact"] in ("serious", "critical")]
    assert serious == []
    assert not re.search(r"undefined|\[object", page.locator("body").inner_text())


def test_staff_see_the_photo_that_was_shown(shop: Shop, script: ScriptedLLM) -> None:
    conversation = handed_off(shop, script)
    name = shop.parts.photos.keep(conversation, photo_of(shop.parts, "sofa-01"))
    shop.parts.assistant.hear(conversation, "", photo=name)
    other = handed_off(shop, script)
    desk = Agent(shop)
    shown = desk.get(f"/conversations/{conversation}")["events"][-1]
    assert (shown["text"], shown["photo"]) == ("", name)
    picture = desk.client.get(f"/desk/conversations/{conversation}/photos/{name}")
    assert picture.headers["content-type"] == "image/jpeg"
    assert desk.client.get(f"/desk/conversations/{other}/photos/{name}").status_code == 404
    assert "（照片）" in [row["last"] for row in desk.get("/queue")]
