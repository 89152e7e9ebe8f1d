import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from assistant.profile import Portrait, portrait
from assistant.ranking.features import NAMES
from assistant.ranking.ranker import EXPLAINED, Ranker
from assistant.state import DialogueState
from assistant.types import Fact
from catalog.types import Candidate, Interaction
from tests.toy_shop import PRODUCTS

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BY_ID = {p.external_id: p for p in PRODUCTS}


def candidates(*ids: str) -> list[Candidate]:
    """Candidates of equal search score."""
    return [Candidate(BY_ID[i], 1, 1, 0.03) for i in ids]


def order(ids: tuple[str, ...], state: DialogueState, taste: Portrait = Portrait()) -> list[str]:  # noqa: B008
    return [r.product.external_id for r in Ranker().rank(candidates(*ids), state, taste)]


def test_contributions_add_up_to_the_score() -> None:
    taste = portrait([Interaction("a", "trail", "purchase", NOW)], BY_ID)
    state = DialogueState(slots={"color": ("blue",), "price_max": Decimal(400)}, mood=-2)
    for recommendation in Ranker().rank(candidates("trail", "road", "bag"), state, taste):
        assert recommendation.contributions
        assert recommendation.score == sum(c.value for c in recommendation.contributions)


def test_wishes_met_come_first() -> None:
    state = DialogueState(slots={"feature": ("waterproof",)})
    assert order(("road", "trail"), state)[0] == "trail"
    assert order(("red-scarf", "jacket"), DialogueState(slots={"feature": ("防水",)}))[0] == "jacket"


def test_the_same_request_ranks_differently_for_two_shoppers() -> None:
    fan = portrait([Interaction("a", "black-dress", "purchase", NOW)], BY_ID)
    ids = ("red-scarf", "red-dress")
    assert order(ids, DialogueState(), fan)[0] == "red-dress"
    other = portrait([Interaction("b", "navy-scarf", "purchase", NOW), Interaction("b", "bag", "purchase", NOW)], BY_ID)
    assert order(ids, DialogueState(), other)[0] == "red-scarf"


def test_bought_and_disliked_step_back() -> None:
    assert order(("red-scarf", "blue-scarf"), DialogueState(), Portrait(times={"red-scarf": 1})) == [
        "blue-scarf",
        "red-scarf",
    ]
    assert (
        order(("red-scarf", "blue-scarf"), DialogueState(), Portrait(disliked=frozenset({"red-scarf"})))[0]
        == "blue-scarf"
    )


def test_cheapest_first_among_those_that_fit() -> None:
    state = DialogueState(slots={"sort": "price_asc"})
    assert order(("red-scarf", "blue-scarf", "navy-scarf"), state) == ["navy-scarf", "red-scarf", "blue-scarf"]


def test_an_upset_shopper_gets_what_is_rated_well() -> None:
    good = replace(BY_ID["red-scarf"], rating=5.0, review_count=50)
    poor = replace(BY_ID["blue-scarf"], rating=3.2, review_count=50)

    def lead(mood: float) -> float:
        first, second = Ranker().rank(
            [Candidate(good, 1, 1, 0.03), Candidate(poor, 1, 1, 0.03)], DialogueState(mood=mood), Portrait()
        )
        return first.score - second.score

    assert lead(-0.8) > lead(0) > 0


def test_the_portrait_counts_and_remembers() -> None:
    taste = portrait(
        [
            Interaction("a", "trail", "purchase", NOW),
            Interaction("a", "trail", "rating", NOW, 5),
            Interaction("a", "gone", "view", NOW),
        ],
        BY_ID,
    )
    assert (set(taste.times), taste.brand_purchases, taste.spent) == (
        {"trail"},
        {"Velora": 1},
        {"running shoes": Decimal("399.00")},
    )
    assert portrait([], BY_ID) == Portrait()


def test_a_visit_is_one_meeting() -> None:
    kinds = ("view", "cart", "purchase")
    visit = [Interaction("a", "trail", kind, NOW + timedelta(minutes=n)) for n, kind in enumerate(kinds)]  # type: ignore[arg-type]
    later = Interaction("a", "bag", "view", NOW + timedelta(days=1))
    bad = Interaction("a", "road", "dislike", NOW + timedelta(days=2))
    assert portrait([bad, later, *visit], BY_ID).sequence == ("trail", "bag")


def test_diversity_brings_another_kind_up() -> None:
    three = candidates("red-scarf", "blue-scarf", "bag")
    three = [replace(c, score=0.03 - n / 1000) for n, c in enumerate(three)]
    plain = [r.product.external_id for r in Ranker().rank(three, DialogueState(), Portrait())]
    mixed = [r.product.external_id for r in Ranker(diversity=0.9).rank(three, DialogueState(), Portrait())]
    assert plain == ["red-scarf", "blue-scarf", "bag"]
    assert mixed == ["red-scarf", "bag", "blue-scarf"]


def test_only_what_can_be_shown_is_explained() -> None:
    many = [Candidate(replace(BY_ID["bag"], external_id=str(n)), n, n, 1 / n) for n in range(1, 31)]
    ranked = Ranker().rank(many, DialogueState(), Portrait())
    assert [bool(r.contributions) for r in ranked] == [True] * EXPLAINED + [False] * (30 - EXPLAINED)
    assert Ranker().rank([], DialogueState(), Portrait()) == []


PROTECTED: st.SearchStrategy[dict[str, Fact]] = st.fixed_dictionaries(
    {},
    optional={
        "height_cm": st.integers(140, 210).map(lambda v: Fact(Decimal(v), "")),
        "weight_kg": st.integers(35, 160).map(lambda v: Fact(Decimal(v), "")),
        "skin": st.sampled_from(["dry", "dark", "fair", "敏感"]).map(lambda v: Fact(v, "")),
        "diet": st.sampled_from(["halal", "kosher", "vegan", "清真"]).map(lambda v: Fact(v, "")),
        "allergies": st.just(Fact(("nickel",), "")),
    },
)


@given(PROTECTED)
def test_what_a_shopper_is_like_ranks_nothing(profile: dict[str, Fact]) -> None:
    """Body, skin, faith and health are facts that shoppers tell for other purposes: sizes, and what to leave out."""
    taste = portrait([Interaction("a", "trail", "purchase", NOW)], BY_ID)
    listed = candidates("trail", "road", "bag", "red-scarf", "black-dress")
    state = DialogueState(text="something nice", slots={"color": ("blue",)})
    plain, known = (Ranker().rank(listed, s, taste) for s in (state, replace(state, profile=profile)))
    assert [(r.product.external_id, r.score) for r in plain] == [(r.product.external_id, r.score) for r in known]


def test_no_feature_is_what_somebody_is() -> None:
    """Features and portraits hold what was said for a search and what was done in the shop, and nothing else."""
    who = re.compile(
        r"(?:\b|_)(gender|sex|age|race|ethnic|relig|faith|nation|health|disab|skin|height|weight|diet|allerg|names?\b)"
    )
    assert not [name for name in NAMES if who.search(name)]
    assert not [field.name for field in fields(Portrait) if who.search(field.name)]
