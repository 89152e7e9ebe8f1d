from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from assistant.state import DialogueState, fold, update
from assistant.types import INTENTS, LIST_SLOTS, Fact, ParsedTurn, Sentiment


def turn(intent: str, **fields: Any) -> ParsedTurn:
    return ParsedTurn(intent=intent, **fields)  # type: ignore[arg-type]


def after(*turns: ParsedTurn) -> DialogueState:
    state = DialogueState()
    for parsed in turns:
        state = update(state, parsed)
    return state


NOW = datetime(2026, 1, 1, tzinfo=UTC)
SHOES = turn("find", slots={"category": "running shoes", "color": ("red",), "price_max": 500})


def test_refining_keeps_what_was_said() -> None:
    state = after(SHOES, turn("refine", slots={"size": ("42",)}))
    assert state.slots == {"category": "running shoes", "color": ("red",), "price_max": 500, "size": ("42",)}


def test_refining_replaces_what_is_contradicted() -> None:
    assert after(SHOES, turn("refine", slots={"color": ("blue",)})).slots["color"] == ("blue",)
    assert after(SHOES, turn("refine", slots={"price_about": 80})).filters().price_max == 100


def test_taking_back() -> None:
    assert "color" not in after(SHOES, turn("refine", drop=("color",))).slots
    excluded = after(SHOES, turn("refine", exclude={"material": ("leather",)}))
    assert excluded.filters().exclude == {"material": ("leather",)}
    assert not after(
        SHOES, turn("refine", exclude={"material": ("leather",)}), turn("refine", drop=("material",))
    ).exclude


def test_wanting_and_not_wanting_the_same_colour_the_last_word_counts() -> None:
    unwanted = after(SHOES, turn("refine", exclude={"color": ("red",)}))
    assert "color" not in unwanted.slots
    assert update(unwanted, turn("refine", slots={"color": ("red",)})).exclude == {}


def test_another_category_starts_afresh_and_keeps_the_profile() -> None:
    state = after(
        turn("find", slots={"category": "shoes", "color": ("red",)}, profile={"shoe_size": 42}),
        turn("find", slots={"category": "sofa"}),
    )
    assert state.slots == {"category": "sofa"}
    assert state.profile["shoe_size"].value == 42


def test_a_question_leaves_the_search_alone() -> None:
    assert after(SHOES, turn("ask", slots={"size": ("42",)})).slots == after(SHOES).slots


def test_positions_become_products() -> None:
    shown = DialogueState(shown=("a", "b", "c"))
    assert update(shown, turn("cart", items=(2, -1))).items == ("b", "c")
    assert update(shown, turn("cart", items=(9,))).items == ()


def test_allergies_are_excluded_without_asking() -> None:
    state = after(turn("find", slots={"category": "chocolate"}, profile={"allergies": ["nuts"]}))
    assert state.filters().exclude == {"feature": ("nuts",)}


def test_facts_keep_the_words_they_came_from_until_they_are_taken_back() -> None:
    told = update(DialogueState(text="I'm 183 cm"), turn("refine", profile={"height_cm": 183, "size": "L"}))
    assert told.profile["height_cm"] == Fact(183, "I'm 183 cm")
    corrected = update(replace(told, text="no, 185"), turn("refine", profile={"height_cm": 185}))
    assert corrected.profile["height_cm"] == Fact(185, "no, 185")
    assert set(update(told, turn("refine", drop=("height_cm",))).profile) == {"size"}


def test_a_name_that_is_both_limit_and_fact_means_the_limit() -> None:
    both = after(turn("find", slots={"category": "shirt", "size": ("M",)}, profile={"size": "L"}))
    without = update(both, turn("refine", drop=("size",)))
    assert "size" not in without.slots
    assert "size" in without.profile


def test_mood_runs() -> None:
    angry = turn("feedback", sentiment=Sentiment(label="negative", score=-1))
    assert 0 > after(angry).mood > after(angry, angry).mood > -1


def happened(event: str, /, **payload: Any) -> SimpleNamespace:
    return SimpleNamespace(kind=event, payload=payload, time=NOW)


def test_facts_have_a_date_and_can_be_put_right_by_hand() -> None:
    told = [
        happened("message", text="I'm 183 cm"),
        happened("parsed", frame=turn("refine", profile={"height_cm": 183}).frame()),
    ]
    assert fold(told).profile == {"height_cm": Fact(183, "I'm 183 cm", NOW)}
    right = [*told, happened("fact", name="height_cm", value=185)]
    assert fold(right).profile["height_cm"].value == 185
    assert fold([*right, happened("fact", name="height_cm", value=None)]).profile == {}


def test_the_state_is_a_fold_over_events() -> None:
    events = [
        happened("message", text="red shoes"),
        happened("parsed", frame=SHOES.frame()),
        happened("answer", picks=[{"product": "a"}, {"product": "b"}]),
        happened("answer", picks=[{"product": "c"}]),
        happened("cart", product="a", kind="cart"),
    ]
    state = fold(events)
    assert (state.text, state.shown, state.seen) == ("red shoes", ("c",), ("a", "b", "c"))
    assert state.filters().price_max == Decimal(500)
    assert fold(events) == state


words = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=3).map(tuple)
turns = st.builds(
    ParsedTurn,
    intent=st.sampled_from(INTENTS),
    slots=st.dictionaries(st.sampled_from(LIST_SLOTS), words, max_size=3),
    exclude=st.dictionaries(st.sampled_from(LIST_SLOTS), words, max_size=3),
    drop=st.lists(st.sampled_from(LIST_SLOTS), max_size=2).map(tuple),
    items=st.lists(st.integers(-3, 5), max_size=3).map(tuple),
)


@given(st.lists(turns, max_size=8))
def test_any_conversation_has_a_state_without_contradiction(parsed: list[ParsedTurn]) -> None:
    state = after(*parsed)
    for facet, excluded in state.exclude.items():
        wanted = state.slots.get(facet, ())
        assert not set(excluded) & set(wanted) or any(
            set(p.slots.get(facet, ())) & set(p.exclude.get(facet, ())) for p in parsed
        )
    state.query()
