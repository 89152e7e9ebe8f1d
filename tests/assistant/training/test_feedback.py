"""Chats as something to learn from."""

from datetime import UTC, datetime, timedelta

import pytest

from assistant.store import ConversationStore
from assistant.training.feedback import examined, feedback_requests, weight
from catalog.store import ProductStore
from catalog.types import Interaction
from tests.toy_shop import PRODUCTS

SCARVES = {"language": "en", "intent": "find", "slots": {"category": "scarf"}}


@pytest.fixture
def chat(store: ProductStore) -> tuple[ConversationStore, str]:
    store.upsert(PRODUCTS)
    conversations = ConversationStore(store.engine)
    conversation = conversations.begin("ann")
    conversations.append(conversation, "message", {"role": "shopper", "text": "scarf"})
    conversations.append(conversation, "parsed", {"frame": SCARVES})
    picks = [{"product": p} for p in ("red-scarf", "blue-scarf", "navy-scarf")]
    conversations.append(conversation, "answer", {"role": "bot", "picks": picks})
    return conversations, conversation


def later(product: str, kind: str, session: str = "", days: float = 0.1, position: int = 0) -> Interaction:
    time = datetime.now(UTC) + timedelta(days=days)
    return Interaction("ann", product, kind, time, 1.0, session, position)  # type: ignore[arg-type]


def test_a_like_is_a_request_answered_and_weighs_by_its_place(chat: tuple[ConversationStore, str]) -> None:
    conversations, session = chat
    first, third = (
        feedback_requests(conversations, [later(p, "like", session)])[0] for p in ("red-scarf", "navy-scarf")
    )
    assert (first.target, first.weight, third.weight) == ("red-scarf", 1.0, 3.0)
    assert first.state.slots == {"category": "scarf"}
    assert first.query.filters.include == {"category": ("scarf",)}


def test_what_is_turned_down_is_set_beside_what_was_shown_with_it(chat: tuple[ConversationStore, str]) -> None:
    conversations, session = chat
    (learned,) = feedback_requests(conversations, [later("blue-scarf", "dislike", session)])
    assert learned.disliked == {"blue-scarf"}
    assert learned.shown == {"red-scarf", "blue-scarf", "navy-scarf"}


def test_bought_soon_after_counts_and_bought_long_after_does_not(chat: tuple[ConversationStore, str]) -> None:
    conversations, _ = chat
    assert [r.target for r in feedback_requests(conversations, [later("red-scarf", "purchase", days=2)])] == [
        "red-scarf"
    ]
    assert feedback_requests(conversations, [later("red-scarf", "purchase", days=20)]) == []
    assert feedback_requests(conversations, [later("trail", "purchase")]) == []
    assert feedback_requests(conversations, [later("red-scarf", "like", session="elsewhere")]) == []


def test_a_place_that_is_looked_at_less_often_weighs_more_within_bounds() -> None:
    assert examined(1) == 1
    assert weight(2) == 1 / examined(2)
    assert weight(1000) == 10
