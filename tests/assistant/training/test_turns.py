from collections import Counter

import pytest

from assistant.frame import frame_schema, spans, to_turn, write_frame
from assistant.llm import embedded
from assistant.parser import active_names
from assistant.training.draft import Turn
from assistant.training.grammar import load_grammar
from assistant.training.lexicon import load_lexicon, with_catalog
from assistant.training.statistics import balance, coverage
from assistant.training.turns import SHARES, write_goods, write_turns
from assistant.types import NUMBER_SLOTS
from catalog.types import LANGUAGES
from tests.toy_shop import PRODUCTS


@pytest.fixture(scope="module")
def turns() -> list[Turn]:
    return write_turns(1_500, seed=11)


def test_equal_seeds_write_equal_turns() -> None:
    assert write_turns(100, seed=3) == write_turns(100, seed=3)
    assert write_turns(100, seed=3) != write_turns(100, seed=4)


def test_every_value_can_be_copied_from_its_message(turns: list[Turn]) -> None:
    for turn in turns:
        copied = set(spans(turn.text))
        for part in ("slots", "exclude", "profile"):
            for name, value in turn.frame[part].items():
                if name != "sort":
                    assert set(value if isinstance(value, list) else [value]) <= copied, turn


def test_every_number_can_be_read(turns: list[Turn]) -> None:
    for turn in turns:
        read = to_turn(turn.frame, turn.text)
        assert set(turn.frame["profile"]) == set(read.profile), turn
        assert set(turn.frame["slots"]) & set(NUMBER_SLOTS) == set(read.slots) & set(NUMBER_SLOTS), turn
        if (height := read.profile.get("height_cm")) is not None:
            assert 140 < height < 200, turn


def test_what_is_dropped_was_active(turns: list[Turn]) -> None:
    for turn in turns:
        assert set(turn.frame["drop"]) <= {*turn.slots, *turn.exclude, *turn.known}, turn


def test_the_balance(turns: list[Turn]) -> None:
    counts = Counter((t.language, t.frame["intent"]) for t in turns)
    for language in LANGUAGES:
        for intent, share in SHARES.items():
            assert counts[language, intent] == pytest.approx(len(turns) / 2 * share, rel=0.25, abs=6)
    rows = balance(turns)
    assert rows[-1]["all"] == len(turns)
    assert [r["language"] for r in coverage(turns)] == list(LANGUAGES)


def test_held_out_turns_have_a_phrasing_that_training_lacks(turns: list[Turn]) -> None:
    assert not any(t.held_out for t in turns)
    held = write_turns(200, seed=5, held_out=True)
    assert all(t.held_out for t in held)


def test_near_duplicates_are_few(turns: list[Turn]) -> None:
    assert max(Counter(t.text for t in turns).values()) <= 2
    assert len({(t.text, tuple(t.slots), t.known) for t in turns}) == len(turns)


def test_a_catalog_gives_its_words() -> None:
    lexicon = with_catalog(load_lexicon("en"), PRODUCTS)
    own = lexicon.departments[len(load_lexicon("en").departments) :]
    assert any("scarf" in d.words["category"] for d in own)


def test_too_many_turns_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.training.turns.SHARES", {"human": 1.0})
    monkeypatch.setattr("assistant.training.turns._MOST_IDLE", 50)
    with pytest.raises(ValueError, match="'human' make only"):
        write_turns(100_000, seed=1)


@pytest.mark.model
def test_the_answers_are_what_the_schema_allows(turns: list[Turn]) -> None:
    from llguidance import LLMatcher
    from llguidance.hf import from_tokenizer
    from transformers import AutoTokenizer

    from assistant.settings import Settings

    tokenizer = AutoTokenizer.from_pretrained(embedded.fetch(Settings().cache_dir))
    guide = from_tokenizer(tokenizer)
    for turn in turns[:300]:
        schema = frame_schema(turn.text, active_names(turn.slots, turn.exclude, dict.fromkeys(turn.known)))
        grammar = LLMatcher.grammar_from_json_schema(schema, overrides={"whitespace_flexible": False})
        matcher = LLMatcher(guide, grammar)
        tokens = tokenizer(write_frame(turn.frame), add_special_tokens=False)["input_ids"]
        assert matcher.consume_tokens(tokens), (turn, matcher.get_error())
        assert matcher.is_accepting(), turn


def test_the_lexicons_hold_no_word_twice() -> None:
    for language in LANGUAGES:
        load_grammar(language)
        for department in load_lexicon(language).departments:
            for facet, words in department.words.items():
                assert len(set(words)) == len(words), (department.name, facet)


def test_goods_are_texts_whose_attributes_stand_in_them() -> None:
    goods = write_goods(60, 3)
    assert goods == write_goods(60, 3)
    assert [sum(g.language == language for g in goods) for language in ("en", "zh")] == [30, 30]
    for product in goods:
        slots = product.frame["slots"]
        assert "category" in slots
        said = [w for value in slots.values() for w in (value if isinstance(value, list) else [value])]
        assert all(word in product.text for word in said)
