"""Search on the toy shop, with the real encoder."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event

from catalog.embedding import Embedder, embed_products
from catalog.search import Search
from catalog.store import ProductStore
from catalog.types import Filters, Query
from tests.toy_shop import PRODUCTS, product


@pytest.fixture
def store(engine: Engine) -> Iterator[ProductStore]:
    """Of either kind of database: what holds for one holds for the other."""
    yield ProductStore(engine)
    engine.dispose()


def ids(search: Search, text: str, k: int = 10, **filters: object) -> list[str]:
    return [c.product.external_id for c in search.search(Query(text, Filters(**filters), k))]  # type: ignore[arg-type]


def test_chinese_finds_an_english_feed(toy: Search) -> None:
    assert ids(toy, "红色的围巾")[0] == "red-scarf"


def test_english_finds_a_chinese_title(toy: Search) -> None:
    assert ids(toy, "waterproof rain jacket")[0] == "jacket"
    assert ids(toy, "冲锋衣")[0] == "jacket"


def test_price_bounds_are_exact(toy: Search) -> None:
    assert set(ids(toy, "scarf", price_max=Decimal("89"), include={"category": ("scarf",)})) == {
        "red-scarf",
        "navy-scarf",
    }
    assert set(ids(toy, "scarf", price_min=Decimal("89.01"), include={"category": ("scarf",)})) == {"blue-scarf"}


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ({"color": ("蓝色",)}, {"blue-scarf", "navy-scarf", "trail"}),
        ({"color": ("navy",)}, {"navy-scarf"}),
        ({"material": ("真丝",)}, {"blue-scarf", "black-dress"}),
        ({"size": ("42码",)}, {"trail"}),
        ({"brand": ("velora",)}, {"trail", "road"}),
        ({"brand": ("Nike",)}, set()),
        ({"category": ("围巾",)}, {"red-scarf", "blue-scarf", "navy-scarf"}),
        ({"category": ("跑步鞋",), "color": ("red", "blue")}, {"trail", "road"}),
    ],
)  # fmt: skip
def test_facets(toy: Search, include: dict[str, tuple[str, ...]], expected: set[str]) -> None:
    assert set(ids(toy, "something nice", include=include)) == expected


@pytest.mark.parametrize(
    ("exclude", "gone"),
    [
        ({"color": ("red",)}, {"red-scarf", "red-dress", "road"}),
        ({"material": ("皮",)}, {"bag"}),
        ({"brand": ("Lune",)}, {"red-dress", "black-dress"}),
        ({"feature": ("waterproof",)}, {"trail", "jacket"}),
    ],
)  # fmt: skip
def test_exclusions(toy: Search, exclude: dict[str, tuple[str, ...]], gone: set[str]) -> None:
    everything = {p.external_id for p in PRODUCTS if p.stock}
    assert set(ids(toy, "something nice", k=50, exclude=exclude)) == everything - gone


def test_free_of_is_not_with(toy: Search) -> None:
    assert "choc" in ids(toy, "chocolate", exclude={"feature": ("sugar",)})


def test_out_of_stock_is_never_found(toy: Search) -> None:
    assert "sold-out" not in ids(toy, "white running shoes", k=50)


def test_filters_come_before_the_cut(toy: Search, store: ProductStore, embedder: Embedder) -> None:
    """The one that fits is found however many better matches do not."""
    store.upsert(product(f"d{n}", f"Red summer dress {n}", "500", "dress", color="red") for n in range(300))
    embed_products(store, embedder)
    assert ids(toy, "red summer dress", k=5, price_max=Decimal(200))[0] == "red-dress"


def test_a_change_of_stock_is_seen_at_once(toy: Search, store: ProductStore) -> None:
    assert ids(toy, "canvas backpack")[0] == "canvas-bag"
    store.set_stock("canvas-bag", 0)
    assert "canvas-bag" not in ids(toy, "canvas backpack")


def test_relaxations_name_the_limit_and_the_nearest(toy: Search) -> None:
    filters = Filters(include={"category": ("dress",), "color": ("red",)}, price_max=Decimal(100))
    assert toy.count(filters) == 0
    first = toy.relaxations(filters)[0]
    assert (first.limit, first.nearest, first.found) == ("price_max", Decimal(199), 1)


def test_no_text_gives_the_most_liked(toy: Search, store: ProductStore) -> None:
    store.upsert([replace(PRODUCTS[0], rating=5.0, review_count=999)])
    assert ids(toy, "", k=1) == ["red-scarf"]


@pytest.mark.parametrize("text", ['"', "AND OR NOT", "a*b(c)", "'; DROP TABLE products; --", "\x00", "💥" * 50, "的"])
def test_any_text_can_be_searched(toy: Search, text: str) -> None:
    ids(toy, text, include={"category": (text,)}, exclude={"feature": (text,), "color": (text,)})
    assert toy.count(Filters()) == 11


def test_a_search_sends_few_statements(store: ProductStore, embedder: Embedder) -> None:
    """The catalog's version, the limits, vectors, words, records: on a server each is a round trip."""
    store.upsert(PRODUCTS)
    embed_products(store, embedder)
    search = Search(store, embedder)
    search.search(Query("a red scarf of silk", Filters(price_max=Decimal(500)), 1))  # learns which words are common
    sent: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        sent.append(statement)

    event.listen(store.engine, "before_cursor_execute", note)
    asked = Query("a red scarf of silk", Filters(price_max=Decimal(300)), 5)
    assert len(search.search(asked)) == 5
    assert len(sent) == (4 if store.engine.dialect.name == "sqlite" else 5)
    sent.clear()
    assert len(search.search(asked)) == 5
    assert len(sent) == (2 if store.engine.dialect.name == "sqlite" else 3)  # limits and records are remembered


def test_a_search_holds_one_connection_at_a_time(store: ProductStore, embedder: Embedder) -> None:
    """Whoever waited for a second one while holding the first would wait for ever where all are held."""
    store.upsert(PRODUCTS)
    embed_products(store, embedder)
    narrow = create_engine(store.engine.url, pool_size=1, max_overflow=0, pool_timeout=1)
    search = Search(ProductStore(narrow), embedder)
    assert search.search(Query("a red scarf", Filters(price_max=Decimal(300)), 5))
    store.touch([1])  # what is in memory is read again
    assert search.search(Query("a red scarf", Filters(price_max=Decimal(200)), 5))
    assert search.relaxations(Filters(price_max=Decimal(1)))
    assert search.search(Query("", k=3))
    narrow.dispose()
