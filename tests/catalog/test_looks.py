"""Products' pictures are embedded once, and products found by them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Engine, select

from catalog.embedding import EmbeddedEncoder
from catalog.looks import PictureSearch, embed_pictures
from catalog.pictures import VIEWS, Picture, PictureEncoder, read_picture, reader
from catalog.schema import FacetRow, ProductRow
from catalog.search import Search
from catalog.store import ProductStore
from catalog.types import Filters, Product, ProductText, Query
from tests.catalog.test_pictures import COLORS, file_of
from tests.toy_shop import PRODUCTS


class MeanColor:
    """A picture is its mean colour; breaks after `most` pictures."""

    name = "mean colour"

    def __init__(self, most: int = 1_000) -> None:
        self.seen = 0
        self._most = most

    def encode(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        if self.seen + len(pictures) // len(VIEWS) > self._most:
            raise KeyboardInterrupt
        self.seen += len(pictures) // len(VIEWS)
        means = np.stack([np.asarray(p, dtype=np.float32).mean(axis=(0, 1)) for p in pictures])
        return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), dtype=np.float32)


@pytest.fixture
def shop(engine: Engine, tmp_path: Path) -> Iterator[tuple[ProductStore, Path]]:
    """Three products with a picture in a colour each; the first two have the same one."""
    store = ProductStore(engine)
    for name in COLORS:
        (tmp_path / f"{name}.png").write_bytes(file_of(name))
    images = ("red.png", "red.png", "blue.png")
    store.upsert([replace(p, image=image) for p, image in zip(PRODUCTS, images, strict=False)])
    yield store, tmp_path
    engine.dispose()


class TestEmbedding:
    def test_equal_pictures_are_encoded_once(self, shop: tuple[ProductStore, Path]) -> None:
        store, folder = shop
        encoder = MeanColor()
        first = embed_pictures(store, encoder, reader(folder))
        assert (first.encoded, encoder.seen, first.failed) == (2, 2, {})
        again = embed_pictures(store, encoder, reader(folder))
        assert (again.encoded, again.known, encoder.seen) == (0, 0, 2)

    def test_what_changed_is_looked_at_again(self, shop: tuple[ProductStore, Path]) -> None:
        store, folder = shop
        encoder = MeanColor()
        embed_pictures(store, encoder, reader(folder))
        store.upsert([replace(PRODUCTS[0], image="green.png"), replace(PRODUCTS[1], image="red.png")])
        found = embed_pictures(store, encoder, reader(folder))
        assert (found.encoded, encoder.seen) == (1, 3)

    def test_what_cannot_be_read_is_named_and_the_rest_goes_on(self, shop: tuple[ProductStore, Path]) -> None:
        store, folder = shop
        (folder / "bad.png").write_bytes(b"not a picture")
        store.upsert([replace(PRODUCTS[0], image="bad.png"), replace(PRODUCTS[1], image="none.png")])
        found = embed_pictures(store, MeanColor(), reader(folder))
        assert found.encoded == 1
        assert "damaged" in found.failed[PRODUCTS[0].external_id]
        assert "none.png: No such file" in found.failed[PRODUCTS[1].external_id]

    def test_a_run_that_was_killed_goes_on(
        self, shop: tuple[ProductStore, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store, folder = shop
        monkeypatch.setattr("catalog.looks.BATCH", 1)
        with pytest.raises(KeyboardInterrupt):
            embed_pictures(store, MeanColor(most=1), reader(folder))
        encoder = MeanColor()
        embed_pictures(store, encoder, reader(folder))
        assert encoder.seen == 1


def test_what_looks_alike_comes_first_and_filters_hold(shop: tuple[ProductStore, Path]) -> None:
    store, folder = shop
    encoder: PictureEncoder = MeanColor()
    embed_pictures(store, encoder, reader(folder))
    search = PictureSearch(store, Search(store, EmbeddedEncoder()), encoder.name)
    vector = encoder.encode([read_picture(file_of("blue"))])[0]
    ids = [p.external_id for p in PRODUCTS[:3]]
    found = search.search(Query("", Filters(in_stock=False)), vector)
    assert next(c.product.external_id for c in found) == ids[2]
    assert len(found) == 3
    dearest = Filters(in_stock=False, price_max=PRODUCTS[0].price)
    assert all(c.product.price <= PRODUCTS[0].price for c in search.search(Query("", dearest), vector))


def test_a_shop_without_pictures_has_nothing_alike(shop: tuple[ProductStore, Path]) -> None:
    store, _ = shop
    vector = MeanColor().encode([read_picture(file_of("blue"))])[0]
    assert PictureSearch(store, Search(store, EmbeddedEncoder()), "none").search(Query(""), vector) == []


def thin(folder: Path) -> list[Product]:
    """Scarves of which the feed has a title and a picture."""
    bare = {"attributes": (), "texts": {"en": ProductText("Scarf")}}
    for name in COLORS:
        (folder / f"{name}.png").write_bytes(file_of(name))
    return [replace(p, image=f"{name}.png", **bare) for p, name in zip(PRODUCTS, COLORS, strict=False)]


def colors(store: ProductStore) -> dict[str, set[str]]:
    """Product -> the colours that filters find it by."""
    statement = select(ProductRow.external_id, FacetRow.value).join(FacetRow, FacetRow.product_id == ProductRow.id)
    found: dict[str, set[str]] = {}
    with store.engine.connect() as connection:
        for product, value in connection.execute(statement.where(FacetRow.facet == "color")):
            found.setdefault(product, set()).add(value)
    return found


RED, BLUE, GREEN = (p.external_id for p in PRODUCTS[:3])


class TestColors:
    def test_those_that_are_seen_where_the_feed_names_none(self, engine: Engine, tmp_path: Path) -> None:
        store = ProductStore(engine)
        store.upsert(thin(tmp_path))
        assert colors(store) == {}
        embed_pictures(store, MeanColor(), reader(tmp_path))
        assert colors(store) == {RED: {"red"}, BLUE: {"blue"}, GREEN: {"green"}}
        engine.dispose()

    def test_what_the_feed_says_stands(self, shop: tuple[ProductStore, Path]) -> None:
        store, folder = shop
        embed_pictures(store, MeanColor(), reader(folder))
        found = colors(store)
        assert found[PRODUCTS[1].external_id] == {"blue"}  # whose picture is red
        assert found[PRODUCTS[2].external_id] == {"navy", "blue"}

    def test_they_come_back_after_an_import(self, store: ProductStore, tmp_path: Path) -> None:
        products = thin(tmp_path)
        store.upsert(products)
        embed_pictures(store, MeanColor(), reader(tmp_path))
        store.upsert([replace(products[0], price=products[0].price + 1)])
        encoder = MeanColor()
        embed_pictures(store, encoder, reader(tmp_path))
        assert encoder.seen == 0
        assert colors(store)[RED] == {"red"}

    def test_filters_let_in_and_leave_out_by_them(self, store: ProductStore, embedder: Any, tmp_path: Path) -> None:
        store.upsert(thin(tmp_path))
        embed_pictures(store, MeanColor(), reader(tmp_path))
        search = Search(store, embedder)
        wanted = search.search(Query("", Filters(include={"color": ("红色",)})))
        assert [c.product.external_id for c in wanted] == [RED]
        others = search.search(Query("", Filters(exclude={"color": ("red",)})))
        assert {c.product.external_id for c in others} == {BLUE, GREEN}


def test_products_that_look_alike(shop: tuple[ProductStore, Path]) -> None:
    store, folder = shop
    embed_pictures(store, MeanColor(), reader(folder))
    search = PictureSearch(store, Search(store, EmbeddedEncoder()), MeanColor.name)
    one, same, _ = (p.external_id for p in PRODUCTS[:3])
    found = search.search_by_product(Query("", Filters(in_stock=False)), one)
    assert [c.product.external_id for c in found[:2]] == [one, same]
    assert search.search_by_product(Query(""), PRODUCTS[5].external_id) == []
