"""Learning a fusion from products whose pictures alone tell what they are."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from assistant.training.fusion import (
    Examples,
    FusionRecipe,
    learn,
    met_together,
    requests_of,
    same_kind,
    train_fusion,
    wishes_of,
)
from catalog.embedding import embed_products
from catalog.fusion import Fusion, FusionError
from catalog.search import Search
from catalog.store import ProductStore
from catalog.types import Interaction, Opinion, Query
from tests.toy_shop import PRODUCTS

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCARF = PRODUCTS[0]
RECIPE = FusionRecipe(steps=120, batch=64, validation=0.2, validate_every=40)


def pictured(count: int = 64, width: int = 8) -> Examples:
    """Products of `width` sorts that only the picture tells apart; a request is its sort's own vector."""
    sorts = np.arange(count) % width
    requests = np.eye(width, dtype=np.float32)[sorts]
    rng = np.random.default_rng(1)
    mixed = np.linalg.qr(rng.standard_normal((width, width)))[0].astype(np.float32)
    parts = {"text": np.full((count, width), 0.3, np.float32), "picture": requests @ mixed}
    return Examples([SCARF] * count, parts, requests, np.arange(count), np.zeros((0, 2), np.int64), np.zeros(count, np.int64))  # fmt: skip


def test_a_picture_comes_to_stand_where_its_request_does() -> None:
    examples = pictured()
    weights, gates, facts = learn(examples, ["text", "picture"], RECIPE, lambda step: None)
    fused = Fusion("texts", "pictures", (), gates, weights).fuse(examples.parts)
    near = (examples.requests @ fused.T).argmax(axis=1)
    assert (near % 8 == np.arange(64) % 8).mean() > 0.95
    assert facts["recall@10"] >= facts["recall@10 before"]


def test_a_missing_part_leaves_the_others() -> None:
    examples = pictured()
    weights, gates, _ = learn(examples, ["text", "picture"], RECIPE, lambda step: None)
    bare = Fusion("texts", "pictures", (), gates, weights).fuse({"text": examples.parts["text"]})
    assert np.linalg.norm(bare, axis=1) == pytest.approx(1, abs=1e-5)


def test_requests_are_in_the_words_of_the_record() -> None:
    product = replace(SCARF, opinions=(Opinion("comfort", 9, 0), Opinion("fit", 1, 9)))
    assert set(wishes_of(product, "en")) == {"red", "wool", "good comfort"}
    for request in requests_of(product, 5, random.Random(1)):
        assert request.endswith(" scarf")


def test_what_was_looked_at_in_one_visit_and_what_one_shopper_bought_was_met_together() -> None:
    def did(product: str, kind: Any, minutes: int) -> Interaction:
        return Interaction("ann", product, kind, NOW + timedelta(minutes=minutes))

    history = [did("a", "view", 0), did("b", "view", 5), did("c", "view", 500), did("b", "purchase", 501),
               did("a", "purchase", 5_000), did("d", "return", 5_001)]  # fmt: skip
    pairs = set(met_together(history, {"a": 0, "b": 1, "c": 2, "d": 3}))
    assert pairs == {(0, 1), (1, 0), (1, 2), (2, 1)}


def test_rivals_are_of_the_same_kind() -> None:
    kinds = np.array([2, 0, 1, 2, 0])
    rows = np.array([0, 1, 2, 3, 4] * 20)
    assert (kinds[same_kind(kinds, rows, np.random.default_rng(1))] == kinds[rows]).all()


def test_a_shop_learns_and_searches_by_it(store: ProductStore, embedder: Any) -> None:
    many = [replace(p, external_id=f"{p.external_id}-{n}") for n in range(6) for p in PRODUCTS]
    store.upsert(many)
    embed_products(store, embedder)
    fusion, facts = train_fusion(store, embedder, "pictures", replace(RECIPE, steps=40), lambda step: None)
    assert facts["parts"] == ["text", "attributes"]
    found = Search(store, embedder, fusion)
    assert "scarf" in found.search(Query("wool scarf"))[0].product.external_id


def test_too_few_products_are_refused(toy: Search, store: ProductStore, embedder: Any) -> None:
    with pytest.raises(FusionError, match="12 products are too few"):
        train_fusion(store, embedder, "pictures", RECIPE, lambda step: None)
