"""What is known of how goods fit: words of reviews, what came back, and charts."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from catalog.fit import FitStore, asks_size, chart_of, fit_said, parts_said, return_value
from catalog.store import ProductStore
from catalog.types import ChartSize, Interaction, Review
from tests.toy_shop import product

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SHOES = product("trail", "Trail running shoes", "399", "running shoes", sizes=("41", "42"), brand="Velora")


@pytest.mark.parametrize(
    ("text", "fit"),
    [
        ("They run small, go up a size.", "small"),
        ("The shoulders are too tight.", "small"),
        ("偏小，建议买大一码。", "small"),
        ("肩膀有点紧", "small"),
        ("way too big on me", "large"),
        ("袖子太长了", "large"),
        ("True to size and soft", "right"),
        ("尺码标准，版型好看", "right"),
        ("not too tight, not too loose", None),
        ("不会太紧", None),
        ("too tight at the waist but too long", None),
        ("The colour faded.", None),
        ("size 42 arrived late", None),
    ],
)
def test_what_a_review_says_of_the_size(text: str, fit: str | None) -> None:
    assert fit_said(text) == fit


def test_the_part_that_a_review_speaks_of() -> None:
    assert parts_said("The shoulders are too tight, 腰也紧") == {"shoulders", "waist"}


@pytest.mark.parametrize(
    ("reason", "value"), [("too small", -1), ("太大", 1), ("Too_Large", 1), ("broken", 0), ("", 0)]
)
def test_why_something_came_back(reason: str, value: float) -> None:
    assert return_value(reason) == value


@pytest.mark.parametrize("text", ["what size should I take?", "does it run small?", "第二件穿什么码", "我穿多大的"])
def test_questions_about_sizes(text: str) -> None:
    assert asks_size(text)


def test_other_questions_are_not_about_sizes() -> None:
    assert not any(map(asks_size, ("is it waterproof?", "材质是什么", "benefits of wool")))


def test_the_chart_of_the_brand_and_the_narrowest_kind_holds() -> None:
    any_brand = [ChartSize("Clothing", "41"), ChartSize("running shoes", "42")]
    own = [ChartSize("Clothing", "43", "Velora"), ChartSize("Clothing", "44", "Other")]
    assert [line.size for line in chart_of(SHOES, any_brand)] == ["42"]
    assert [line.size for line in chart_of(SHOES, any_brand + own)] == ["43"]
    assert chart_of(product("bag", "Bag", "9", "bag"), [ChartSize("shoes", "42")]) == ()


def test_charts_replace_those_before(store: ProductStore) -> None:
    fits = FitStore(store.engine)
    fits.set_charts([ChartSize("Tops", "S")])
    lines = [ChartSize("Tops", "M", "Lune", (160, 168), (50, 58)), ChartSize("Tops", "L", height=(166, 174))]
    fits.set_charts(lines)
    assert fits.charts() == tuple(lines)


def test_what_came_back_is_not_kept_and_reviews_count(store: ProductStore) -> None:
    reviews = (Review("a", 2, "Too tight at the toes."), Review("b", 5, "True to size."), Review("c", 5, "Lovely."))
    store.upsert([replace(SHOES, reviews=reviews)])

    def did(shopper: str, kind: str, value: float = 1.0, size: str = "42") -> None:
        store.interact(Interaction(shopper, "trail", kind, NOW, value, size=size))  # type: ignore[arg-type]

    for shopper in ("ann", "bob", "cat", "dan"):
        did(shopper, "purchase")
    did("ann", "return", -1.0)
    did("bob", "return", 0.0)
    did("eve", "purchase", size="")
    heard = FitStore(store.engine).voices(["trail", "unknown"])
    assert heard["trail"].worn == {"right": 2, "small": 1}
    assert heard["trail"].told == {"small": 1, "right": 1}
    assert heard["trail"].parts == {"feet": 1}
    assert heard["trail"].count("small") == 2
    assert heard["unknown"].count("right") == 0
