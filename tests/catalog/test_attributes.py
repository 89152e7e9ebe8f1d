"""Attributes read out of texts stand beside the feed's, on both databases."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from catalog.attributes import (
    BATCH,
    LEAST,
    LEAST_KNOWN,
    LEAST_NEW,
    Conflict,
    Schema,
    found_in,
    merge,
    product_text,
    read_texts,
    said_by,
    same,
    text_hash,
)
from catalog.feeds.jsonlines import write
from catalog.jobs import Part
from catalog.store import ProductStore
from catalog.types import Attribute, Product, ProductText, Said
from tests.toy_shop import PRODUCTS, product

SCARF, DRESS, BAG = PRODUCTS[0], PRODUCTS[3], PRODUCTS[8]
THIN = replace(SCARF, external_id="thin", attributes=())


class Scripted:
    """Says of every text what it is told, and breaks after `most` texts."""

    name = "scripted@1"

    def __init__(self, *said: Said, most: int = 1_000, silent: bool = False) -> None:
        self.read_texts: list[str] = []
        self._said, self._most, self._silent = said, most, silent

    def read(self, text: str) -> tuple[Said, ...] | None:
        if len(self.read_texts) == self._most:
            raise KeyboardInterrupt
        self.read_texts.append(text)
        return None if self._silent else self._said


def said_of(shown: Product, *said: Said) -> dict[str, Sequence[Said]]:
    return {text_hash(product_text(text)): said for text in shown.texts.values()}


def test_what_texts_say_is_written_beside_the_feed_and_searched(engine: Engine) -> None:
    store = ProductStore(engine)
    store.upsert([THIN, DRESS])
    reader = Scripted(Said("color", "Red", 0.4), Said("material", "wool", 0.95), Said("style", "retro", 0.95))
    assert read_texts(store, reader) == 2
    more = {"thin": [Attribute("occasion", "winter", "en", THIN.texts["en"].title, 0.95)]}
    assert merge(store, said_by(engine, reader.name), more)[0] == 1
    found = store.get("thin")
    assert found is not None
    assert found.attributes == (
        Attribute("color", "red", "en", "Red", 0.4),  # spelt as the feed spells it, which names it of another
        Attribute("material", "wool", "en", "wool", 0.95),
        Attribute("occasion", "winter", "en", "Red wool scarf", 0.95),
    )
    assert found.named == ()
    assert {"red", "wool"} <= store.facet_values()["color"] | store.facet_values()["material"]


def test_the_feed_wins_and_what_differs_is_told() -> None:
    schema = Schema.of(PRODUCTS)
    said = said_of(SCARF, Said("color", "green", 0.9), Said("material", "Wool", 0.9), Said("feature", "warm", 0.9))
    added, conflicts = found_in(SCARF, said, schema)
    assert added == (Attribute("feature", "warm", "en", "warm", 0.9),)
    assert conflicts == [Conflict("red-scarf", "color", ("red",), Said("color", "green", 0.9))]


def test_what_the_feed_names_of_no_product_must_be_sure() -> None:
    schema = Schema.of(PRODUCTS)
    assert schema.least("Clothing", "color", "Red") == LEAST_KNOWN
    assert schema.least("Clothing", "color", "teal") == LEAST_NEW
    assert Schema.of([THIN]).least("Clothing", "color", "teal") == LEAST
    doubtful = said_of(THIN, Said("color", "teal", (LEAST_NEW + LEAST) / 2))
    assert found_in(THIN, doubtful, schema)[0] == ()
    assert [a.value for a in found_in(THIN, doubtful, Schema.of([THIN]))[0]] == ["teal"]


def test_a_department_has_the_attributes_that_its_feed_names() -> None:
    schema = Schema.of(PRODUCTS)
    said = said_of(THIN, Said("recipient", "dad", 0.9), Said("category", "scarf", 0.9), Said("color", "teal", 0.9))
    assert found_in(THIN, said, schema)[0] == (Attribute("color", "teal", "en", "teal", 0.9),)
    assert [a.name for a in found_in(THIN, said, Schema.of([THIN]))[0]] == ["recipient", "color"]  # nothing is named


@pytest.mark.parametrize(
    ("title", "description", "text"),
    [
        ("Red scarf", "Soft.", "Red scarf. Soft."),
        ("红色围巾", "柔软。", "红色围巾。柔软。"),
        ("Ready?", "Go.", "Ready? Go."),
        ("", "Soft.", "Soft."),
    ],
)
def test_a_title_is_read_as_a_sentence(title: str, description: str, text: str) -> None:
    assert product_text(ProductText(title, description)) == text


@pytest.mark.parametrize(
    ("name", "span", "values", "alike"),
    [
        ("color", "navy", ["blue"], True),
        ("color", "藏青色", ["navy"], True),
        ("color", "red", ["blue"], False),
        ("style", "Running shoe", ["running shoes"], True),
    ],
)
def test_words_of_one_meaning_are_no_conflict(name: str, span: str, values: list[str], alike: bool) -> None:
    assert same(name, span, values) == alike


def test_a_killed_run_loses_a_batch_at_most(engine: Engine) -> None:
    store = ProductStore(engine)
    store.upsert(product(f"p{n}", f"Scarf {n}", "5", "scarf") for n in range(2 * BATCH))
    with pytest.raises(KeyboardInterrupt):
        read_texts(store, Scripted(most=BATCH + 5))
    assert len(said_by(engine, Scripted.name)) == BATCH
    rest = Scripted()
    assert read_texts(store, rest) == len(rest.read_texts) == BATCH


def test_several_processes_share_the_texts_and_what_was_not_read_is_tried_again(engine: Engine) -> None:
    store = ProductStore(engine)
    store.upsert(product(f"p{n}", f"Scarf {n}", "5", "scarf") for n in range(9))
    assert read_texts(store, Scripted(silent=True)) == 9
    readers = [Scripted() for _ in range(2)]
    counts = [read_texts(store, reader, part=Part(n, 2)) for n, reader in enumerate(readers)]
    assert sum(counts) == 9
    assert all(counts)
    assert read_texts(store, Scripted()) == 0


def test_what_was_found_is_found_again_after_an_import_and_not_exported(engine: Engine, tmp_path) -> None:  # type: ignore[no-untyped-def]
    store, reader = ProductStore(engine), Scripted(Said("color", "red", 0.9))
    store.upsert([THIN])
    read_texts(store, reader)
    assert merge(store, said_by(engine, reader.name), {})[0] == 1
    assert merge(store, said_by(engine, reader.name), {})[0] == 0
    assert store.upsert([THIN]).unchanged == 1
    store.upsert([replace(THIN, stock=1)])
    assert store.get("thin").attributes == ()  # type: ignore[union-attr]
    assert merge(store, said_by(engine, reader.name), {})[0] == 1
    with (tmp_path / "out.jsonl").open("w") as file:
        write(store.all(), file)
    assert '"additionalProperty": []' in (tmp_path / "out.jsonl").read_text()


def test_pictures_keep_their_colours_where_a_text_tells_none(engine: Engine) -> None:
    store = ProductStore(engine)
    store.upsert([BAG, replace(THIN, texts={"en": ProductText("Scarf", "Soft.", ("Clothing", "scarf"))})])
    store.add_picture_colors({"digest": ["green"]})
    store.set_pictures({"thin": "digest"})
    store.set_found({"thin": [Attribute("material", "silk", "en", "silk", 0.9)]})
    assert "green" in store.facet_values()["color"]
    assert "silk" in store.facet_values()["material"]
