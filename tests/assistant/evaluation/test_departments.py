"""The withheld department is one, and its feed can be read."""

from pathlib import Path

import pytest

from assistant.evaluation.departments import garage, garage_lexicon, run
from assistant.schema import ShopSchema
from assistant.training.lexicon import load_lexicon
from catalog.store import ProductStore
from catalog.types import LANGUAGES, Language
from tests.fakes import ScriptedLLM, frame


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_kind_and_hardly_a_property_is_in_the_lexicon_that_training_fills_phrasings_with(language: Language) -> None:
    written = load_lexicon(language)
    known = {word for d in written.departments for words in d.words.values() for word in words}
    words = garage_lexicon(language).departments[0].words
    assert not known & {*words["category"], *words["brand"]}
    assert len(known & set(words["feature"])) <= 2


def test_its_feed_names_properties_by_names_of_its_own(store: ProductStore) -> None:
    store.upsert(garage())
    schema = ShopSchema(store)
    assert schema.line("front brake pads") == "category brake pads, brake discs; position front"
    assert schema.line("有没有前轮的刹车片") == "category 刹车片, 刹车盘; position 前轮"


def test_a_row_for_each_language_and_way(tmp_path: Path) -> None:
    rows = run(ScriptedLLM(frame("find")), 60, tmp_path, lambda line: None)
    assert [(row["language"], row["system"]) for row in rows] == [
        (language, system) for language in LANGUAGES for system in ("message alone", "with the schema")
    ]
