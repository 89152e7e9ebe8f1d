"""Pictures are let in or refused, and become vectors."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalog.pictures import (
    MOST_BYTES,
    EmbeddedPictureEncoder,
    PictureError,
    picture_hash,
    read_picture,
    reader,
    shown_vectors,
)

COLORS = {"red": (220, 40, 40), "blue": (40, 60, 220), "green": (40, 180, 60)}


def file_of(color: str, format: str = "PNG", size: tuple[int, int] = (64, 48)) -> bytes:
    target = BytesIO()
    Image.new("RGB", size, COLORS[color]).save(target, format)
    return target.getvalue()


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


def test_the_embedded_encoder_tells_shapes_apart() -> None:
    encoder = EmbeddedPictureEncoder()
    vectors = encoder.encode([read_picture(file_of(name)) for name in ("red", "blue")])
    assert vectors.shape == (2, 1280)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert vectors[0] @ vectors[1] < 0.999


def test_what_a_product_is_found_by_is_nearer_to_a_copy_held_askew() -> None:
    encoder, picture = EmbeddedPictureEncoder(), read_picture(file_of("red"))
    shown = shown_vectors(encoder, [picture])[0]
    assert np.linalg.norm(shown) == pytest.approx(1, abs=1e-5)
    plain, copy = encoder.encode([picture, picture.rotate(15, expand=True, fillcolor="white")])
    assert shown @ copy > plain @ copy


def test_a_hash_is_of_the_content() -> None:
    assert picture_hash(b"a") != picture_hash(b"b")
