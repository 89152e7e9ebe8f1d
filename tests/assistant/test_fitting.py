"""Advice on sizes, from charts, facts, history and other buyers, in a real database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assistant.fitting import Fitted, FittingRoom, size_line, size_on_card
from assistant.types import Fact
from catalog.fit import FitStore
from catalog.store import ProductStore
from catalog.types import ChartSize, Interaction, Product, Review
from tests.assistant.test_sizing import CHART
from tests.toy_shop import chinese, product

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SIZES = ("S", "M", "L", "XL")
TIGHT = tuple(Review(f"buyer {n}", 3, "The shoulders are too tight.") for n in range(6))
SHIRT = chinese(product("shirt", "Linen shirt", "199", "Tops", sizes=SIZES, brand="Lune"), "亚麻衬衫", "上装")
NARROW = replace(product("narrow", "Narrow shirt", "199", "Tops", sizes=SIZES), reviews=TIGHT)
SCARF = product("scarf", "Scarf", "59", "scarf")
BODY = {"height_cm": Fact(164, "I am 164"), "weight_kg": Fact(54, "and 54 kilos")}


@pytest.fixture
def room(store: ProductStore) -> FittingRoom:
    other = product("other", "Cotton shirt", "99", "Tops", sizes=SIZES)
    store.upsert([SHIRT, NARROW, SCARF, other])
    fits = FitStore(store.engine)
    fits.set_charts([replace(line, category="Tops") for line in CHART])
    return FittingRoom(fits, store)


def bought(store: ProductStore, product: str, size: str, days: int, came_back: float | None = None) -> None:
    time = NOW + timedelta(days=days)
    store.interact(Interaction("ann", product, "purchase", time, size=size))
    if came_back is not None:
        store.interact(Interaction("ann", product, "return", time, came_back, size=size))


def one(room: FittingRoom, product: Product, facts: Any = BODY) -> Fitted:
    return room.fit([product], "ann", facts)[0]


def test_the_size_by_body_with_its_reason(room: FittingRoom) -> None:
    found = one(room, SHIRT)
    assert size_line(found, "en").startswith("Linen shirt: M or ") or "take M" in size_line(found, "en")
    assert "164 cm / 54 kg" in size_line(found, "en")
    assert size_line(found, "zh").startswith("亚麻衬衫：")
    assert "按164 cm" in size_line(found, "zh")


def test_buyers_who_find_it_narrow_make_it_a_size_more(room: FittingRoom) -> None:
    found = one(room, NARROW)
    assert found.advice.size == "l"
    assert "runs small according to 6 of 6 buyers (6 of the shoulders)" in size_line(found, "en")


def test_what_was_kept_makes_sure_and_is_told(room: FittingRoom, store: ProductStore) -> None:
    unsure = one(room, SHIRT).advice.confidence
    for n in range(6):
        bought(store, "other", "M", n)
    found = one(room, SHIRT)
    assert found.advice.confidence > unsure
    assert "you kept M 6×" in size_line(found, "en")


def test_what_came_back_too_small_speaks_for_more(room: FittingRoom, store: ProductStore) -> None:
    bought(store, "other", "M", 1, came_back=-1.0)
    bought(store, "other", "L", 2)
    found = one(room, SHIRT, {})
    assert found.advice.size == "l"
    assert "M was too small for you before" in size_line(found, "en")


def test_forgotten_sizes_are_not_used(room: FittingRoom, store: ProductStore) -> None:
    bought(store, "other", "L", 1)
    store.forget("ann", "size:Tops")
    assert not one(room, SHIRT, {}).own
    assert "cannot tell your size yet" in size_line(one(room, SHIRT, {}), "en")


def test_nothing_known_asks_for_what_would_help(room: FittingRoom) -> None:
    found = one(room, SHIRT, {})
    assert "height and weight" in size_line(found, "en")
    assert "身高体重" in size_line(found, "zh")
    assert size_on_card(found, "en") == ""


def test_a_body_beyond_the_chart_is_told_so(room: FittingRoom) -> None:
    facts = {"height_cm": Fact(195, ""), "weight_kg": Fact(120, "")}
    assert "cannot tell your size surely enough (for 195 cm / 120 kg)" in size_line(one(room, SHIRT, facts), "en")


def test_goods_of_one_size_are_left_alone(room: FittingRoom) -> None:
    assert size_on_card(one(room, SCARF), "en") == ""
    assert size_line(one(room, SCARF), "en") == "Scarf comes in one size."


def test_a_size_that_is_sold_out_is_said_to_be(room: FittingRoom) -> None:
    gone = replace(NARROW, variants=tuple(replace(v, stock=0) if v.size == "L" else v for v in NARROW.variants))
    assert "L is sold out" in size_on_card(one(room, gone), "en")


def test_shoes_go_by_the_shoe_size_that_was_said(room: FittingRoom, store: ProductStore) -> None:
    shoes = product("run", "Running shoes", "299", "Shoes", sizes=("40", "41", "42"))
    store.upsert([shoes])
    found = one(room, shoes, {"shoe_size": Fact(41.0, "I take 41"), **BODY})
    assert found.advice.size == "41"
    assert found.body == ()
    assert size_line(found, "en") == "Running shoes: most likely 41, but I am not sure (you said 41)."
    assert size_on_card(found, "en") == ""


def test_a_chart_without_a_products_sizes_is_not_its_chart(room: FittingRoom, store: ProductStore) -> None:
    FitStore(store.engine).set_charts([ChartSize("Tops", "36", "", (150, 160), (40, 50))])
    assert one(room, SHIRT).body == ()
