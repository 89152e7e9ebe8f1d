"""Whole turns on the toy shop: real search, scripted model."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from assistant.answers import Answers
from assistant.basket import Basket
from assistant.custody import unanswered
from assistant.desk import Desk
from assistant.explain import Explainer, Shop
from assistant.finding import Finder
from assistant.llm import LLMAway
from assistant.parser import Parser, tuned_prompt
from assistant.phrases import money
from assistant.ranking.ranker import Ranker
from assistant.state import fold
from assistant.store import ConversationStore
from assistant.turn import Assistant
from assistant.types import Reply
from catalog.search import Search
from catalog.store import ProductStore
from catalog.types import Candidate, Interaction, Query
from tests.fakes import ScriptedLLM, frame


class Looks:
    """Whatever is shown looks like the products that are named, the likest first."""

    def __init__(self, search: Search) -> None:
        self.likest: list[str] = []
        self._search = search

    def like_photo(self, name: str, query: Query) -> list[Candidate]:
        there = {c.product.external_id: c for c in self._search.search(replace(query, text=""))}
        return [there[product] for product in self.likest if product in there]

    def like_product(self, external_id: str, query: Query) -> list[Candidate]:
        return self.like_photo(external_id, query)


class Chat:
    """One shopper's conversation with a scripted model."""

    def __init__(self, search: Search, store: ProductStore, embedder: Any, contact: str = "") -> None:
        self.llm = ScriptedLLM()
        self.store = store
        self.conversations = ConversationStore(store.engine)
        explainer = Explainer(None, lambda: Shop(store.brands(), store.properties(100)))
        self.looks = Looks(search)
        finder = Finder(search, explainer, store, Ranker(), 3, contact, self.looks)
        answers = Answers(finder, Basket(store, Ranker(), 3, contact), store, contact)
        self.assistant = Assistant(Parser(self.llm, tuned_prompt), answers, store, self.conversations)
        self.conversation = self.conversations.begin("ann")

    def say(self, text: str, answer: Any = None, photo: str = "") -> Reply:
        if answer is not None:
            self.llm.enqueue(answer)
        self.assistant.hear(self.conversation, text, photo=photo, language="en")
        *_, last = self.assistant.answer(self.conversation)
        return last


@pytest.fixture
def chat(toy: Search, store: ProductStore, embedder: Any) -> Chat:
    return Chat(toy, store, embedder)


def shown(reply: Reply) -> list[str]:
    return [p.product.external_id for p in reply.picks]


def test_find_then_refine(chat: Chat) -> None:
    first = chat.say("scarf", frame("find", slots={"category": ["scarf"]}))
    assert set(shown(first)) == {"red-scarf", "blue-scarf", "navy-scarf"}
    assert first.done
    assert {"parse", "search", "rank", "first_card", "text"} <= set(first.timings)
    assert set(shown(chat.say("blue", frame("refine", slots={"color": ["blue"]})))) == {"blue-scarf", "navy-scarf"}
    second = chat.say("max 100", frame("refine", slots={"price_max": "100"}))
    assert shown(second) == ["navy-scarf"]


def test_cards_come_before_the_text(chat: Chat) -> None:
    chat.llm.enqueue(frame("find", slots={"category": ["scarf"]}))
    chat.assistant.hear(chat.conversation, "scarf")
    replies = list(chat.assistant.answer(chat.conversation))
    assert len(replies[0].picks) == 3
    assert replies[0].text.count("\n") == 0
    assert [r.text for r in replies] == sorted((r.text for r in replies), key=len)
    assert [r.done for r in replies] == [False] * (len(replies) - 1) + [True]


def test_messages_that_come_in_pieces_are_answered_together(chat: Chat) -> None:
    for text, parsed in (("scarf", frame("find", slots={"category": ["scarf"]})),
                         ("blue", frame("refine", slots={"color": ["blue"]}))):  # fmt: skip
        chat.assistant.hear(chat.conversation, text)
        chat.llm.enqueue(parsed)
    *_, last = chat.assistant.answer(chat.conversation)
    assert set(shown(last)) == {"blue-scarf", "navy-scarf"}
    assert list(chat.assistant.answer(chat.conversation)) == []


def test_a_message_that_comes_during_an_answer_gets_its_own(chat: Chat) -> None:
    chat.llm.enqueue(frame("find", slots={"category": ["scarf"]}))
    chat.llm.enqueue(frame("refine", slots={"color": ["blue"]}))
    chat.assistant.hear(chat.conversation, "scarf")
    growing = chat.assistant.answer(chat.conversation)
    next(growing)
    chat.assistant.hear(chat.conversation, "blue")
    assert len(list(growing)[-1].picks) == 3
    *_, last = chat.assistant.answer(chat.conversation)
    assert set(shown(last)) == {"blue-scarf", "navy-scarf"}


def test_two_processes_that_answer_at_once_leave_one_answer(chat: Chat) -> None:
    for _ in range(2):
        chat.llm.enqueue(frame("find", slots={"category": ["scarf"]}))
    chat.assistant.hear(chat.conversation, "scarf")
    both = [chat.assistant.answer(chat.conversation) for _ in range(2)]
    for answer in both:
        next(answer)
    for answer in both:
        assert list(answer)[-1].done
    kinds = [e.kind for e in chat.conversations.events(chat.conversation)]
    assert kinds == ["message", "parsed", "answer"]


def test_the_language_follows_the_message(chat: Chat) -> None:
    assert chat.say("围巾", frame("find", slots={"category": ["围巾"]})).text.startswith("为您找到")
    assert chat.say("scarf", frame("refine")).text.startswith(("Some more", "That is all"))


def test_nothing_found_names_the_limit_and_offers_it(chat: Chat) -> None:
    reply = chat.say(
        "red dress under 100", frame("find", slots={"category": ["dress"], "color": ["red"], "price_max": "100"})
    )
    assert not reply.picks
    assert "The cheapest that fits the rest is ¥199." in reply.text
    offer = reply.quick_replies[0].text
    assert shown(chat.say(offer)) == ["red-dress"]  # a button needs no model


def test_an_unknown_kind_gets_the_closest_within_the_limits(chat: Chat) -> None:
    reply = chat.say("a cashmere wrap", frame("find", slots={"category": ["pashmina"], "price_max": "100"}))
    assert reply.text.startswith("Nothing here goes by that name")
    assert shown(reply)
    assert all(p.product.price <= 100 for p in reply.picks)


def test_more_pages_without_repeating(chat: Chat, store: ProductStore) -> None:
    first = shown(chat.say("something", frame("find", slots={"color": ["red", "blue"]})))
    second = shown(chat.say("Show me more"))
    assert second
    assert not set(first) & set(second)


def test_the_second_one(chat: Chat) -> None:
    reply = chat.say("scarf", frame("find", slots={"category": ["scarf"]}))
    wanted = shown(reply)[1]
    assert store_title(chat, wanted) in chat.say("is the 2 silk?", frame("ask", items=[2])).text
    assert store_title(chat, wanted) in chat.say("add 2 to the cart", frame("cart", items=[2])).text
    assert [(i.product, i.kind) for i in chat.store.history("ann")] == [(wanted, "cart")]


def test_the_cart_is_filled_told_and_emptied(chat: Chat) -> None:
    first, second, *_ = shown(chat.say("scarf", frame("find", slots={"category": ["scarf"]})))
    chat.say("add the first one", frame("cart", items=[1]))
    chat.say("and add the second", frame("cart", items=[2]))

    def cart() -> tuple[str, ...]:
        return tuple(fold(chat.conversations.events(chat.conversation)).cart)

    assert cart() == (first, second)
    told = chat.say("what's in my cart?", frame("cart")).text
    assert store_title(chat, first) in told
    assert store_title(chat, second) in told
    assert "which one" in chat.say("remove it from my cart", frame("cart")).text.lower()
    color = chat.store.by_external_id([first])[first].values("color")[0]
    chat.say("take the one out of my cart", frame("cart", slots={"color": [color]}))
    assert cart() == (second,)
    assert "checkout" in chat.say("check out", frame("cart")).text
    assert chat.say("empty my cart", frame("cart")).text == "Taken out. Your cart is empty."
    assert cart() == ()
    assert [i.product for i in chat.store.history("ann")] == [second, first]


def test_as_many_as_were_said_are_in_the_cart(chat: Chat) -> None:
    first, second, *_ = shown(chat.say("scarf", frame("find", slots={"category": ["scarf"]})))
    price = chat.store.by_external_id([first])[first].price
    told = chat.say("put two of the first in my cart", frame("cart", items=[1], slots={"quantity": "two"})).text
    assert f"2 × {store_title(chat, first)}" in told
    assert money(2 * price, "CNY") in chat.say("what's in my cart?", frame("cart")).text
    chat.say("make it three", frame("cart", slots={"quantity": "three"}))
    assert money(3 * price, "CNY") in chat.say("what's in my cart?", frame("cart")).text
    chat.say("and the second", frame("cart", items=[2]))
    assert fold(chat.conversations.events(chat.conversation)).cart == {first: 3, second: 1}


def store_title(chat: Chat, product: str) -> str:
    found = chat.store.get(product)
    assert found is not None
    return found.text("en").title


def test_an_open_request_asks_a_newcomer_one_question(chat: Chat) -> None:
    reply = chat.say("what suits me?", frame("recommend"))
    assert not reply.picks
    assert [q.text for q in reply.quick_replies] == ["clothing"]


def test_an_open_request_goes_by_history(chat: Chat, store: ProductStore) -> None:
    store.interact(Interaction("ann", "trail", "purchase", datetime(2026, 1, 1, tzinfo=UTC)))
    reply = chat.say("我适合买什么", frame("recommend"))
    assert shown(reply)[0] == "road"  # the other running shoes of the brand; those bought step back
    assert "Velora" in reply.picks[0].why


def test_a_person_is_named_when_asked_for(toy: Search, store: ProductStore, embedder: Any) -> None:
    chat = Chat(toy, store, embedder, contact="help@example.com")
    assert "help@example.com" in chat.say("人工", frame("human")).text
    order = Chat(toy, store, embedder, contact="help@example.com").say("where is my parcel", frame("order"))
    assert "help@example.com" in order.text
    assert [q.text for q in order.quick_replies] == ["Get me a person"]


def test_after_a_handoff_the_bot_is_silent_until_it_is_given_back(chat: Chat) -> None:
    called = chat.say("let me talk to a human", frame("human"))
    assert called.text.startswith("I have called a member of staff, you are number 1 in the queue")
    assert chat.conversations.waiting() == [chat.conversation]
    chat.assistant.hear(chat.conversation, "a red scarf")
    assert list(chat.assistant.answer(chat.conversation)) == []
    desk = Desk(chat.conversations, chat.store)
    desk.claim(chat.conversation, "lin")
    desk.reply(chat.conversation, "lin", "These?", ["bag", "trail"])
    desk.hand_back(chat.conversation, "lin")
    assert not unanswered(chat.conversations.events(chat.conversation))
    chat.llm.enqueue(frame("find", slots={"category": ["scarf"], "color": ["red"]}))
    again = chat.say("is the second one waterproof?", frame("ask", items=[2]))
    assert "Trail running shoes" in again.text


def test_the_bot_knows_what_was_said_while_a_person_had_the_conversation(chat: Chat) -> None:
    chat.say("scarf", frame("find", slots={"category": ["scarf"]}))
    chat.say("a human", frame("human"))
    desk = Desk(chat.conversations, chat.store)
    desk.claim(chat.conversation, "lin")
    for said in ("this is a disgrace", "I am allergic to wool", "at most 100"):
        chat.assistant.hear(chat.conversation, said)
    navy = chat.store.by_external_id(["navy-scarf"])["navy-scarf"].text("en").title
    desk.reply(chat.conversation, "lin", f"I would take the {navy.upper()}.")
    desk.hand_back(chat.conversation, "lin")
    chat.llm.enqueue(frame("other", mood=-2), frame("chitchat", profile={"allergies": ["wool"]}))
    chat.llm.enqueue(frame("refine", slots={"price_max": "100"}))
    reply = chat.say("put that one in the cart", frame("cart"))
    assert navy in reply.text
    assert "wool" in reply.text  # noted, and said so
    state = fold(chat.conversations.events(chat.conversation))
    assert state.slots["price_max"] == 100
    assert state.mood == 0
    assert chat.conversations.waiting() == []


def test_who_waits_can_go_back_to_the_bot(chat: Chat) -> None:
    called = chat.say("a human", frame("human"))
    back = chat.say(called.quick_replies[0].text)
    assert back.text
    assert chat.conversations.waiting() == []
    assert shown(chat.say("scarf", frame("find", slots={"category": ["scarf"]})))


def test_an_answer_under_way_when_a_person_takes_over_is_dropped(chat: Chat) -> None:
    chat.llm.enqueue(frame("find", slots={"category": ["scarf"]}))
    chat.assistant.hear(chat.conversation, "scarf")
    answering = chat.assistant.answer(chat.conversation)
    assert next(answering).picks
    Desk(chat.conversations, chat.store).claim(chat.conversation, "lin")
    assert not any(reply.done for reply in answering)
    assert [e.kind for e in chat.conversations.events(chat.conversation)] == ["message", "parsed", "claimed"]


def test_a_complaint_goes_to_a_person_with_its_reason(chat: Chat) -> None:
    chat.say("my charger caught fire", frame("order", mood=-1))
    assert chat.conversations.events(chat.conversation)[-1].payload == {"reason": "safety"}


def test_an_answer_is_given_once(chat: Chat) -> None:
    chat.say("hello", frame("chitchat"))
    assert list(chat.assistant.answer(chat.conversation)) == []
    kinds = [e.kind for e in chat.conversations.events(chat.conversation)]
    assert kinds == ["message", "parsed", "answer"]


def test_a_message_without_its_answer_is_answered_after_a_crash(chat: Chat) -> None:
    chat.assistant.hear(chat.conversation, "hello", "id-1")
    chat.assistant.hear(chat.conversation, "hello", "id-1")
    assert [e.payload["text"] for e in unanswered(chat.conversations.events(chat.conversation))] == ["hello"]
    chat.llm.enqueue(frame("chitchat"))
    assert [r.done for r in chat.assistant.answer(chat.conversation)][-1]
    assert not unanswered(chat.conversations.events(chat.conversation))


@pytest.mark.parametrize("intent", ["compare", "feedback", "order", "other", "chitchat", "cart", "ask"])
@pytest.mark.parametrize("text", ["hello", "你好"])
def test_every_intent_has_an_answer_in_the_language(chat: Chat, intent: str, text: str) -> None:
    reply = chat.say(text, frame(intent))
    assert reply.text
    assert any("\u4e00" <= c <= "\u9fff" for c in reply.text) == (text == "你好")


def test_facts_are_shown_and_can_be_taken_back(chat: Chat) -> None:
    noted = chat.say(
        "a scarf, I'm allergic to wool", frame("find", slots={"category": ["scarf"]}, profile={"allergies": ["wool"]})
    )
    assert noted.text.startswith("Noted: allergies wool. Say “forget my allergies”")
    forgotten = chat.say("forget my allergies", frame("refine", drop=["allergies"]))
    assert forgotten.text.startswith("Forgotten: allergies.")


def test_an_upset_shopper_is_told_sorry_first(chat: Chat) -> None:
    assert chat.say("too dear! a scarf", frame("find", slots={"category": ["scarf"]}, mood=-1)).text.startswith("Sorry")


def test_dislike_is_that_of_the_message_not_of_the_conversation(chat: Chat) -> None:
    liked = shown(chat.say("scarf", frame("find", slots={"category": ["scarf"]}, mood=2)))[0]
    chat.say("the first is ugly", frame("feedback", items=[1], mood=-1))
    assert [(i.product, i.kind) for i in chat.store.history("ann")] == [(liked, "dislike")]


def test_a_question_about_a_kind_is_answered_from_the_record(chat: Chat) -> None:
    reply = chat.say("how much is a scarf?", frame("ask", slots={"category": ["scarf"]}))
    assert "scarf" in reply.text
    assert "price" in reply.text


def test_more_like_one_that_was_shown(chat: Chat) -> None:
    first = chat.say("dress under 300", frame("find", slots={"category": ["dress"], "price_max": "300"}))
    assert shown(first) == ["red-dress"]
    again = chat.say(next(q.text for q in first.quick_replies if q.item == 1))
    assert shown(again)[0] == "black-dress"
    assert "red-dress" not in shown(again)


def test_what_looks_like_it_comes_up(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.finding.ALIKE", 2)
    first = chat.say("red scarf", frame("find", slots={"category": ["scarf"], "color": ["red"]}))
    assert shown(first) == ["red-scarf"]
    chat.looks.likest = ["red-scarf", "choc"]
    assert shown(chat.say(next(q.text for q in first.quick_replies if q.item == 1))) == ["choc"]


def test_what_was_disliked_is_not_shown_again(chat: Chat) -> None:
    assert "red-scarf" in shown(chat.say("scarf", frame("find", slots={"category": ["scarf"]})))
    assert chat.assistant.interact(chat.conversation, "red-scarf", "dislike")
    assert set(shown(chat.say("scarves", frame("refine", slots={"feature": ["warm"]})))) <= {"blue-scarf", "navy-scarf"}


LIKE_THE_PHOTO = ["trail", "road", "bag", "red-scarf", "canvas-bag"]


def test_a_photo_alone_needs_no_model(chat: Chat) -> None:
    chat.looks.likest = LIKE_THE_PHOTO
    reply = chat.say("", photo="p1")
    assert reply.text.startswith("What looks most like your photo:")
    assert shown(reply) == LIKE_THE_PHOTO[:3]
    assert "looks like your photo" in {pick.why for pick in reply.picks}
    assert not chat.llm.prompts


def test_what_a_photo_found_is_refined_in_words(chat: Chat) -> None:
    chat.looks.likest = LIKE_THE_PHOTO
    chat.say("", photo="p1")
    assert shown(chat.say("under 200", frame("refine", slots={"price_max": "200"}))) == ["red-scarf", "canvas-bag"]
    assert shown(chat.say("a dress", frame("find", slots={"category": ["dress"]}))) == ["red-dress", "black-dress"]
    assert fold(chat.conversations.events(chat.conversation)).photo == ""


def test_a_photo_begins_a_search_whatever_is_said_with_it(chat: Chat) -> None:
    chat.looks.likest = LIKE_THE_PHOTO
    chat.say("a scarf under 100", frame("find", slots={"category": ["scarf"], "price_max": "100"}))
    assert shown(chat.say("do you have this?", frame("ask"), photo="p1")) == LIKE_THE_PHOTO[:3]
    assert shown(chat.say("this in green", frame("find", slots={"color": ["green"]}), photo="p2")) == ["canvas-bag"]


def test_what_looks_like_a_photo_can_be_sorted_and_paged(chat: Chat) -> None:
    chat.looks.likest = LIKE_THE_PHOTO
    chat.say("", photo="p1")
    assert shown(chat.say("Show me more")) == LIKE_THE_PHOTO[3:]
    cheapest = chat.say("cheapest first", frame("refine", slots={"sort": "price_asc"}))
    assert shown(cheapest) == ["red-scarf", "canvas-bag", "road"]


def test_a_shop_that_cannot_search_by_photo_says_so(chat: Chat) -> None:
    assert "cannot search by photo" in chat.say("", photo="p1").text


def test_a_photo_of_what_came_broken_goes_to_a_person(chat: Chat) -> None:
    chat.looks.likest = LIKE_THE_PHOTO
    chat.say("look what you sent me, a human please", frame("human", mood=-2), photo="p1")
    assert chat.conversations.waiting() == [chat.conversation]


def test_photos_are_no_question_asked_again_and_again(chat: Chat) -> None:
    chat.looks.likest = LIKE_THE_PHOTO
    for number in range(4):
        assert shown(chat.say("", photo=f"p{number}"))


class TestWhileTheModelIsAway:
    """Search goes on with the words alone, and the shopper is told."""

    def test_words_are_searched_and_it_is_said(self, chat: Chat) -> None:
        reply = chat.say("red wool scarf", LLMAway("down"))
        assert "cannot read messages properly" in reply.text
        assert reply.picks
        assert reply.picks[0].product.external_id == "red-scarf"
        assert [e.kind for e in chat.conversations.events(chat.conversation)] == ["message", "answer"]

    def test_what_was_ruled_out_stays_so(self, chat: Chat) -> None:
        chat.say("scarves, no wool", frame("find", slots={"category": ["scarves"]}, exclude={"material": ["wool"]}))
        reply = chat.say("a red scarf then", LLMAway("down"))
        assert "red-scarf" not in {p.product.external_id for p in reply.picks}

    def test_it_is_read_when_the_model_is_back(self, chat: Chat) -> None:
        chat.say("scarves under 100", LLMAway("down"))
        chat.llm.enqueue(frame("find", slots={"category": ["scarves"], "price_max": "100"}))
        reply = chat.say("red ones", frame("refine", slots={"color": ["red"]}))
        state = fold(chat.conversations.events(chat.conversation))
        assert {"category", "price_max", "color"} <= set(state.slots)
        assert all(p.product.price <= 100 for p in reply.picks)

    def test_what_only_a_person_may_deal_with_is_handed_over(self, chat: Chat) -> None:
        chat.say("the charger caught fire", LLMAway("down"))
        assert chat.conversations.waiting() == [chat.conversation]

    def test_a_person_can_be_called_without_the_model(self, chat: Chat) -> None:
        offered = chat.say("red wool scarf", LLMAway("down")).quick_replies[-1]
        chat.say(offered.text)
        assert chat.conversations.waiting() == [chat.conversation]
