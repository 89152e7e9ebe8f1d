"""Pictures are let in or refused, embedded once, and found again."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sqlalchemy import Engine

from catalog.embedding import EmbeddedEncoder
from catalog.pictures import (
    MOST_BYTES,
    EmbeddedPictureEncoder,
    Picture,
    PictureEncoder,
    PictureError,
    PictureSearch,
    embed_pictures,
    picture_hash,
    read_picture,
    reader,
)
from catalog.search import Search
from catalog.store import ProductStore
from catalog.types import Filters, Query
from tests.toy_shop import PRODUCTS

COLORS = {"red": (220, 40, 40), "blue": (40, 60, 220), "green": (40, 180, 60)}


def file_of(color: str, format: str = "PNG", size: tuple[int, int] = (64, 48)) -> bytes:
    target = BytesIO()
    Image.new("RGB", size, COLORS[color]).save(target, format)
    return target.getvalue()


class MeanColor:
    """A picture is its mean colour; breaks after `most` pictures."""

    name = "mean colour"

    def __init__(self, most: int = 1_000) -> None:
        self.seen = 0
        self._most = most

    def encode(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        if self.seen + len(pictures) > self._most:
            raise KeyboardInterrupt
        self.seen += len(pictures)
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


class TestLetIn:
    @pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
    def test_pictures(self, format: str) -> None:
        picture = read_picture(file_of("red", format))
        assert (picture.mode, picture.size) == ("RGB", (64, 48))

    def test_what_is_transparent_is_white(self) -> None:
        target = BytesIO()
        Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(target, "PNG")
        assert read_picture(target.getvalue()).getpixel((0, 0)) == (255, 255, 255)

    def test_a_photo_stands_upright(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6  # the camera was turned by a quarter
        target = BytesIO()
        Image.new("RGB", (64, 48)).save(target, "JPEG", exif=exif)
        assert read_picture(target.getvalue()).size == (48, 64)


class TestRefused:
    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"not a picture",
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            b"GIF89a" + bytes(40),
            file_of("red")[:60],
            b"\x89PNG\r\n\x1a\n" + b"<html>",
        ],
    )
    def test_what_is_no_picture_is_named_so(self, data: bytes) -> None:
        with pytest.raises(PictureError, match="no JPEG, PNG or WebP picture, or it is damaged"):
            read_picture(data)

    def test_a_file_too_large(self) -> None:
        with pytest.raises(PictureError, match="10 MB"):
            read_picture(bytes(MOST_BYTES + 400_000))

    @pytest.mark.parametrize("side", [7_000, 30_000])
    def test_a_small_file_that_would_fill_the_memory(self, side: int) -> None:
        target = BytesIO()
        Image.new("1", (side, side)).save(target, "PNG")
        assert len(target.getvalue()) < MOST_BYTES
        with pytest.raises(PictureError, match="more than 40 million pixels"):
            read_picture(target.getvalue())

    @pytest.mark.parametrize("image", ["../secret.png", "/etc/passwd", "images/../../secret.png"])
    def test_files_outside_the_shop(self, image: str, tmp_path: Path) -> None:
        with pytest.raises(PictureError, match="outside the shop's folder"):
            reader(tmp_path)(image)


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
        monkeypatch.setattr("catalog.pictures.BATCH", 1)
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


def test_the_embedded_encoder_tells_shapes_apart() -> None:
    encoder = EmbeddedPictureEncoder()
    vectors = encoder.encode([read_picture(file_of(name)) for name in ("red", "blue")])
    assert vectors.shape == (2, 1280)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert vectors[0] @ vectors[1] < 0.999


def test_a_hash_is_of_the_content() -> None:
    assert picture_hash(b"a") != picture_hash(b"b")
