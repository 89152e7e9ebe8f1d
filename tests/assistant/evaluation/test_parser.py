import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assistant.evaluation.baselines import LinearParser
from assistant.evaluation.parser import (
    Outcome,
    System,
    evaluate,
    exact,
    pairs,
    rows,
    score,
    state_of,
    write_worst,
)
from assistant.frame import to_turn
from assistant.training.draft import Turn
from assistant.training.lexicon import load_lexicon
from assistant.training.turns import write_turns
from catalog.types import LANGUAGES
from tests.fakes import frame


def turn(text: str, frame: Mapping[str, Any]) -> Turn:
    return Turn(
        "en", text, {}, {}, (), {"slots": {}, "exclude": {}, "profile": {}, "drop": [], "items": [], **frame}, True
    )


def outcome(found: dict[str, Any]) -> Outcome:
    wanted = turn("red hat under 50", frame("find", slots={"category": ["hat"], "color": ["red"], "price_max": "50"}))
    return Outcome(wanted, to_turn(wanted.frame, wanted.text), to_turn(found, wanted.text), 0.5)


def test_a_frame_without_its_price_is_four_fifths_right() -> None:
    scores = score([outcome(frame("find", slots={"category": ["hat"], "color": ["red"]}))])
    assert (scores["slot_f1"], scores["frame_exact"], scores["intent_accuracy"]) == (0.8, 0.0, 1.0)


def test_numbers_compare_as_numbers() -> None:
    assert pairs({"price_max": to_turn(frame("find", slots={"price_max": "$50.00"}), "x").slots["price_max"]}) == [
        ("price_max", "50")
    ]


def test_the_mood_does_not_make_a_frame_inexact() -> None:
    slots = {"category": ["hat"], "color": ["red"], "price_max": "50"}
    assert exact(outcome(frame("find", mood=-1, slots=slots)))
    assert not exact(outcome(frame("refine", slots=slots)))


def test_every_system_sees_every_turn_up_to_its_most() -> None:
    turns = write_turns(40, 3)
    right = System("right", lambda t: to_turn(t.frame, t.text))
    slow = System("slow", lambda t: to_turn(frame("other"), t.text), most=2)
    outcomes = evaluate([right, slow], turns, lambda step: None)
    assert len(outcomes["right"]) == len(turns)
    assert len(outcomes["slow"]) == 4
    table = rows(outcomes)
    assert {r["frame_exact"] for r in table if r["system"] == "right"} == {1.0}
    assert [r["language"] for r in table] == ["en", "en", "zh", "zh"]
    assert state_of(turns[0]).slots == turns[0].slots


def test_the_worst_come_first(tmp_path: Path) -> None:
    near = outcome(frame("find", slots={"category": ["hat"], "color": ["red"]}))
    far = outcome(frame("other"))
    write_worst([near, far], tmp_path / "worst.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "worst.jsonl").read_text().splitlines()]
    assert [line["found"]["intent"] for line in lines] == ["other", "find"]


def test_the_linear_baseline_is_a_real_one() -> None:
    """It must be worth beating: better than always answering the most frequent intent."""
    linear = LinearParser(write_turns(1_500, 1), [load_lexicon(language) for language in LANGUAGES])
    outcomes = evaluate(
        [System("linear", lambda t: linear.parse(t.text, t.slots))], write_turns(200, 9), lambda s: None
    )
    assert score(outcomes["linear"])["intent_accuracy"] > 0.6
    parsed = linear.parse("black boots under 80, not red", {})
    assert (parsed.slots["category"], parsed.slots["color"], parsed.slots["price_max"]) == ("boots", ("black",), 80)
    assert parsed.exclude == {"color": ("red",)}
