import random

from assistant.aspects import aspects
from assistant.training.lexicon import load_lexicon
from assistant.training.texts import brief, caption, review
from assistant.training.turns import write_turns
from catalog.types import LANGUAGES


def test_captions_say_only_what_the_facts_say() -> None:
    for language in LANGUAGES:
        for seed in range(50):
            facts, sentence = caption(load_lexicon(language), random.Random(seed))
            title = facts.split("; " if language == "en" else "；")[0]
            assert title in sentence
            assert "{" not in sentence


def test_reviews_praise_and_blame_what_their_reading_says() -> None:
    for language in LANGUAGES:
        for seed in range(50):
            text, reading = review(language, random.Random(seed))
            assert "_" not in text
            assert not set(reading["good"]) & set(reading["bad"])
            assert set(reading["good"] + reading["bad"]) <= set(aspects())
            assert all(tag.lower() in text.lower() for tag in reading["tags"])


def test_briefs_have_five_lines_and_end_with_what_is_open() -> None:
    turns = [t for t in write_turns(300, 2) if t.language == "zh"]
    asked = next(t for t in turns if t.frame["intent"] == "order")
    found = next(t for t in turns if t.frame["intent"] == "find" and t.frame["slots"].get("category"))
    conversation, lines = brief([found, asked], random.Random(0))
    assert [who for who, _ in conversation] == ["shopper", "shop", "shopper"]
    assert len(lines.splitlines()) == 5
    assert found.frame["slots"]["category"][0] in lines.splitlines()[0]
    assert lines.endswith(asked.text)
