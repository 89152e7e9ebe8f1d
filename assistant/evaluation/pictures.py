"""Is a product found by a photo of it? A histogram of colours -> our encoder, all others of the set in the way.

The query is a copy of a picture, turned, cropped or lit in another way. Recall@5 is 1 for a query whose original is
among the five most alike. Same category@5 is the share of pictures that have another of their category among the five
most alike beside themselves, of those whose category has another.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from csv import DictReader
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from catalog.errors import UserError
from catalog.pictures import Picture, PictureEncoder, read_picture, shown_vectors
from catalog.sample.build import build_products
from catalog.sample.pictures import draw, rasterised

BINS = 8  # of each colour
K = 5
BATCH = 32
Encode = Callable[[Sequence[Picture]], NDArray[np.float32]]


@dataclass(frozen=True)
class Labelled:
    """A picture and what it shows."""

    picture: Picture
    category: str


class Histogram:
    """The baseline: how often each of 512 colours is there."""

    name = "colour histogram"

    def encode(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        rows = []
        for picture in pictures:
            bins = np.asarray(picture.resize((64, 64)), dtype=np.int64).reshape(-1, 3) * BINS // 256
            counts = np.bincount(bins @ (BINS * BINS, BINS, 1), minlength=BINS**3).astype(np.float32)
            rows.append(counts / np.linalg.norm(counts))
        return np.stack(rows)


def _turned(degrees: float) -> Callable[[Picture], Picture]:
    return lambda p: p.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor="white")


def _cropped(share: float) -> Callable[[Picture], Picture]:
    return lambda p: ImageOps.crop(p, (int(p.width * share), int(p.height * share)) * 2)  # type: ignore[arg-type]


def _lit(by: float) -> Callable[[Picture], Picture]:
    return lambda p: ImageEnhance.Brightness(p).enhance(by)


def _warm(picture: Picture) -> Picture:
    return Image.fromarray((np.asarray(picture) * (1.15, 1.0, 0.8)).clip(0, 255).astype(np.uint8))


COPIES: Mapping[str, Callable[[Picture], Picture]] = {
    "turned 15°": _turned(15), "turned 90°": _turned(90), "cropped by 15%": _cropped(0.15), "dark": _lit(0.5),
    "bright": _lit(1.5), "warm light": _warm,
}  # fmt: skip


def grocery(folder: Path) -> list[Labelled]:
    """The photos of the set grocery-iconic, whose categories are its coarse classes."""
    try:
        with (folder / "classes.csv").open(encoding="utf-8", newline="") as file:
            rows = list(DictReader(file))
        return [
            Labelled(
                read_picture((folder / row["Iconic Image Path (str)"].lstrip("/")).read_bytes()),
                row["Coarse Class Name (str)"],
            )
            for row in rows
        ]
    except (OSError, KeyError) as error:
        raise UserError(f"{folder} is not the set grocery-iconic: {error}") from error


def sample() -> list[Labelled]:
    """The sample shop's drawings, whose categories are the kinds of product. Needs `daogou[test]`."""
    return [Labelled(rasterised(draw(p)), p.text("en").category[-1]) for p in build_products()]


def run(encoder: PictureEncoder, pictures: Sequence[Labelled], progress: Callable[[str], Any]) -> list[dict[str, Any]]:
    """A row for the baseline, for our encoder on the pictures as they are, and on several views of each."""
    histogram = Histogram()
    rows = []
    ways: Sequence[tuple[PictureEncoder, Mapping[str, Encode]]] = (
        (histogram, {histogram.name: histogram.encode}),
        (encoder, {f"{encoder.name}, one view": encoder.encode, encoder.name: partial(shown_vectors, encoder)}),
    )
    for looked_with, known_by in ways:
        progress(f"{looked_with.name}: the copies")
        copies = {
            name: _encoded([copy(one.picture) for one in pictures], looked_with.encode) for name, copy in COPIES.items()
        }
        for name, encode in known_by.items():
            progress(f"{name}: the originals")
            rows.append(_row(name, _encoded([one.picture for one in pictures], encode), copies, pictures))
    return rows


def _row(
    name: str, known: NDArray[np.float32], copies: Mapping[str, NDArray[np.float32]], pictures: Sequence[Labelled]
) -> dict[str, Any]:
    """Recall@5 on every kind of copy, their mean, and same category@5."""
    found = {copy: round(_recall(queries, known), 3) for copy, queries in copies.items()}
    return {
        "encoder": name, "pictures": len(pictures), **found, "all copies": round(float(np.mean(list(found.values()))), 3),
        "same category": round(_same_category(known, [one.category for one in pictures]), 3),
    }  # fmt: skip


def _encoded(pictures: Sequence[Picture], encode: Encode) -> NDArray[np.float32]:
    return np.concatenate([encode(pictures[at : at + BATCH]) for at in range(0, len(pictures), BATCH)])


def _recall(queries: NDArray[np.float32], known: NDArray[np.float32]) -> float:
    """Share of the queries (N, D) whose own original (N, D) is among the nearest."""
    likeness = queries @ known.T  # (N, N)
    nearer = (likeness > likeness.diagonal()[:, None]).sum(axis=1)
    return float((nearer < K).mean())


def _same_category(known: NDArray[np.float32], categories: Sequence[str]) -> float:
    likeness = known @ known.T
    np.fill_diagonal(likeness, -np.inf)
    nearest = np.argsort(-likeness, axis=1)[:, :K]
    sizes = Counter(categories)
    found = [any(categories[n] == c for n in near) for near, c in zip(nearest, categories, strict=True) if sizes[c] > 1]
    return float(np.mean(found)) if found else 0.0
