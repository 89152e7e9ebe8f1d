import pytest

from assistant.frame import write_frame
from assistant.parser import Parser, tuned_prompt
from assistant.picture import holds_of, parts_of
from assistant.state import DialogueState
from catalog.errors import UserError
from tests.fakes import ScriptedLLM, frame


def test_parts_stand_where_the_frame_says_them() -> None:
    raw = {"mood": -1, "slots": {"category": ["red"], "color": ["red", "dark"]}, "exclude": {"color": ["blue"]}, "intent": "find"}  # fmt: skip
    text = write_frame(raw)
    parts = parts_of(text)
    assert [(name, value) for name, value, _ in parts] == [
        ("mood", "-1"), ("category", "red"), ("color", "red"), ("color", "dark"), ("not color", "blue"), ("intent", "find"),
    ]  # fmt: skip
    assert all(text[start:end] == value for _, value, (start, end) in parts)
    assert len({span for *_, span in parts}) == len(parts)


def test_each_part_hangs_on_its_words() -> None:
    script = ScriptedLLM(frame("find", slots={"category": ["围巾"], "color": ["红色"]}))
    words, holds = holds_of(script, Parser(script, tuned_prompt), "红色的围巾", DialogueState())
    assert words == ("红", "色", "的", "围", "巾")
    assert {h.name: h.weights for h in holds}["color"] == (1.0, 1.0, 0.0, 0.0, 0.0)


def test_a_model_elsewhere_cannot_tell() -> None:
    class Server:
        name = "a server's model"

    with pytest.raises(UserError, match="a server's model cannot tell"):
        holds_of(Server(), Parser(ScriptedLLM(), tuned_prompt), "a scarf", DialogueState())  # type: ignore[arg-type]


def test_nothing_said_has_no_picture() -> None:
    script = ScriptedLLM()
    assert holds_of(script, Parser(script, tuned_prompt), "  ", DialogueState()) == ((), ())
