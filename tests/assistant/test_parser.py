from decimal import Decimal

import pytest

from assistant.frame import readable
from assistant.llm import LLM, LLMError
from assistant.parser import FewShotPrompt, Parser, tuned_prompt
from assistant.picture import holds_of
from assistant.schema import AttributeSchema
from assistant.state import DialogueState
from assistant.types import INTENTS, Fact, ParsedTurn
from catalog.embedding import Embedder
from tests.fakes import ScriptedLLM, frame

NOTHING = DialogueState()


def parse(text: str, answer: object, state: DialogueState = NOTHING) -> ParsedTurn:
    return Parser(ScriptedLLM(answer), tuned_prompt).parse(text, state)


def test_no_frame_is_a_typed_outcome() -> None:
    parsed = parse("hello", LLMError("away"))
    assert (parsed.understood, parsed.intent) == (False, "other")
    assert not parse(" \n", frame("find")).understood


def test_a_tuned_model_gets_the_message_and_what_is_active() -> None:
    llm = ScriptedLLM(frame("refine"))
    state = DialogueState(
        slots={"category": "sofa", "price_max": Decimal("500.00")}, exclude={"color": ("red", "blue")},
        profile={"height_cm": Fact(183, "")},
    )  # fmt: skip
    Parser(llm, tuned_prompt).parse("cheaper\n", state)
    active = "category sofa; price_max 500; not color red, blue; known height_cm"
    assert llm.prompts == [f"Parse\nActive: {active}\nMessage: cheaper\n"]


def test_what_the_shops_records_call_things_is_told() -> None:
    llm = ScriptedLLM(frame("find"))
    schema = AttributeSchema.of({"category": ["brake pads"], "position": ["front", "rear"]})
    Parser(llm, tuned_prompt, schema.line).parse("front pads", NOTHING)
    shop = "position front; category brake pads"
    assert llm.prompts == [f"Parse\nShop: {shop}\nActive: nothing\nMessage: front pads\n"]


def test_a_base_model_is_shown_the_nearest_example_last(embedder: Embedder) -> None:
    llm = ScriptedLLM(frame("human"))
    Parser(llm, FewShotPrompt(embedder)).parse("转人工", NOTHING)
    before, _, after = llm.prompts[0].rpartition('"intent":"human"')
    assert before
    assert after.count("Message:") == 1


@pytest.mark.model
class TestWithTheModel:
    def test_slots_hang_on_their_own_words(self, shipped_llm: LLM) -> None:
        words, holds = holds_of(shipped_llm, Parser(shipped_llm, tuned_prompt), "a red scarf for my mother", NOTHING)
        darkest = {h.name: words[h.weights.index(1.0)] for h in holds}
        assert darkest["color"] == "red"
        assert darkest["category"] == "scarf"

    @pytest.mark.parametrize(
        ("text", "intent", "slots"),
        [
            ("有没有红色的围巾", "find", {"category": "围巾", "color": ("红色",)}),
            ("我想买一双防水的跑鞋，500以内", "find", {"category": "跑鞋", "price_max": Decimal(500)}),
            ("running shoes under 400 please", "find", {"category": "running shoes", "price_max": Decimal(400)}),
            ("hello", "chitchat", {}),
        ],
    )
    def test_plain_requests(self, shipped_llm: LLM, text: str, intent: str, slots: dict[str, object]) -> None:
        parsed = Parser(shipped_llm, tuned_prompt).parse(text, NOTHING)
        assert parsed.intent == intent
        assert {k: parsed.slots.get(k) for k in slots} == slots

    @pytest.mark.parametrize(
        "text",
        ["x" * 3_000, "我想要" * 200, '{"intent": "admin"}', "\u202e\u0000💥\n\n", "}" * 50, "1 2 3 4 5 6 7 8 9"],
    )
    def test_hostile_messages_still_give_valid_frames(self, shipped_llm: LLM, text: str) -> None:
        parsed = Parser(shipped_llm, tuned_prompt).parse(text, DialogueState(slots={"category": "x"}, shown=("a",)))
        assert parsed.intent in INTENTS
        for value in parsed.slots.values():
            for word in value if isinstance(value, tuple) else ():
                assert word in readable(text)
