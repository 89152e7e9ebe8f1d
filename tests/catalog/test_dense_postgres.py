"""Vectors in PostgreSQL: the index and the exact way give what comparing everything gives."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, create_engine, select, text

from catalog import bits, dense_postgres
from catalog.dense_postgres import PostgresVectors
from catalog.embedding import add_vectors
from catalog.rows import embedding_texts, vector_hash
from catalog.schema import ProductRow, open_database, reading
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


def ranked(store: ProductStore, remote: PostgresVectors, asked: Any, dearest: int = COUNT) -> list[int]:
    """What is found for 10 among the products that cost no more."""

    limit = ProductRow.price <= Decimal(dearest)
    with reading(store.engine) as connection:

        def passing() -> Any:
            return np.array(sorted(connection.scalars(select(ProductRow.id).where(limit))))

        return names(store, remote.rank(connection, asked, [limit], passing, 10))


@pytest.mark.parametrize("way", ["all compared", "bits", "HNSW", "HNSW, few pass"])
@pytest.mark.parametrize("dearest", [COUNT, 60])
def test_the_nearest_that_pass(
    store: ProductStore, vectors: Any, way: str, dearest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "bits":
        monkeypatch.setattr(bits, "EXACT", 10)
    elif way != "all compared":
        monkeypatch.setattr(dense_postgres, "MANY", 10)
        monkeypatch.setattr(dense_postgres, "FEW", 10 if way == "HNSW" else 20_000)
    assert PostgresVectors.usable(store.engine)
    remote = PostgresVectors(store.engine, MODEL)
    remote.refresh()
    hits = 0
    for asked in vectors[:20]:
        found = ranked(store, remote, asked, dearest)
        right = nearest(vectors, asked, np.arange(dearest), 10)
        assert len(found) == 10
        assert max(found) < dearest
        hits += len(set(found) & set(right))
    assert hits >= (200 if way in ("all compared", "HNSW, few pass") else 190)


def test_the_index_is_used_for_many(store: ProductStore, vectors: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense_postgres, "MANY", 10)
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
    seen, changed = store.version(), product("p3", "Another thing", "4", "thing")
    store.upsert([changed, product("p400", "A new thing", "5", "thing")])
    remote.refresh(seen)
    assert 3 not in ranked(store, remote, vectors[3])
    seen = store.version()
    known = {vector_hash(embedding_texts(p)): -vectors[n] for n, p in ((3, changed), (4, store.get("p400"))) if p}
    add_vectors(store.engine, MODEL, known)
    with reading(store.engine) as connection:
        later = list(connection.scalars(select(ProductRow.id).where(ProductRow.changed > 1)))
    store.touch(later)
    remote.refresh(seen)
    assert ranked(store, remote, -vectors[3])[0] == 3
    assert ranked(store, remote, -vectors[4], 1_000)[0] == 400


def test_an_empty_shop_finds_nothing(database: Engine) -> None:
    PostgresVectors.usable(database)
    remote = PostgresVectors(database, MODEL)
    remote.refresh()
    with reading(database) as connection:
        assert remote.rank(connection, np.ones(WIDTH, np.float32), [], lambda: np.zeros(0, np.int64), 10) == []


def test_sqlite_has_none(tmp_path: Any) -> None:
    assert not PostgresVectors.usable(open_database(f"sqlite:///{tmp_path}/shop.db"))
