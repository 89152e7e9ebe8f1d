"""What a shopper reads of themselves, corrects and deletes."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from assistant.memory import Memory
from assistant.profile import portrait_of
from assistant.store import ConversationStore
from catalog.errors import UserError
from catalog.store import ProductStore
from catalog.types import Interaction
from tests.toy_shop import PRODUCTS

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def memory(engine: Engine) -> Memory:
    store, conversations = ProductStore(engine), ConversationStore(engine)
    store.upsert(PRODUCTS)
    for day, product in enumerate(("red-scarf", "navy-scarf", "blue-scarf", "choc")):
        store.interact(Interaction("ann", product, "purchase", NOW + timedelta(days=10 * day)))
    conversation = conversations.begin("ann")
    conversations.append(conversation, "message", {"role": "shopper", "text": "I'm 170 cm, no nuts"})
    frame = {"language": "en", "intent": "recommend", "profile": {"height_cm": 170, "allergies": ["nuts"]}}
    conversations.append(conversation, "parsed", {"frame": frame})
    return Memory(store, conversations)


def names(memory: Memory) -> set[str]:
    return {known.name for known in memory.known("ann", "en")}


def test_all_that_is_known_has_a_source_and_a_date(memory: Memory) -> None:
    known = {k.name: k for k in memory.known("ann", "en")}
    height = known["fact:height_cm"]
    assert (height.source, height.text, height.value) == ("said", "height: 170", "170")
    assert "I'm 170 cm, no nuts" in height.because
    scarves = known["kind:scarf"]
    assert (scarves.source, scarves.because) == ("done", "3 purchases")
    assert scarves.time == NOW + timedelta(days=20)
    assert known["price:scarf"].text == "scarf at about ¥89"
    assert all(k.because and k.time for k in known.values())
    order = [("said", "done", "inferred", "used").index(k.source) for k in known.values()]
    assert order == sorted(order)
    assert memory.known("bob", "zh") == []


def test_a_rhythm_is_inferred_from_enough_days_only(memory: Memory) -> None:
    assert "rhythm:scarf" not in names(memory)
    memory._products.interact(Interaction("ann", "red-scarf", "purchase", NOW + timedelta(days=30)))
    rhythm = next(k for k in memory.known("ann", "en") if k.name == "rhythm:scarf")
    assert rhythm.source == "inferred"
    assert "every 10 days" in rhythm.text


def test_who_buys_the_cheaper_of_what_was_looked_at_is_careful_with_money(memory: Memory) -> None:
    store = memory._products
    for minute, (product, kind) in enumerate(
        (
            ("red-dress", "view"),
            ("black-dress", "view"),
            ("trail", "view"),
            ("road", "view"),
            ("sold-out", "purchase"),
            ("sold-out", "purchase"),
            ("sold-out", "purchase"),
        )
    ):
        store.interact(Interaction("cat", product, kind, NOW + timedelta(minutes=minute)))  # type: ignore[arg-type]
    assert "price:sensitivity" in {k.name for k in memory.known("cat", "en")}


def test_what_is_forgotten_is_neither_shown_nor_used(memory: Memory) -> None:
    for name in ("brand:Acme", "kind:scarf", "fact:allergies", "price:scarf"):
        assert name in names(memory)
        memory.forget("ann", name)
        assert name not in names(memory)
    taste = portrait_of(memory._products, "ann")
    assert not taste.brands
    assert "scarf" not in {*taste.kinds, *taste.spent}
    assert "fact:height_cm" in names(memory)


def test_everything_can_be_forgotten(memory: Memory) -> None:
    memory.forget("ann", "everything")
    assert memory.known("ann", "en") == []
    assert memory._products.history("ann") == []


def test_a_fact_can_be_put_right(memory: Memory) -> None:
    memory.correct("ann", "height_cm", "172.5")
    height = next(k for k in memory.known("ann", "en") if k.name == "fact:height_cm")
    assert height.value == "172.5"


@pytest.mark.parametrize(("fact", "value"), [("height_cm", "tall"), ("shoe_size", " "), ("wallet", "full")])
def test_a_fact_that_cannot_be_is_refused(memory: Memory, fact: str, value: str) -> None:
    with pytest.raises(UserError, match=fact):
        memory.correct("ann", fact, value)


def test_an_unknown_name_is_refused(memory: Memory) -> None:
    with pytest.raises(UserError, match="'hobby:chess' is nothing that is known"):
        memory.forget("ann", "hobby:chess")
