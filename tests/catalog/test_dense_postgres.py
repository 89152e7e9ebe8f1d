"""Vectors in PostgreSQL: the index and the exact way give what comparing everything gives."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, create_engine, text

from catalog import dense_postgres
from catalog.dense_postgres import PostgresVectors
from catalog.embedding import add_vectors
from catalog.rows import embedding_texts, vector_hash
from catalog.schema import ProductRow, open_database
from catalog.store import ProductStore
from tests.toy_shop import product

pytestmark = pytest.mark.postgres
WIDTH, COUNT, MODEL = 24, 400, "it's: a model"


@pytest.fixture
def database(postgres_url: str) -> Iterator[Engine]:
    with create_engine(postgres_url).begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    engine = open_database(postgres_url)
    yield engine
    engine.dispose()


@pytest.fixture
def vectors() -> Any:
    drawn = np.random.default_rng(1).standard_normal((COUNT, WIDTH)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.fixture
def store(database: Engine, vectors: Any) -> ProductStore:
    """Products that cost 1, 2, 3 ... with a vector each."""
    store = ProductStore(database)
    products = [product(f"p{n}", f"Thing {n}", str(n + 1), "thing") for n in range(COUNT)]
    store.upsert(products)
    add_vectors(database, MODEL, {vector_hash(embedding_texts(p)): v for p, v in zip(products, vectors, strict=True)})
    return store


def names(store: ProductStore, ids: list[int]) -> list[int]:
    found = store.by_id(ids)
    return [int(found[i].external_id[1:]) for i in ids]


def nearest(vectors: Any, asked: Any, rows: Any, k: int) -> list[int]:
    return [int(n) for n in rows[np.argsort(-(vectors[rows] @ asked))[:k]]]


@pytest.mark.parametrize("exact", [20_000, 10])
@pytest.mark.parametrize("dearest", [COUNT, 60])
def test_the_nearest_that_pass(
    store: ProductStore, vectors: Any, exact: int, dearest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense_postgres, "EXACT", exact)
    assert PostgresVectors.usable(store.engine)
    remote = PostgresVectors(store.engine, MODEL)
    remote.refresh()
    hits = 0
    for asked in vectors[:20]:
        found = names(store, remote.rank(asked, [ProductRow.price <= Decimal(dearest)], 10))
        right = nearest(vectors, asked, np.arange(dearest), 10)
        assert len(found) == 10
        assert max(found) < dearest
        hits += len(set(found) & set(right))
    assert hits >= (200 if exact > COUNT else 190)


def test_the_index_is_used_for_many(store: ProductStore, vectors: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense_postgres, "EXACT", 10)
    PostgresVectors.usable(store.engine)
    PostgresVectors(store.engine, MODEL).refresh()
    with store.engine.connect() as connection:
        made = connection.scalar(text("SELECT indexdef FROM pg_indexes WHERE indexname LIKE 'hnsw%'"))
    assert "hnsw" in made
    assert f"halfvec({WIDTH})" in made


def test_it_follows_the_catalog(store: ProductStore, vectors: Any) -> None:
    PostgresVectors.usable(store.engine)
    remote = PostgresVectors(store.engine, MODEL)
    remote.refresh()
    changed = product("p3", "Another thing", "4", "thing")
    store.upsert([changed])
    remote.refresh()
    assert 3 not in names(store, remote.rank(vectors[3], [], 10))
    add_vectors(store.engine, MODEL, {vector_hash(embedding_texts(changed)): vectors[3]})
    remote.refresh()
    assert names(store, remote.rank(vectors[3], [], 10))[0] == 3


def test_an_empty_shop_finds_nothing(database: Engine) -> None:
    PostgresVectors.usable(database)
    remote = PostgresVectors(database, MODEL)
    remote.refresh()
    assert remote.rank(np.ones(WIDTH, np.float32), [], 10) == []


def test_sqlite_has_none(tmp_path: Any) -> None:
    assert not PostgresVectors.usable(open_database(f"sqlite:///{tmp_path}/shop.db"))
