"""The colours of a picture, by name: those that its product is seen to have, its background left out.

Pixels take the name of the nearest of the colours below, by distance in CIELAB (CIE 1976), where equal steps look
about equal. Silver and gold are left out: without their shine they are a grey and a yellow.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

SIDE = 64  # pixels that are looked at, each way
RING = 3  # pixels at the edge, which show the background if anything does
NEAR = (5.0, 14.0)  # from the edge's colour, least and most that is background; an eye just tells 2.3 apart
SPREAD = 3.0  # how much farther than most of the edge it may be
EVEN = 0.6  # share of the edge in a few colours from which they are a background
MOST_GROUNDS = 3
PATCH = 0.06  # share of the edge that a colour of the background takes
LEAST = 0.04  # share of the picture that a product takes; less, and it has the background's colour
SHARE = 0.4  # of the product that a colour takes to be named
MOST = 2
# Names of `vocabulary.yaml`, each by a few of its colours from light to dark.
NAMED: Mapping[str, tuple[str, ...]] = {
    "black": ("#000000", "#161616", "#262626", "#30302e"),
    "white": ("#ffffff", "#f6f6f6", "#f3f2ea"),
    "grey": ("#d3d3d3", "#a9a9a9", "#8a8d91", "#696969", "#4f5256"),
    "red": ("#ff0000", "#e23c3c", "#c81e1e", "#a61717"),
    "burgundy": ("#800020", "#5e1224"),
    "pink": ("#ffc0cb", "#ff8fab", "#ff69b4", "#e75480"),
    "orange": ("#ffb347", "#ff8c00", "#e8701a"),
    "coral": ("#ff7f50", "#f88379"),
    "yellow": ("#ffff66", "#ffd700", "#e8b923", "#d4a017"),
    "green": ("#90ee90", "#4caf50", "#228b22", "#006400", "#2e8b57"),
    "olive": ("#808000", "#6b6b2a", "#556b2f"),
    "mint": ("#b2f2d9", "#98e8c1"),
    "teal": ("#40c0b8", "#20a2a0", "#008080"),
    "blue": ("#add8e6", "#6fa8dc", "#1e90ff", "#3a6fd8", "#0047ab", "#2433c8", "#0000ff"),
    "navy": ("#1f2f5c", "#14213d", "#000080"),
    "purple": ("#c8a2c8", "#9370db", "#7b4fb0", "#800080", "#4b0082"),
    "brown": ("#a0683a", "#8b4513", "#6f4e37", "#4e3020"),
    "tan": ("#d2a679", "#c19a6b"),
    "beige": ("#f5ecd5", "#e6d5b0", "#d6c4a0"),
}


def color_names(picture: Image.Image) -> tuple[str, ...]:
    """At most `MOST` names, what is seen most first; at least one."""
    pixels = _lab(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)).reshape(SIDE, SIDE, 3)
    seen = _product(pixels)
    counts = Counter(_nearest(seen))
    names = [name for name, count in counts.most_common(MOST) if count >= SHARE * len(seen)]
    return tuple(names or [counts.most_common(1)[0][0]])


def _product(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The pixels (N, 3) of a picture (S, S, 3) that are not its background."""
    inside = np.zeros(pixels.shape[:2], dtype=bool)
    inside[RING:-RING, RING:-RING] = True
    edge = pixels[~inside]
    grounds = list(_grounds(edge))
    if not grounds:  # a scene: what is shown stands in its middle
        quarter = SIDE // 4
        return pixels[quarter:-quarter, quarter:-quarter].reshape(-1, 3)
    own = pixels[np.all([_distance(pixels, ground) >= near for ground, near in grounds], axis=0)]
    return own if len(own) >= LEAST * SIDE * SIDE else edge


def _grounds(edge: NDArray[np.float32]) -> Iterator[tuple[NDArray[np.float32], float]]:
    """The few colours that the edge (N, 3) is made of, each with how far from it is background still; none of a scene."""
    found: list[tuple[NDArray[np.float32], float]] = []
    rest = edge
    while len(rest) > PATCH * len(edge) and len(found) < MOST_GROUNDS:
        alike = (_distance(rest[:, None], rest) < NEAR[1]).sum(axis=1)
        patch = rest[_distance(rest, rest[alike.argmax()]) < NEAR[1]]
        ground = np.median(patch, axis=0)
        near = float(np.clip(SPREAD * np.quantile(_distance(patch, ground), EVEN), *NEAR))
        found.append((ground, near))
        rest = rest[_distance(rest, ground) >= near]
    if len(rest) < (1 - EVEN) * len(edge):
        yield from found


def _nearest(pixels: NDArray[np.float32]) -> list[str]:
    names, points = _palette()
    return [names[at] for at in _distance(pixels[:, None], points).argmin(axis=1)]


@cache
def _palette() -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """(name of each point, points in CIELAB (N, 3))."""
    pairs = [(name, color) for name, colors in NAMED.items() for color in colors]
    row = Image.new("RGB", (len(pairs), 1))
    for at, (_, color) in enumerate(pairs):
        row.paste(color, (at, 0, at + 1, 1))
    return tuple(name for name, _ in pairs), _lab(row)


def _lab(picture: Image.Image) -> NDArray[np.float32]:
    """RGB pixels in CIELAB (N, 3): lightness 0 to 100, a and b about -128 to 127."""
    found = ImageCms.applyTransform(picture, _transform())
    assert found is not None  # it is None for a change in place only
    bytes_ = np.asarray(found).reshape(-1, 3)
    signed = bytes_[:, 1:].view(np.int8).astype(np.float32)
    return np.concatenate([bytes_[:, :1] * np.float32(100 / 255), signed], axis=1)


@cache
def _transform() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")


def _distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[Any]:
    return np.asarray(np.linalg.norm(one - other, axis=-1))
