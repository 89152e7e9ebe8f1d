import json

import pytest

from assistant.frame import frame_schema, spans
from assistant.prompts import PromptError, load_data, render
from assistant.types import INTENTS, LIST_SLOTS, NUMBER_SLOTS, PROFILE_FIELDS, SLOTS


def test_a_missing_variable_is_an_error() -> None:
    with pytest.raises(PromptError, match=r"takes \['active', 'message', 'shop'\], was given \['message'\]"):
        render("parse", message="hi")


def test_one_too_many_is_an_error() -> None:
    with pytest.raises(PromptError):
        render("explain", facts="x", mood="y")


def test_a_missing_prompt_is_named() -> None:
    with pytest.raises(PromptError, match=r"prompts/nowhere\.txt"):
        render("nowhere")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_example_is_a_frame_of_its_message(language: str) -> None:
    for message, active, raw in load_data("parse_examples")[language]:
        frame = json.loads(raw)
        assert frame["intent"] in INTENTS, message
        assert set(frame.get("slots", {})) <= set(SLOTS), message
        assert set(frame.get("exclude", {})) <= set(LIST_SLOTS), message
        assert set(frame.get("profile", {})) <= set(PROFILE_FIELDS), message
        assert set(frame.get("drop", [])) <= set(active.split(", ")), message
        copied = set(spans(message))
        for part in ("slots", "exclude", "profile"):
            for name, value in frame.get(part, {}).items():
                if name != "sort":
                    assert set(value if isinstance(value, list) else [value]) <= copied, (message, name)
        assert set(frame.get("slots", {})) & set(NUMBER_SLOTS) <= set(
            frame_schema(message)["properties"]["slots"]["properties"]
        )
