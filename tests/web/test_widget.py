"""The widget in Chromium."""

import io
import re
import wave
from base64 import b64encode
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assistant.build import build
from assistant.evaluation.speech import speak
from assistant.settings import Settings
from tests.fakes import ScriptedLLM, frame
from tests.web.conftest import Shop, photo_of

pytestmark = pytest.mark.browser


@pytest.fixture
def page(chromium: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    options = getattr(request, "param", {"locale": "en-US"})
    context = chromium.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(45_000)
    page.on("console", lambda line: print("console:", line.text))  # shown where a test fails, as what follows
    page.on("requestfailed", lambda request: print("failed:", request.url, request.failure))
    yield page
    print(page.locator("body").inner_text(), repr(page.locator("#dg-message textarea").input_value(timeout=1_000)))
    context.close()


def open_shop(page: Any, shop: Shop) -> set[str]:
    """Open the page; returns the hosts that it asks, which fills as it goes on."""
    hosts: set[str] = set()
    page.on("request", lambda r: hosts.add(r.url.split("/")[2]) if "://" in r.url else None)
    page.goto(shop.url)
    page.wait_for_selector("#dg-message textarea")
    return hosts


def say(page: Any, text: str) -> None:
    page.fill("#dg-message textarea", text)
    page.press("#dg-message textarea", "Enter")


def prices_are_the_records(page: Any, shop: Shop) -> None:
    cards = page.locator(".dg-card").all()
    assert cards
    for card in cards:
        product = shop.parts.products.get(card.get_attribute("data-product"))
        shown = Decimal(re.sub(r"[^\d.]", "", card.locator(".dg-price").inner_text()))
        assert product is not None
        assert shown == product.price


@pytest.mark.parametrize(
    ("page", "first", "refinement", "frames", "words"),
    [
        (
            {"locale": "en-US"}, "a scarf please", "under 200", [frame("find", slots={"category": ["scarf"]}), frame("refine", slots={"price_max": "200"})],
            ("Here is what fits:", "Add to cart"),
        ),
        (
            {"locale": "zh-CN"}, "想买条围巾", "200以内", [frame("find", slots={"category": ["围巾"]}), frame("refine", slots={"price_max": "200"})],
            ("为您找到这些：", "加入购物车"),
        ),
    ],
    indirect=["page"],
)  # fmt: skip
def test_a_conversation_with_a_refinement(
    page: Any, shop: Shop, script: ScriptedLLM, first: str, refinement: str, frames: list[Any], words: tuple[str, str]
) -> None:
    script.enqueue(*frames)
    hosts = open_shop(page, shop)
    say(page, first)
    page.wait_for_selector(".dg-card")
    page.wait_for_selector(".dg-quicks")
    say(page, refinement)
    page.wait_for_function("document.querySelectorAll('.dg-cards').length == 2")
    page.wait_for_selector(".dg-quicks")
    prices_are_the_records(page, shop)
    last = page.locator(".dg-cards").last
    assert all(float(re.sub(r"[^\d.]", "", p)) <= 200 for p in last.locator(".dg-price").all_inner_texts())
    body = page.locator("body").inner_text()
    assert all(word in body for word in words)
    assert hosts == {shop.url.removeprefix("http://")}
    assert page.locator(".dg-card img").first.evaluate("i => i.naturalWidth") > 0


def test_clicking_and_reloading(page: Any, shop: Shop, script: ScriptedLLM) -> None:
    script.enqueue(frame("find", slots={"category": ["sofa"]}))
    open_shop(page, shop)
    say(page, "a sofa")
    page.locator(".dg-cart").first.click()
    page.wait_for_selector('.dg-cart[aria-pressed="true"]')
    page.locator('.dg-quick:has-text("Show me more")').click()
    page.wait_for_function("document.querySelectorAll('.dg-card').length == 6")
    page.reload()
    page.wait_for_function("document.querySelectorAll('.dg-card').length == 6")
    assert page.locator('.dg-cart[aria-pressed="true"]').count() == 1
    assert "a sofa" in page.locator("body").inner_text()


def test_the_conversation_survives_a_restart(page: Any, data_dir: Path) -> None:
    settings = Settings(data_dir=data_dir, explain=False)
    first = Shop(build(settings, llm=ScriptedLLM(frame("find", slots={"category": ["desk"]}))))
    open_shop(page, first)
    say(page, "a desk")
    page.wait_for_selector(".dg-quicks")
    first.close()
    second = Shop(build(settings, llm=ScriptedLLM()))
    open_shop(page, second)
    page.wait_for_selector(".dg-card")
    second.close()


def test_shoppers_do_not_see_each_other(page: Any, chromium: Any, shop: Shop, script: ScriptedLLM) -> None:
    script.enqueue(frame("find", slots={"category": ["lamp"]}))
    open_shop(page, shop)
    say(page, "my very own lamp")
    page.wait_for_selector(".dg-card")
    other = chromium.new_context().new_page()
    open_shop(other, shop)
    other.wait_for_timeout(1_500)
    assert "my very own lamp" not in other.locator("body").inner_text()
    assert other.locator(".dg-card").count() == 0


def test_what_a_shopper_writes_is_text(page: Any, shop: Shop, script: ScriptedLLM) -> None:
    script.enqueue(frame("chitchat"))
    open_shop(page, shop)
    say(page, "<img src=x onerror=\"document.title='hacked'\"><b>bold</b>")
    page.wait_for_selector(".dg-shopper")
    assert page.locator(".dg-shopper").inner_text().endswith("<b>bold</b>")
    assert page.locator(".dg-shopper b, .dg-shopper img").count() == 0


def test_a_message_goes_out_once_though_the_line_is_bad(page: Any, shop: Shop, script: ScriptedLLM) -> None:
    script.enqueue(frame("chitchat"))
    open_shop(page, shop)
    tries: list[str] = []

    def bad_line(route: Any) -> None:
        tries.append(route.request.post_data_json["client_message_id"])
        if len(tries) == 1:
            route.abort()  # never arrived
        elif len(tries) == 2:
            route.fetch()  # arrived, but the answer is lost
            route.abort()
        else:
            route.continue_()

    page.route("**/api/messages", bad_line)
    say(page, "hello there")
    page.wait_for_selector(".dg-bot:has-text('Hello')")
    page.wait_for_function("document.querySelector('#dg-message textarea').value === ''")
    assert len(tries) == 3
    assert page.locator(".dg-shopper").count() == 1


def test_a_message_that_does_not_go_out_stays_in_the_box(page: Any, shop: Shop) -> None:
    open_shop(page, shop)
    page.route("**/api/messages", lambda route: route.abort())
    say(page, "hello there")
    page.wait_for_selector("#dg-status.dg-wrong:has-text('did not go out')")
    assert page.input_value("#dg-message textarea") == "hello there"
    assert page.locator(".dg-shopper").count() == 0


def test_what_went_wrong_is_told_in_the_language_that_the_page_has_come_to(page: Any, shop: Shop) -> None:
    held: list[Any] = []
    page.route("**/gradio_api/run/**", lambda route: held.append(route))
    open_shop(page, shop)
    page.route("**/api/messages", lambda route: route.abort())
    say(page, "hello there")
    page.wait_for_timeout(1_000)
    assert held
    for route in held:
        route.continue_()
    page.wait_for_selector("#dg-status.dg-wrong:has-text('did not go out')")


def test_what_is_told_before_the_page_has_come_to_its_language_stays(page: Any, shop: Shop) -> None:
    held: list[Any] = []
    page.route("**/gradio_api/run/**", lambda route: held.append(route))
    open_shop(page, shop)
    page.evaluate("daogou.tell('no JPEG')")
    page.wait_for_timeout(1_000)
    for route in held:
        route.continue_()
    page.wait_for_selector("#dg-send:has-text('Send')")
    assert page.inner_text("#dg-status") == "no JPEG"


def test_the_page_goes_on_when_the_server_comes_back(page: Any, shop: Shop, script: ScriptedLLM) -> None:
    script.enqueue(frame("chitchat"))
    open_shop(page, shop)
    page.route("**/transcript", lambda route: route.fulfill(status=503))
    page.reload()
    page.wait_for_selector("#dg-message textarea")
    page.unroute("**/transcript")
    say(page, "hello there")
    page.wait_for_selector(".dg-bot:has-text('Hello')")


def test_what_was_opened_stays_open_and_the_keyboard_stays_where_it_is(
    page: Any, shop: Shop, script: ScriptedLLM
) -> None:
    script.enqueue(frame("find", slots={"category": ["scarf"]}))
    open_shop(page, shop)
    say(page, "a scarf")
    page.wait_for_selector(".dg-quicks")
    page.locator(".dg-parts summary").first.click()
    page.locator(".dg-cart").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector('.dg-cart[aria-pressed="true"]:has-text("In cart")')
    assert page.locator(".dg-parts").first.evaluate("one => one.open")
    assert page.evaluate("document.activeElement.classList.contains('dg-cart')")


@pytest.mark.parametrize(
    ("page", "begins"),
    [({"locale": "en-US"}, "Where is my order?"), ({"locale": "zh-CN"}, "我的订单到哪了？")],
    indirect=["page"],
)
def test_an_empty_conversation_says_how_to_begin(page: Any, shop: Shop, script: ScriptedLLM, begins: str) -> None:
    script.enqueue(frame("order"))
    open_shop(page, shop)
    page.locator("#dg-hello").get_by_text(begins).click()
    page.wait_for_selector(f'.dg-shopper:has-text("{begins}")')
    assert not page.locator("#dg-hello").is_visible()


@pytest.mark.parametrize(
    "page",
    [{"locale": "zh-CN", "viewport": {"width": 360, "height": height}} for height in (740, 520)],
    indirect=True,
)
def test_a_narrow_screen(page: Any, shop: Shop, script: ScriptedLLM) -> None:
    script.enqueue(frame("find", slots={"category": ["跑鞋"]}))
    open_shop(page, shop)
    say(page, "跑鞋")
    page.wait_for_selector(".dg-card")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for selector in (".dg-cart", "#dg-send"):
        box = page.locator(selector).first.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
    for selector in ("#dg-message", "#dg-send", ".dg-person"):  # in sight without scrolling
        assert page.locator(selector).evaluate("one => one.getBoundingClientRect().bottom <= innerHeight")
        assert page.locator(selector).evaluate("one => one.getBoundingClientRect().top >= 0")


def test_the_language_can_be_switched(page: Any, shop: Shop) -> None:
    open_shop(page, shop)
    page.wait_for_selector('#dg-message textarea[placeholder^="What"]')
    page.get_by_label("中文").check()
    page.wait_for_selector('#dg-message textarea[placeholder^="想买"]')
    page.reload()
    page.wait_for_selector('#dg-message textarea[placeholder^="想买"]')


@pytest.mark.parametrize("page", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True)
def test_accessibility(page: Any, shop: Shop, script: ScriptedLLM) -> None:
    from axe_playwright_python.sync_playwright import Axe

    script.enqueue(frame("find", slots={"category": ["mug"]}))
    open_shop(page, shop)
    say(page, "a mug")
    page.wait_for_selector(".dg-quicks")
    page.wait_for_timeout(500)
    violations = Axe().run(page).response["violations"]
    serious = [(v["id"], v["nodes"][0]["html"][:200]) for v in violations if v["impact"] in ("serious", "critical")]
    assert serious == []


def test_the_keyboard_is_enough(page: Any, shop: Shop, script: ScriptedLLM) -> None:
    script.enqueue(frame("find", slots={"category": ["mug"]}))
    open_shop(page, shop)
    say(page, "a mug")
    page.wait_for_selector(".dg-quicks")
    for _ in range(40):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.classList.contains('dg-cart')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_selector('.dg-cart[aria-pressed="true"]')


def test_what_is_known_of_the_shopper_can_be_read_and_forgotten(page: Any, shop: Shop, script: ScriptedLLM) -> None:
    script.enqueue(frame("chitchat", profile={"shoe_size": "42"}))
    open_shop(page, shop)
    say(page, "my shoes are 42")
    page.wait_for_function("document.body.innerText.includes('Noted')")
    page.locator(".dg-known summary").click()
    page.wait_for_selector(".dg-known li")
    assert "shoe size: 42" in page.locator(".dg-known").inner_text()
    assert "my shoes are 42" in page.locator(".dg-known li small").inner_text()
    page.once("dialog", lambda dialog: dialog.accept("43"))
    page.locator(".dg-known [data-dg-correct]").click()
    page.wait_for_function("document.querySelector('.dg-known').innerText.includes('shoe size: 43')")
    page.locator(".dg-known [data-dg-forget='fact:shoe_size']").click()
    page.wait_for_function("!document.querySelector('.dg-known li')")


def test_the_answer_ends_with_a_question_and_its_answers_are_buttons(
    page: Any, shop: Shop, script: ScriptedLLM
) -> None:
    script.enqueue(frame("find", slots={"category": ["scarf"]}))
    open_shop(page, shop)
    say(page, "a scarf")
    page.wait_for_selector(".dg-quicks")
    before = page.locator(".dg-cards").count()
    page.locator(".dg-quick").first.click()  # needs no model
    page.wait_for_function(f"document.querySelectorAll('.dg-cards').length == {before + 1}")


PASTE = """async ([photo]) => {
  const file = new File([Uint8Array.from(atob(photo), (c) => c.charCodeAt(0))], "photo.jpg", { type: "image/jpeg" });
  const data = new DataTransfer();
  data.items.add(file);
  const box = document.querySelector("#dg-message textarea");
  box.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""


def test_a_photo_is_chosen_or_pasted_seen_and_sent(page: Any, shop: Shop, script: ScriptedLLM, tmp_path: Path) -> None:
    open_shop(page, shop)
    chosen = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": photo_of(shop.parts, "lamp-01")}
    with page.expect_file_chooser() as chooser:
        page.click("#dg-photo-button")
    chooser.value.set_files([chosen])
    page.wait_for_selector("#dg-attached:not([hidden])")
    page.click("#dg-attached button")
    page.wait_for_selector("#dg-attached", state="hidden")
    page.evaluate(PASTE, [b64encode(photo_of(shop.parts, "sofa-01")).decode()])
    page.wait_for_selector("#dg-attached:not([hidden])")
    page.screenshot(path=tmp_path / "attached.png")
    page.press("#dg-message textarea", "Enter")
    page.wait_for_selector(".dg-quicks")
    assert page.locator(".dg-card").first.get_attribute("data-product") == "sofa-01"
    page.wait_for_function("document.querySelector('.dg-photo').naturalWidth > 100")
    assert page.locator("#dg-attached").is_hidden()
    page.screenshot(path=tmp_path / "found.png", full_page=True)
    script.enqueue(frame("refine", slots={"price_max": "1000"}))
    say(page, "under 1000")
    page.wait_for_function("document.querySelectorAll('.dg-cards').length == 2")


def test_what_is_no_photo_is_told_and_not_sent(page: Any, shop: Shop) -> None:
    open_shop(page, shop)
    # The page speaks its reader's language: it is ready.
    page.wait_for_selector('#dg-photo-button[title="Show a photo"]')
    with page.expect_file_chooser() as chooser:
        page.click("#dg-photo-button")
    chooser.value.set_files([{"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": b"no photo"}])
    page.wait_for_function("document.getElementById('dg-status').textContent.includes('no JPEG')")
    assert page.locator("#dg-attached").is_hidden()


@pytest.mark.model
def after_silence(recording: bytes, seconds: int = 2) -> bytes:
    """The same as WAV, some time later: a busy machine begins to record late."""
    later = io.BytesIO()
    with wave.open(io.BytesIO(recording)) as spoken, wave.open(later, "wb") as written:
        written.setparams(spoken.getparams())
        written.writeframes(bytes(seconds * spoken.getframerate() * spoken.getsampwidth() * spoken.getnchannels()))
        written.writeframes(spoken.readframes(spoken.getnframes()))
    return later.getvalue()


def test_what_is_said_is_shown_before_it_is_sent(
    chromium: Any, shop: Shop, script: ScriptedLLM, tmp_path: Path
) -> None:
    said = tmp_path / "said.wav"
    said.write_bytes(after_silence(speak("I am looking for running shoes", "en")))
    microphone = chromium.browser_type.launch(
        executable_path="/usr/bin/chromium",
        args=["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
              f"--use-file-for-fake-audio-capture={said}%noloop"],
    )  # fmt: skip
    page = microphone.new_context(locale="en-GB").new_page()
    open_shop(page, shop)
    page.wait_for_selector('#dg-speech-button[title="Speak"]')
    page.click("#dg-speech-button")
    page.wait_for_selector('#dg-speech-button[aria-pressed="true"]')
    page.screenshot(path=tmp_path / "listening.png")
    assert page.locator("#dg-status.dg-wrong").count() == 0  # it listens
    page.wait_for_timeout(8_000)  # three seconds longer than what is said: a busy machine plays it late
    page.click("#dg-speech-button")
    page.wait_for_function(
        "document.querySelector('#dg-message textarea').value.includes('running shoes')", timeout=60_000
    )
    page.screenshot(path=tmp_path / "heard.png")
    script.enqueue(frame("find", slots={"category": ["running shoes"]}))
    page.click("#dg-send")
    page.wait_for_selector(".dg-card")
    assert "running shoes" in page.locator("#dg-transcript").inner_text()
    microphone.close()


def test_a_page_without_a_microphone_says_so(page: Any, shop: Shop) -> None:
    open_shop(page, shop)
    page.wait_for_selector('#dg-speech-button[title="Speak"]')
    page.click("#dg-speech-button")
    page.wait_for_function("document.getElementById('dg-status').textContent.includes('microphone')")
