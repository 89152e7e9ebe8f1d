"""When a person takes over."""

import pytest

from assistant.handoff import Thresholds, handoff_reason
from assistant.state import DialogueState


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (DialogueState(intent="human"), "asked"),
        (DialogueState(text="the charger caught fire!"), "safety"),
        (DialogueState(text="充电宝冒烟了"), "safety"),
        (DialogueState(text="you Charged Me twice"), "charge"),
        (DialogueState(text="我要退款", intent="order"), "refund"),
        (DialogueState(text="how long does a refund take?", intent="ask"), None),
        (DialogueState(text="我要投诉你们"), "complaint"),
        (DialogueState(text="do you guarantee it lasts ten years?"), "promise"),
        (DialogueState(mood=-0.7), "upset"),
        (DialogueState(moods=(0.1, -0.1, -0.3), turn_mood=-0.8), "falling"),
        (DialogueState(moods=(0.3, 0.2, 0.1), turn_mood=0), None),
        (DialogueState(moods=(-0.3, -0.1, -0.2), turn_mood=-0.4), None),
        (DialogueState(not_understood=2), "not_understood"),
        (DialogueState(not_understood=1), None),
        (DialogueState(said=("is it wool?", "is it wool", "Is it wool??")), "repeated"),
        (DialogueState(said=("is it wool?", "a red one", "is it wool?")), None),
        (DialogueState(said=("size 41?", "size 42?", "size 43?")), None),
        (DialogueState(text="a scarf", intent="find", said=("a scarf",)), None),
    ],
)
def test_reasons(state: DialogueState, reason: str | None) -> None:
    assert handoff_reason(state) == reason


def test_thresholds_are_settings() -> None:
    assert handoff_reason(DialogueState(not_understood=2), Thresholds(not_understood=3)) is None
    assert handoff_reason(DialogueState(mood=-0.4), Thresholds(mood=-0.3)) == "upset"
