"""Staff take over, speak, pass on and close."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from assistant.custody import custody
from assistant.desk import Desk, DeskError
from assistant.llm import LLMError
from assistant.state import fold
from assistant.store import ConversationStore
from catalog.store import ProductStore
from tests.fakes import ScriptedLLM
from tests.toy_shop import PRODUCTS


@pytest.fixture
def conversations(engine: Engine) -> ConversationStore:
    return ConversationStore(engine)


@pytest.fixture
def desk(engine: Engine, conversations: ConversationStore) -> Desk:
    store = ProductStore(engine)
    store.upsert(PRODUCTS)
    return Desk(conversations, store)


def handed_off(conversations: ConversationStore, shopper: str, reason: str = "asked", mood: float = 0) -> str:
    conversation = conversations.begin(shopper)
    conversations.append(conversation, "message", {"role": "shopper", "text": "a person please"})
    frame = {"language": "en", "intent": "human", "sentiment": {"label": "neutral", "score": mood}}
    conversations.append(conversation, "parsed", {"frame": frame})
    conversations.append(conversation, "handoff", {"reason": reason})
    return conversation


def test_a_conversation_goes_through_all_hands(desk: Desk, conversations: ConversationStore) -> None:
    own = handed_off(conversations, "ann")
    assert [w.conversation for w in desk.queue()] == [own]
    assert conversations.waiting() == [own]
    desk.claim(own, "lin")
    assert conversations.waiting() == []
    desk.reply(own, "lin", "How can I help?", ["red-scarf", "bag"])
    assert desk.queue()[0].unread == 0
    desk.transfer(own, "lin", "wei")
    desk.release(own, "wei")
    desk.claim(own, "wei")
    desk.hand_back(own, "wei")
    assert custody(conversations.events(own)).holder == "bot"
    assert desk.queue() == []
    assert fold(conversations.events(own)).shown == ("red-scarf", "bag")  # the bot knows what was sent
    desk.claim(own, "lin")
    desk.resolve(own, "lin")
    assert custody(conversations.events(own)).holder == "nobody"
    conversations.append(own, "message", {"role": "shopper", "text": "hello again"})
    assert custody(conversations.events(own)).holder == "bot"


def test_twenty_claim_at_once_and_one_gets_it(desk: Desk, conversations: ConversationStore) -> None:
    for round_number in range(5):
        own = handed_off(conversations, f"shopper {round_number}")
        together = threading.Barrier(20)

        def claim(staff: int, own: str = own, together: threading.Barrier = together) -> str:
            together.wait()
            try:
                desk.claim(own, f"staff {staff}")
            except DeskError as error:
                return str(error)
            return "mine"

        with ThreadPoolExecutor(20) as pool:
            told = Counter(pool.map(claim, range(20)))
        winner = custody(conversations.events(own)).staff
        assert told == {"mine": 1, f"{winner} has this conversation already": 19}


def test_only_the_holder_speaks(desk: Desk, conversations: ConversationStore) -> None:
    own = handed_off(conversations, "ann")
    with pytest.raises(DeskError, match="claim this conversation first"):
        desk.reply(own, "lin", "hello")
    desk.claim(own, "lin")
    for action in (desk.release, desk.hand_back, desk.resolve):
        with pytest.raises(DeskError, match="lin has this conversation now"):
            action(own, "wei")
    desk.note(own, "wei", "a regular customer")
    assert [e.kind for e in conversations.events(own)][-2:] == ["claimed", "note"]


def test_a_retry_is_the_first_reply(desk: Desk, conversations: ConversationStore) -> None:
    own = handed_off(conversations, "ann")
    desk.claim(own, "lin")
    first = desk.reply(own, "lin", "hello", client_message_id="m1")
    desk.hand_back(own, "lin")
    desk.claim(own, "lin")
    assert desk.reply(own, "lin", "hello", client_message_id="m1") == first


@pytest.mark.parametrize(("text", "picks", "why"), [(" ", [], "nothing to say"), ("this", ["nowhere"], "'nowhere'")])
def test_what_cannot_be_said(
    desk: Desk, conversations: ConversationStore, text: str, picks: list[str], why: str
) -> None:
    own = handed_off(conversations, "ann")
    desk.claim(own, "lin")
    with pytest.raises(DeskError, match=why):
        desk.reply(own, "lin", text, picks)
    with pytest.raises(DeskError, match="no conversation 'nowhere'"):
        desk.claim("nowhere", "lin")


def test_the_most_pressing_comes_first(desk: Desk, conversations: ConversationStore) -> None:
    calm, angry, burnt = (
        handed_off(conversations, "calm"),
        handed_off(conversations, "angry", "upset", -1),
        handed_off(conversations, "burnt", "safety"),
    )
    held = handed_off(conversations, "held")
    desk.claim(held, "lin")
    assert [w.conversation for w in desk.queue()] == [burnt, angry, calm, held]
    later = datetime.now(UTC) + timedelta(hours=1)
    assert desk.queue(later)[-1].conversation == held
    assert desk.queue(later)[0].waited > 3_000


def test_whoever_takes_over_finds_a_brief(desk: Desk, conversations: ConversationStore) -> None:
    own = handed_off(conversations, "ann")
    llm = ScriptedLLM("Wants a person.\nNo limits.", LLMError("away"))
    briefing = Desk(conversations, desk._products, llm)
    briefing.brief(own)
    assert conversations.events(own)[-1].payload == {"staff": "Daogou", "text": "Wants a person.\nNo limits."}
    assert "Shopper: a person please" in llm.prompts[0]
    briefing.brief(own)
    desk.brief(own)
    assert [e.kind for e in conversations.events(own)].count("note") == 1
