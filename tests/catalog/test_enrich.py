"""Reviews are read once and summed up, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from catalog.enrich import (
    BATCH,
    DISTRUSTED,
    opinions,
    pleased,
    read_reviews,
    readings,
    review_hash,
    sum_up,
    trust,
)
from catalog.store import ProductStore
from catalog.types import Opinion, Product, Reading, Review
from tests.toy_shop import PRODUCTS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIT, TIGHT = Review("Lin", 5, "Fits well."), Review("Mei", 2, "Too tight, but soft.")
SAID = {
    review_hash(FIT.text): Reading("positive", ("fit",)),
    review_hash(TIGHT.text): Reading("negative", ("comfort",), ("fit",), ("tight",)),
}


class Scripted:
    """Reads what it knows, fails on `unreadable`, and breaks after `most` texts."""

    name = "scripted@1"

    def __init__(self, most: int = 1_000, unreadable: str = "") -> None:
        self.read_texts: list[str] = []
        self._most, self._unreadable = most, unreadable

    def read(self, text: str) -> Reading | None:
        if len(self.read_texts) == self._most:
            raise KeyboardInterrupt
        self.read_texts.append(text)
        return None if text == self._unreadable else SAID.get(review_hash(text), Reading("positive", ("quality",)))


def reviewed(*reviews: Review) -> Product:
    return replace(PRODUCTS[0], reviews=reviews)


def test_what_buyers_say_is_counted_by_aspect(engine: Engine) -> None:
    store = ProductStore(engine)
    store.upsert([reviewed(FIT, replace(FIT, author="Ann"), TIGHT), PRODUCTS[1]])
    version = store.version()
    assert read_reviews(engine, Scripted()) == 2  # equal texts are read once
    assert sum_up(store, Scripted.name) == 1
    assert store.version() > version
    found = store.get("red-scarf")
    assert found is not None
    assert found.opinions == (Opinion("fit", 2, 1), Opinion("comfort", 1, 0))


def test_opinions_outlive_an_import_and_are_no_change_of_the_feed(engine: Engine) -> None:
    store = ProductStore(engine)
    store.upsert([reviewed(FIT)])
    read_reviews(engine, Scripted())
    sum_up(store, Scripted.name)
    assert store.upsert([reviewed(FIT)]).unchanged == 1
    store.upsert([replace(reviewed(FIT), stock=1)])
    found = store.get("red-scarf")
    assert found is not None
    assert found.opinions == (Opinion("fit", 1, 0),)


def test_a_run_that_was_killed_loses_a_batch_at_most(engine: Engine) -> None:
    texts = [f"Review number {n}." for n in range(2 * BATCH)]
    ProductStore(engine).upsert([reviewed(*(Review("Lin", 5, text) for text in texts))])
    with pytest.raises(KeyboardInterrupt):
        read_reviews(engine, Scripted(most=BATCH + 10))
    assert len(readings(engine, Scripted.name)) == BATCH
    rest = Scripted()
    assert read_reviews(engine, rest) == len(rest.read_texts) == BATCH


def test_what_could_not_be_read_is_tried_again(engine: Engine) -> None:
    ProductStore(engine).upsert([reviewed(FIT, TIGHT)])
    assert read_reviews(engine, Scripted(unreadable=TIGHT.text)) == 2
    assert read_reviews(engine, Scripted()) == 1


def test_suspicious_reviews_count_less() -> None:
    long = "I have used this every day for a month and would buy it again."
    copies = [Review("a", 5, long), Review("b", 5, long), Review("c", 4, "Fine.")]
    assert trust(copies) == [0.5, 0.5, 1.0]
    spread = [Review(str(n), 5, f"Good {n}.", created=NOW + timedelta(days=30 * n)) for n in range(5)]
    assert trust(spread) == [1.0] * 5
    burst = [replace(r, created=NOW + timedelta(hours=n)) for n, r in enumerate(spread)]
    assert trust([*burst, Review("z", 4, "Fine.", created=NOW + timedelta(days=99))]) == [DISTRUSTED] * 5 + [1.0]
    assert trust([FIT, TIGHT], frozenset({"Lin"})) == [DISTRUSTED, 1.0]
    assert opinions([FIT, TIGHT], SAID, frozenset({"Lin"})) == (Opinion("comfort", 1, 0), Opinion("fit", DISTRUSTED, 1))


def test_an_account_that_only_praises_counts_less(engine: Engine) -> None:
    store = ProductStore(engine)
    praise = [replace(p, reviews=(replace(FIT, author="Fan"),)) for p in PRODUCTS[:11]]
    store.upsert([*praise, replace(PRODUCTS[11], reviews=(FIT,))])
    read_reviews(engine, Scripted())
    sum_up(store, Scripted.name)
    fan, lin = store.get("red-scarf"), store.get("jacket")
    assert fan is not None and lin is not None  # noqa: PT018
    assert (fan.opinions, lin.opinions) == ((Opinion("fit", DISTRUSTED, 0),), (Opinion("fit", 1, 0),))


def test_few_voices_say_little() -> None:
    assert 0.75 == pleased(()) < pleased([Opinion("fit", 1, 0)]) < pleased([Opinion("fit", 20, 0)])
