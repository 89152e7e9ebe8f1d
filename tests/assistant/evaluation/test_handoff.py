from assistant.evaluation.handoff import Conversation, by_reasons, by_word, conversations, score
from assistant.parser import Parser, tuned_prompt
from tests.fakes import ScriptedLLM, frame


def test_the_word_alone_takes_a_poster_for_a_wish() -> None:
    assert by_word(("hello", "is the human anatomy poster in stock?")) == 2
    assert by_word(("hello", "get me your manager")) == 0


def test_reasons_are_found_turn_by_turn() -> None:
    llm = ScriptedLLM(frame("find"), frame("human"))
    assert by_reasons(("a kettle", "call me", "hello?"), Parser(llm, tuned_prompt)) == 2
    assert by_reasons(("a kettle",), Parser(ScriptedLLM(frame("find")), tuned_prompt)) == 0


def test_missed_false_and_late() -> None:
    written = [Conversation("en", ("a",) * 4, person) for person in (2, 2, 2, 2, 0, 0)]
    assert score(written, [2, 3, 4, 1, 0, 2]) == {
        "conversations": 6, "due": 4, "missed": 1, "false": 2, "turns_late": 1.0,
    }  # fmt: skip


def test_there_are_as_many_written_in_each_language() -> None:
    written = conversations()
    assert sum(c.language == "en" for c in written) == sum(c.language == "zh" for c in written) == 30
    assert all(c.person <= len(c.say) for c in written)
