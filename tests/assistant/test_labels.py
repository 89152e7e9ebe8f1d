from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from assistant.labels import LabelError, Labels
from assistant.llm.protocol import Piece
from assistant.parser import Parser, tuned_prompt
from assistant.state import DialogueState, fold
from assistant.store import ConversationStore
from assistant.training.examples import Amounts, label_examples, training_examples
from assistant.types import ParsedTurn
from tests.fakes import ScriptedLLM, frame

RIGHT = {"mood": 0, "slots": {"category": ["scarf"], "color": ["red"]}, "intent": "find"}


@pytest.fixture
def store(engine: Engine) -> Iterator[ConversationStore]:
    yield ConversationStore(engine)
    engine.dispose()


def read(store: ConversationStore, text: str, doubt: float, **frame: object) -> tuple[str, int]:
    """A message with the frame that it was given, in a conversation of its own."""
    conversation = store.begin(f"shopper of {text}")
    heard = store.append(conversation, "message", {"role": "shopper", "text": text})
    told = {"language": "en", "intent": "find", "understood": True, **frame}
    store.append(conversation, "parsed", {"frame": told, "message": heard.seq, "doubt": doubt})
    return conversation, heard.seq


def test_a_parser_tells_its_doubt() -> None:
    pieces = [Piece('{"mood":0,"slots":{"color":["', 1.0), Piece("red", 0.7), Piece('"]},"intent":"find"}', 0.9)]
    assert Parser(ScriptedLLM(pieces), tuned_prompt).parse("a red scarf", DialogueState()).doubt == 0.37
    assert "doubt" not in ParsedTurn(doubt=0.3).frame()


def test_the_least_sure_comes_first_and_nothing_twice(store: ConversationStore) -> None:
    read(store, "a red scarf", 0.1)
    read(store, "sth for my gf", 0.8)
    read(store, "sth for my gf!", 0.7)
    read(store, "???", 0.0, understood=False)
    assert [a.text for a in Labels(store).asked(9)] == ["???", "sth for my gf", "a red scarf"]
    assert len(Labels(store).asked(2)) == 2


def test_what_the_model_is_sure_of_teaches_it_once_each(store: ConversationStore) -> None:
    read(store, "a red scarf", 0.01)
    read(store, "a red scarf", 0.02)
    read(store, "sth for my gf", 0.8)
    labelled, seq = read(store, "a blue hat", 0.0)
    Labels(store).write(labelled, seq, {"mood": 0, "slots": {"category": ["hat"]}, "intent": "find"}, "Lin")
    script = ScriptedLLM(RIGHT)
    sure = Labels(store).sure(script, Parser(script, tuned_prompt))
    assert [(one.text, one.active, one.frame) for one in sure] == [("a red scarf", "nothing", RIGHT)]
    (own,) = label_examples([], sure, lambda message: f"category {message[6:]}")
    assert "Shop: category scarf" in own.prompt  # told with the shop's schema, as it will be read
    amounts = Amounts(turns=200, captions=2, reviews=2, briefs=2, goods=2, shop_turns=0)
    plain, more = (len(training_examples(amounts, 1, {}, None, one)) for one in ([], [own]))
    assert more == plain + 1


def test_what_is_labelled_is_not_asked_again_and_is_learned_from(store: ConversationStore) -> None:
    conversation, seq = read(store, "a red scarf", 0.6)
    labels = Labels(store)
    labels.write(conversation, seq, {**RIGHT, "intent": "recommend"}, "Lin")
    labels.write(conversation, seq, RIGHT, "Lin")  # the latest counts
    assert labels.asked(9) == []
    assert [(one.text, one.active, one.frame) for one in labels.all()] == [("a red scarf", "nothing", RIGHT)]
    amounts = Amounts(turns=200, captions=2, reviews=2, briefs=2, goods=2, shop_turns=0)
    examples = training_examples(amounts, 1, {}, None, label_examples(labels.all(), [], lambda message: ""))
    own = [
        e
        for e in examples
        if "a red scarf" in e.prompt and e.answer.startswith('{"mood":0,"slots":{"category":["scarf"],"color"')
    ]
    assert len(own) >= 6


def test_a_label_changes_no_state(store: ConversationStore) -> None:
    conversation, seq = read(store, "a red scarf", 0.6, slots={"category": "scarf"})
    before = fold(store.events(conversation))
    Labels(store).write(conversation, seq, {**RIGHT, "slots": {"color": ["red"]}}, "Lin")
    assert fold(store.events(conversation)) == before


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"mood": 0, "slots": {"color": ["blue"]}, "intent": "find"}, "slots/color/0"),
        ({"mood": 0, "intent": "refund"}, "intent"),
        ({"mood": 9, "intent": "find"}, "mood"),
        ({"intent": "find"}, "mood"),
    ],
)
def test_a_frame_that_no_model_could_give_is_refused(
    store: ConversationStore, wrong: dict[str, object], named: str
) -> None:
    conversation, seq = read(store, "a red scarf", 0.6)
    with pytest.raises(LabelError, match=named):
        Labels(store).write(conversation, seq, wrong, "Lin")
    with pytest.raises(LabelError, match="no message 99"):
        Labels(store).write(conversation, 99, RIGHT, "Lin")
    assert Labels(store).all() == []


def test_the_proposal_is_in_words(store: ConversationStore) -> None:
    conversation, seq = read(store, "a red scarf under a hundred", 0.6)
    script = ScriptedLLM(frame("find", slots={"price_max": "a hundred"}))
    proposal = Labels(store).proposal(script, Parser(script, tuned_prompt), conversation, seq)
    assert proposal["slots"] == {"price_max": "a hundred"}
