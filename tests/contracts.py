"""What every implementation of a role must do; its tests inherit these."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from assistant.llm import LLM
from assistant.llm.protocol import value_of
from assistant.store import ConversationStore
from catalog.embedding import Embedder

SCHEMA = {
    "type": "object",
    "properties": {"color": {"enum": ["red", "blue"]}, "count": {"enum": [1, 2]}},
    "required": ["color", "count"],
    "additionalProperties": False,
}


class LLMContract:
    """`llm` is the fixture that a subclass gives."""

    def test_completes_the_same_text_again(self, llm: LLM) -> None:
        first = llm.complete("One, two, three,", max_tokens=8)
        assert first
        assert llm.complete("One, two, three,", max_tokens=8) == first

    def test_streams_what_it_completes(self, llm: LLM) -> None:
        assert "".join(llm.stream("One, two, three,", max_tokens=8)) == llm.complete("One, two, three,", max_tokens=8)

    def test_stops_before_the_stop_string(self, llm: LLM) -> None:
        whole = llm.complete("One, two, three,", max_tokens=8)
        stop = whole[2:4]
        assert llm.complete("One, two, three,", max_tokens=8, stop=[stop]) == whole[: whole.index(stop)]

    def test_json_satisfies_the_schema(self, llm: LLM) -> None:
        value = llm.complete_json('Two blue balls: {"', SCHEMA, max_tokens=60)
        assert value["color"] in ("red", "blue")
        assert value["count"] in (1, 2)

    def test_json_asked_for_at_once_is_that_of_one_at_a_time(self, llm: LLM) -> None:
        prompts = [
            f'{words}: {{"' for words in ("Two blue balls", "One red ball", "A", "The second, and a much longer one")
        ]
        alone = [llm.complete_json(prompt, SCHEMA, max_tokens=60) for prompt in prompts]
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda prompt: llm.complete_json(prompt, SCHEMA, max_tokens=60), prompts * 3))
        assert together == alone * 3

    def test_json_is_spelt_with_probabilities(self, llm: LLM) -> None:
        prompt = 'Two blue balls: {"'
        pieces = llm.spell_json(prompt, SCHEMA, max_tokens=60)
        assert value_of(pieces) == llm.complete_json(prompt, SCHEMA, max_tokens=60)
        assert all(0 < piece.probability <= 1 for piece in pieces)
        assert min(piece.probability for piece in pieces) < 1


class EmbedderContract:
    """`encoder` is the fixture that a subclass gives."""

    def test_vectors_have_unit_length(self, encoder: Embedder) -> None:
        vectors = encoder.embed(["a red scarf", "", "x" * 5_000])
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)

    def test_likeness_in_meaning(self, encoder: Embedder) -> None:
        scarf, wrap, engine = encoder.embed(["a warm scarf", "a cosy shawl", "a diesel engine"])
        assert scarf @ wrap > scarf @ engine


class ConversationContract:
    """`conversations` is the fixture that a subclass gives."""

    def test_events_are_numbered_from_one(self, conversations: ConversationStore) -> None:
        own, other = conversations.begin("ann"), conversations.begin("bob")
        for n in range(3):
            conversations.append(own, "message", {"text": str(n)})
        conversations.append(other, "message", {"text": "x"})
        assert [(e.seq, e.payload["text"]) for e in conversations.events(own)] == [(1, "0"), (2, "1"), (3, "2")]
        assert [e.seq for e in conversations.events(own, after=2)] == [3]
        assert conversations.last_seq(other) == 1

    def test_an_id_is_no_option_of_a_command(self, conversations: ConversationStore) -> None:
        begun = [conversations.begin("ann") for _ in range(100)]
        assert len(set(begun)) == 100
        assert all(own.isalnum() for own in begun)

    def test_a_retry_is_the_first_message(self, conversations: ConversationStore) -> None:
        own = conversations.begin("ann")
        first = conversations.append(own, "message", {"text": "hi"}, "id-1")
        again = conversations.append(own, "message", {"text": "hi, again"}, "id-1")
        assert (again.seq, again.payload) == (first.seq, first.payload)
        assert len(conversations.events(own)) == 1

    def test_writers_at_once_lose_and_double_nothing(self, conversations: ConversationStore) -> None:
        own = conversations.begin("ann")
        failures: list[Any] = []

        def write(writer: int) -> None:
            try:
                for n in range(10):
                    conversations.append(own, "message", {"text": f"{writer}.{n}"}, f"{writer}.{n}")
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=write, args=(w,)) for w in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        events = conversations.events(own)
        assert not failures
        assert [e.seq for e in events] == list(range(1, 41))
        assert len({e.payload["text"] for e in events}) == 40

    def test_pages_that_open_at_once_share_a_conversation(self, conversations: ConversationStore) -> None:
        together = threading.Barrier(4)

        def visit(shopper: str) -> str:
            together.wait()
            return conversations.open(shopper)

        with ThreadPoolExecutor(4) as pool:
            for shopper in map(str, range(10)):
                assert len(set(pool.map(visit, [shopper] * 4))) == 1

    def test_a_shopper_comes_back_to_the_latest_conversation(self, conversations: ConversationStore) -> None:
        first = conversations.open("ann")
        assert conversations.open("ann") == first
        second = conversations.begin("ann")
        assert conversations.open("ann") == second
        assert conversations.shopper_of(second) == "ann"

    def test_what_the_bot_has_not_answered_is_known(self, conversations: ConversationStore) -> None:
        asked, answered, waiting = (conversations.begin(shopper) for shopper in ("ann", "bob", "cat"))
        for own in (asked, answered, waiting):
            conversations.append(own, "message", {"text": "hi"})
        conversations.append(answered, "answer", {"picks": [], "to": 1})
        conversations.append(waiting, "handoff", {"reason": "asked"})
        conversations.append(waiting, "message", {"text": "hello?"})
        assert conversations.unanswered() == [asked]
        assert conversations.waiting() == conversations.held() == [waiting]

    def test_a_message_that_came_while_the_bot_wrote_is_unanswered(self, conversations: ConversationStore) -> None:
        own = conversations.begin("ann")
        for text in ("scarf", "red"):
            conversations.append(own, "message", {"text": text})
        conversations.append(own, "answer", {"picks": [], "to": 1})
        assert conversations.unanswered() == [own]
        conversations.append(own, "answer", {"picks": [], "to": 2})
        assert conversations.unanswered() == []

    def test_what_was_said_to_a_person_is_not_the_bots_to_answer(self, conversations: ConversationStore) -> None:
        own = conversations.begin("ann")
        for kind in ("handoff", "message", "claimed", "message", "resolved"):
            conversations.append(own, kind, {"text": "hi"})
            assert conversations.unanswered() == []
        conversations.append(own, "message", {"text": "scarf"})
        assert conversations.unanswered() == [own]
