"""Departments that no shop has, and schemas that tell of them."""

import random

import pytest

from assistant.frame import spans
from assistant.training.departments import invented, schema_of
from assistant.training.lexicon import load_lexicon
from assistant.training.turns import write_turns
from catalog.types import LANGUAGES, Language


@pytest.mark.parametrize("language", LANGUAGES)
def test_made_up_words_are_words_that_a_frame_can_copy(language: Language) -> None:
    made = invented(load_lexicon(language), random.Random(3))
    for department in made.departments:
        for words in department.words.values():
            assert all(word in spans(word) for word in words)


@pytest.mark.parametrize("language", LANGUAGES)
def test_most_kinds_are_kinds_that_nobody_knows(language: Language) -> None:
    written = load_lexicon(language)
    known = {word for d in written.departments for words in d.words.values() for word in words}
    made = [kind for d in invented(written, random.Random(5)).departments for kind in d.words["category"]]
    assert len(set(made) - known) > len(made) / 2


def test_a_schema_tells_what_the_words_of_a_turn_are() -> None:
    rng = random.Random(11)
    lexicons = {language: invented(load_lexicon(language), rng) for language in LANGUAGES}
    schemas = {language: schema_of(lexicon, rng) for language, lexicon in lexicons.items()}
    finds = [t for t in write_turns(200, 1, lexicons) if "category" in t.frame["slots"]]
    told = [t for t in finds if t.frame["slots"]["category"][0].lower() in schemas[t.language].line(t.text).lower()]
    assert 0.5 < len(told) / len(finds) < 1  # some are missing from the records, as in shops
