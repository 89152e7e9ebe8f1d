"""Which question is asked next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.question import answers_about, information, next_question
from assistant.state import DialogueState
from assistant.types import Recommendation
from tests.toy_shop import PRODUCTS, product

SHOES = [product(f"shoe-{n}", f"Shoe {n}", str(100 + 10 * n), "shoe", brand=brand, color=color)
         for n, (brand, color) in enumerate([("Velora", "red"), ("Velora", "blue"), ("Velora", "green"),
                                             ("Runika", "black"), ("Velora", "white"), ("Velora", "grey")])]  # fmt: skip


def ranked(products: list) -> list[Recommendation]:  # type: ignore[type-arg]
    return [Recommendation(p, 0.0) for p in products]


def test_the_property_that_splits_best_is_asked_for() -> None:
    question = next_question(ranked(SHOES), DialogueState())
    assert question is not None
    assert question.slot == "color"
    assert question.text == "Which colour do you like?"
    assert [o.text for o in question.offers] == ["red", "blue", "green", "black"]
    assert question.offers[0].frame["slots"] == {"color": ["red"]}


def test_what_was_said_or_asked_before_is_not_asked_again() -> None:
    state = DialogueState(slots={"color": ("red",)}, asked=("price",))
    question = next_question(ranked(SHOES), state)
    assert question is not None
    assert question.slot == "brand"
    assert next_question(ranked(SHOES), DialogueState(exclude={"color": ("red",)}, asked=("price", "brand"))) is None


def test_prices_are_asked_for_in_bands() -> None:
    bands = answers_about("price", [product(f"p{n}", "Thing", str(n * 100), "thing") for n in range(1, 10)], "en")
    assert list(bands[0].items()) == [("under ¥400", {"price_max": "400"})]
    assert list(bands[4].items()) == [("¥400 to ¥700", {"price_min": "400", "price_max": "700"})]
    assert list(bands[8].items()) == [("¥700 and up", {"price_min": "700"})]


def test_nothing_to_choose_from_is_nothing_to_ask() -> None:
    assert next_question([], DialogueState()) is None
    assert next_question(ranked([PRODUCTS[0]]), DialogueState()) is None


@given(st.lists(st.lists(st.sampled_from("abcd"), unique=True, max_size=3), min_size=1, max_size=12))
def test_an_answer_tells_no_less_than_nothing_and_no_more_than_there_is_to_know(answers: list[list[str]]) -> None:
    chances = [1 / len(answers)] * len(answers)
    assert (
        -1e-9 <= information(answers, chances) <= information([[str(n)] for n in range(len(answers))], chances) + 1e-9
    )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_question_has_words(language: str) -> None:
    for slot in ("category", "price", "color", "brand", "material", "feature", "occasion", "style"):
        others = tuple(
            s for s in ("category", "price", "color", "brand", "material", "feature", "occasion", "style") if s != slot
        )
        things = [product(f"t{n}", f"T {n}", str(10 + 90 * n), f"kind {n}", brand=f"brand {n}", color=f"color {n}",
                          material=f"material {n}", feature=f"feature {n}", occasion=f"occasion {n}", style=f"style {n}")
                  for n in range(6)]  # fmt: skip
        question = next_question(ranked(things), DialogueState(asked=others))
        assert question is not None
        assert question.slot == slot
