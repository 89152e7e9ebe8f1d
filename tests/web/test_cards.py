from dataclasses import replace

from assistant.types import Pick, QuickReply
from catalog.types import ProductText
from tests.toy_shop import PRODUCTS
from web.cards import cards, quick_replies
from web.language import LANGUAGE_COOKIE, page_language

EVIL = '<img src=x onerror="alert(1)">'


def test_records_cannot_write_html() -> None:
    product = replace(
        PRODUCTS[0], external_id=EVIL, texts={"en": ProductText(EVIL)}, image=f'images/x.svg"onload="{EVIL}'
    )
    html = cards([Pick(product, EVIL)], "en", ()) + quick_replies([QuickReply(EVIL, {})])
    assert "<img src=x" not in html
    assert 'onerror="' not in html
    assert 'onload="' not in html


def test_pictures_of_other_hosts_are_not_asked_for() -> None:
    assert "http" not in cards([Pick(replace(PRODUCTS[0], image="https://cdn.example/x.jpg"), "")], "en", ())


def test_a_click_made_before_shows() -> None:
    html = cards([Pick(PRODUCTS[0], "")], "en", {("red-scarf", "cart")})
    assert 'aria-pressed="true">In cart' in html


def test_the_page_speaks_the_browsers_language() -> None:
    assert page_language({}, {"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}) == "zh"
    assert page_language({}, {"accept-language": "en-US,en;q=0.9"}) == "en"
    assert page_language({LANGUAGE_COOKIE: "zh"}, {"accept-language": "en-US"}) == "zh"
    assert page_language({LANGUAGE_COOKIE: "<script>"}, {}) == "en"


def test_the_parts_of_a_score_are_bars() -> None:
    html = cards([Pick(PRODUCTS[0], "", (("wishes", 1.0), ("price", -0.4)))], "en", ())
    assert html.count("<meter") == 2
    assert "− price" in html
    assert "<details" not in cards([Pick(PRODUCTS[0], "")], "en", ())


def test_the_title_leads_to_the_shops_own_page_and_nowhere_else() -> None:
    def title(url: str) -> str:
        return cards([Pick(replace(PRODUCTS[0], url=url), "")], "en", set())

    assert 'href="https://shop.example/a?b=1&amp;c=2"' in title("https://shop.example/a?b=1&c=2")
    assert 'data-dg-view="red-scarf"' in title("https://shop.example/")
    for url in ("", "javascript:alert(1)", "data:text/html,x"):
        assert "<a " not in title(url)
