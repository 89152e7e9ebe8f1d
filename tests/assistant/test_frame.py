"""The schema of a message, and the way from the model's JSON to a frame."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from assistant.frame import (
    CHARACTERS_IN_SPAN,
    MAX_MESSAGE,
    MAX_SPANS,
    frame_schema,
    language_of,
    readable,
    spans,
    to_turn,
    write_frame,
)
from assistant.types import ParsedTurn
from tests.fakes import frame


def test_amounts_become_numbers() -> None:
    turn = to_turn(frame("find", slots={"category": ["手机"], "price_max": "三千五"}), "三千五以内的手机")
    assert turn.slots == {"category": "手机", "price_max": Decimal(3500)}


def test_measures_of_the_body_become_centimetres_and_kilograms() -> None:
    turn = to_turn(frame("refine", profile={"height_cm": "一米八三", "weight_kg": "150斤"}), "我一米八三，150斤")
    assert turn.profile == {"height_cm": 183, "weight_kg": 75}


def test_a_currency_is_kept_only_if_it_is_said() -> None:
    priced = frame("find", slots={"price_max": "50"})
    assert to_turn(priced, "under $50").slots["currency"] == "USD"
    assert "currency" not in to_turn(priced, "under 50").slots
    assert "currency" not in to_turn(frame("find"), "a dollar sign $").slots


def test_pounds_of_a_body_are_no_money() -> None:
    said = frame("find", slots={"price_max": "50"}, profile={"weight_kg": "190 pounds"})
    turn = to_turn(said, "under 50, I weigh 190 pounds")
    assert "currency" not in turn.slots
    assert to_turn(said, "under 50 pounds, I weigh 190 pounds").slots["currency"] == "GBP"


def test_words_within_words_are_one() -> None:
    assert to_turn(frame("find", slots={"color": ["黑", "黑色", "黑色"]}), "黑色").slots == {"color": ("黑色",)}


def test_a_second_kind_describes_the_first() -> None:
    turn = to_turn(frame("find", slots={"category": ["毛衣", "外套"]}), "毛衣外套")
    assert turn.slots == {"category": "毛衣", "feature": ("外套",)}


def test_how_many_is_no_size() -> None:
    message = "想买一双跑鞋，42码"
    assert to_turn(frame("find", slots={"category": ["跑鞋"], "size": ["一双", "42码"]}), message).slots["size"] == (
        "42码",
    )
    assert "size" not in to_turn(frame("find", slots={"category": ["跑鞋"], "size": ["一双"]}), message).slots


def test_what_is_wanted_is_not_excluded() -> None:
    turn = to_turn(frame("find", slots={"color": ["red"]}, exclude={"color": ["red", "blue"]}), "red, blue")
    assert turn.exclude == {"color": ("blue",)}


def test_moods_have_labels_and_scores() -> None:
    moods = [to_turn(frame("feedback", mood=m), "x").sentiment for m in (-2, 0, 1)]
    assert [(m.label, m.score) for m in moods] == [("negative", -0.8), ("neutral", 0.0), ("positive", 0.4)]


def test_the_frame_leaves_empty_fields_out() -> None:
    turn = ParsedTurn(language="zh", intent="find", slots={"price_max": Decimal("79.5"), "color": ("红",)})
    assert turn.frame() == {
        "language": "zh", "intent": "find", "slots": {"price_max": 79.5, "color": ["红"]},
        "sentiment": {"label": "neutral", "score": 0.0},
    }  # fmt: skip


def test_an_answer_without_intent_is_left_open() -> None:
    assert write_frame({"mood": -2}) == '{"mood":-2'


@given(st.text(max_size=2_000))
def test_any_message_has_a_bounded_schema(text: str) -> None:
    message = readable(text)
    assert len(message) <= MAX_MESSAGE
    assert not set(message) & set('"\\\n\r\x00')
    assert len(spans(message)) <= MAX_SPANS
    for span in spans(message):
        assert span in message
        assert language_of(span) == "en" or len(span) <= CHARACTERS_IN_SPAN * 12
    schema = frame_schema(message)
    assert schema["required"] == ["mood", "intent"]


def test_words_that_touch_can_be_copied_apart() -> None:
    assert {"vivo", "x5l", "128g", "黑色"} <= set(spans("vivo x5l 128g黑色"))
    assert {"T恤", "三千五", "5.5"} <= set(spans("T恤三千五 5.5"))


def test_the_schema_offers_only_what_is_there() -> None:
    bare = frame_schema("red shoes")
    assert "drop" not in bare["properties"]
    assert "price_max" not in bare["properties"]["slots"]["properties"]
    assert frame_schema("no colour", ["color"])["properties"]["drop"]["items"]["enum"] == ["color"]
    assert bare["properties"]["items"]["items"]["enum"][-1] == -1
