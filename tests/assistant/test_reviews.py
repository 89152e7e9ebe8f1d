from dataclasses import replace

import pytest

from assistant.aspects import asked_aspects, aspects
from assistant.evaluation.reviews import by_words, score, written
from assistant.explain import buyers_say, why
from assistant.llm import LLMError
from assistant.profile import Portrait
from assistant.ranking.blend import TAUGHT, WEIGHTS, Combined, Weighted
from assistant.ranking.ranker import Ranker
from assistant.reviews import ReviewReader, review_schema
from assistant.state import DialogueState
from catalog.types import Candidate, Language, Opinion, Reading
from tests.fakes import ScriptedLLM
from tests.toy_shop import PRODUCTS

PHONES = [
    replace(PRODUCTS[0], external_id=name, opinions=(Opinion("battery", good, bad), Opinion("delivery", 9, 1)))
    for name, good, bad in (("weak", 2, 18), ("strong", 18, 2), ("unknown", 1, 0))
]


def test_a_review_is_read() -> None:
    llm = ScriptedLLM({"polarity": "negative", "bad": ["fit", "fit"], "tags": ["tight"]})
    assert ReviewReader(llm, "x").read("Too tight.") == Reading("negative", (), ("fit",), ("tight",))
    assert ReviewReader(ScriptedLLM(LLMError("away")), "x").read("Too tight.") is None
    assert review_schema("Too tight.")["properties"]["good"]["items"]["enum"] == list(aspects())


@pytest.mark.parametrize(
    ("wish", "aspect"),
    [("good battery", "battery"), ("续航好", "battery"), ("easy to clean", "ease"), ("舒服", "comfort"), ("red", None)],
)
def test_wishes_ask_for_aspects(wish: str, aspect: str | None) -> None:
    assert asked_aspects([wish]) == ({aspect} if aspect else set())


@pytest.mark.parametrize("scorer", [Weighted(WEIGHTS), Combined([Weighted({"text": 1.0}), Weighted(TAUGHT)])])
def test_what_buyers_praise_is_found_by_who_asks_for_it(scorer: Weighted) -> None:
    state = DialogueState(slots={"feature": ("good battery",)})
    ranked = Ranker(scorer).rank([Candidate(p, 1, 1, 0.03) for p in PHONES], state, Portrait())
    assert [r.product.external_id for r in ranked] == ["strong", "unknown", "weak"]
    assert "18 of 20 buyers praise the battery" in why(ranked[0], "en")
    assert "20位买家中18位称赞续航" in why(ranked[0], "zh")


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        ("en", ["buyers praise: delivery (9 of 10)", "buyers complain of: battery (18 of 20)"]),
        ("zh", ["买家称赞：物流（10位中9位）", "买家不满：续航（20位中18位）"]),
    ],
)
def test_pros_and_cons_are_told_with_counts(language: Language, lines: list[str]) -> None:
    assert buyers_say(PHONES[0], language) == lines
    assert buyers_say(PRODUCTS[0], language) == []


def test_the_evaluation_knows_right_from_wrong() -> None:
    reviews = written(40)
    right = [
        Reading("", tuple(min(a) for a, good in r.said if good), tuple(min(a) for a, good in r.said if not good))
        for r in reviews
    ]
    assert score(reviews, right) == {"reviews": 40, "precision": 1.0, "recall": 1.0}
    turned = [Reading("", r.bad, r.good) for r in right]
    assert score(reviews, turned)["recall"] < 0.1
    assert 0 < score(reviews, [by_words(r) for r in reviews])["recall"] < 0.5
