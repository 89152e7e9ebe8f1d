from decimal import Decimal

import pytest

from assistant.explain import Explainer, Shop, about, composed, faithful, why
from assistant.llm import LLMError
from assistant.phrases import money
from assistant.state import DialogueState
from assistant.types import Contribution, Recommendation
from catalog.sample.build import build_products
from tests.fakes import ScriptedLLM
from tests.toy_shop import PRODUCTS

SCARF = PRODUCTS[0]  # red wool scarf, Acme, 89
SHOP = Shop(frozenset({"Acme", "Lune", "Velora 维洛"}), frozenset({"waterproof", "wool", "silk", "防水"}))
ENGLISH = DialogueState(language="en", slots={"color": ("red",)})
PICK = Recommendation(SCARF, 1.0, (Contribution("wishes", 0.9, ("red",)), Contribution("brand", 0.5, ("Acme", "2"))))


@pytest.mark.parametrize(
    "sentence", ["A red wool scarf from Acme, as you asked.", "This red scarf costs 89.", "It is red and made of wool."]
)
def test_true_sentences_pass(sentence: str) -> None:
    assert faithful(sentence, SCARF, ENGLISH, SHOP)


@pytest.mark.parametrize(
    "sentence",
    [
        "This red scarf costs only 79.",
        "A red silk scarf.",
        "A lovely blue scarf for you.",
        "This Lune scarf is red.",
        "This red scarf is waterproof.",
        "These red running shoes are light.",
        "这条红色围巾很好看。",
        "A red scarf that is",
        "Red.",
        "Only 10% left of this red scarf!",
    ],
)
def test_false_sentences_do_not(sentence: str) -> None:
    assert not faithful(sentence, SCARF, ENGLISH, SHOP)


def test_a_false_sentence_is_replaced_by_the_facts() -> None:
    said = "".join(Explainer(ScriptedLLM(" Only 1 yuan, pure silk!\n"), lambda: SHOP).stream(ENGLISH, [PICK]))
    assert "silk" not in said
    assert said.startswith("1. Red wool scarf: red, wool")
    assert "you bought Acme 2×" in said


def test_a_true_sentence_is_kept() -> None:
    said = "".join(
        Explainer(ScriptedLLM(" A red wool scarf, as you asked.\nFacts:"), lambda: SHOP).stream(ENGLISH, [PICK])
    )
    assert said == "1. Red wool scarf: A red wool scarf, as you asked.\n"


def test_brands_that_came_while_the_shop_serves_are_known() -> None:
    said = " A red wool scarf that Nimbra would like.\n"
    shops = iter((Shop(), Shop(frozenset({"Nimbra"}))))
    explainer = Explainer(ScriptedLLM(said, said), lambda: next(shops))
    before, after = ("".join(explainer.stream(ENGLISH, [PICK])) for _ in range(2))
    assert "Nimbra" in before
    assert "Nimbra" not in after


def test_a_model_that_is_away_leaves_the_facts() -> None:
    said = "".join(Explainer(ScriptedLLM(LLMError("away")), lambda: SHOP).stream(ENGLISH, [PICK]))
    assert said == f"1. {composed(PICK, 'en')}\n"


def test_why_names_wishes_and_history() -> None:
    assert why(PICK, "en") == "as you asked: red · you bought Acme 2×"
    assert why(PICK, "zh") == "符合您要的red · 您买过2次Acme"


def test_no_wrong_price_in_the_whole_sample_shop() -> None:
    """Whatever is said of a product, every price in it is the record's."""
    for product in build_products():
        right = money(product.price, product.currency)
        for language in ("en", "zh"):
            state = DialogueState(language=language)  # type: ignore[arg-type]
            said = about(product, language)  # type: ignore[arg-type]
            assert right in said
            wrong = product.price + 1
            lie = f"It costs {wrong:f} now." if language == "en" else f"这一款现在只要{wrong:f}元。"
            assert str(wrong) in product.text(language).title or not faithful(lie, product, state, SHOP)


def test_money() -> None:
    assert [money(Decimal(a), c) for a, c in (("1299", "CNY"), ("12.5", "USD"), ("9", "SEK"))] == [
        "¥1,299",
        "$12.50",
        "9 SEK",
    ]
