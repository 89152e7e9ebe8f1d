"""Conversations of ten turns with the real model: every frame right, state carried along."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from assistant.llm import LLM
from assistant.parser import Parser, tuned_prompt
from assistant.state import DialogueState, update

pytestmark = pytest.mark.model
SHOWN = ("a", "b", "c")  # what every search is taken to have shown

Turn = tuple[str, dict[str, Any]]
ENGLISH: list[Turn] = [
    ("hi there", {"intent": "chitchat"}),
    ("I'm looking for a rain jacket", {"intent": "find", "slots": {"category": "rain jacket"}}),
    ("in blue please, under 400", {"intent": "refine", "slots": {"color": ("blue",), "price_max": Decimal(400)}}),
    ("I'm 183 cm tall by the way", {"intent": "refine", "profile": {"height_cm": 183}}),
    ("anything but Northfell", {"intent": "refine", "exclude": {"brand": ("Northfell",)}}),
    ("what is the second one made of?", {"intent": "ask", "items": (2,)}),
    ("I don't care about the color", {"intent": "refine", "drop": ("color",)}),
    ("compare the first and the third", {"intent": "compare", "items": (1, 3)}),
    ("add the first one to my cart", {"intent": "cart", "items": (1,)}),
    ("thanks, that was very helpful", {"intent": "chitchat", "mood": "positive"}),
]
CHINESE: list[Turn] = [
    ("你好", {"intent": "chitchat"}),
    ("想买一双跑鞋", {"intent": "find", "slots": {"category": "跑鞋"}}),
    ("要黑色的，500以内", {"intent": "refine", "slots": {"color": ("黑色",), "price_max": Decimal(500)}}),
    ("我身高一米七五，体重140斤", {"intent": "refine", "profile": {"height_cm": 175, "weight_kg": 70}}),
    ("不要耐克的", {"intent": "refine", "exclude": {"brand": ("耐克",)}}),
    ("第二个是什么材质的", {"intent": "ask", "items": (2,)}),
    ("颜色随便", {"intent": "refine", "drop": ("color",)}),
    ("对比一下第一个和第三个", {"intent": "compare", "items": (1, 3)}),
    ("把第一个加入购物车", {"intent": "cart", "items": (1,)}),
    ("谢谢，你真好", {"intent": "chitchat", "mood": "positive"}),
]


@pytest.mark.parametrize("conversation", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_ten_turns_without_a_wrong_frame(shipped_llm: LLM, conversation: list[Turn]) -> None:
    parser, state = Parser(shipped_llm, tuned_prompt), DialogueState()
    wrong = []
    for text, wanted in conversation:
        state = replace(state, text=text)
        turn = parser.parse(text, state)
        found = {name: getattr(turn, name) for name in ("intent", "slots", "exclude", "drop", "items", "profile")}
        right = {"slots": {}, "exclude": {}, "drop": (), "items": (), "profile": {}, **wanted}
        mood = right.pop("mood", None)
        if found != right or (mood and turn.sentiment.label != mood):
            wrong.append((text, turn.frame()))
        state = update(state, turn)
        if state.intent in ("find", "refine"):
            state = replace(state, shown=SHOWN, seen=SHOWN)
    assert not wrong
