"""Are the colours of a product seen in its picture? The name of the mean of all pixels -> the product's own colours.

Asked of the sample shop's drawings, whose feed names the colour; `navy` counts as `navy` and as `blue`, as for filters.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PIL import Image

from catalog.colors import color_names
from catalog.facets import Vocabulary
from catalog.pictures import Picture
from catalog.sample.build import build_products
from catalog.sample.pictures import draw, rasterised

Name = Callable[[Picture], Sequence[str]]


def mean_color(picture: Picture) -> tuple[str, ...]:
    """The baseline: all pixels as one."""
    return color_names(picture.resize((1, 1), Image.Resampling.BOX))


SYSTEMS: Mapping[str, Name] = {"mean of all pixels": mean_color, "colours of the product": color_names}


def run(progress: Callable[[str], Any], most: int | None = None) -> list[dict[str, Any]]:
    """Precision, recall and F1 over (product, colour) for each system, and how many products have a colour right."""
    vocabulary = Vocabulary.load()
    products = [p for p in build_products() if p.values("color", "en")][:most]
    counts: dict[str, Counter[str]] = {name: Counter() for name in SYSTEMS}
    for number, product in enumerate(products, start=1):
        progress(f"drawing {number} of {len(products)}")
        picture = rasterised(draw(product))
        wanted = _all_names(vocabulary, product.values("color", "en"))
        for name, system in SYSTEMS.items():
            found = _all_names(vocabulary, system(picture))
            counts[name] += Counter(
                hit=len(wanted & found), wanted=len(wanted), found=len(found), right=bool(wanted & found)
            )
    return [_row(name, own, len(products)) for name, own in counts.items()]


def _all_names(vocabulary: Vocabulary, words: Sequence[str]) -> set[str]:
    return {name for word in words for name in vocabulary.with_broader(vocabulary.canonical("color", word))}


def _row(name: str, own: Counter[str], products: int) -> dict[str, Any]:
    return {
        "colours": name,
        "products": products,
        "precision": round(own["hit"] / own["found"], 3),
        "recall": round(own["hit"] / own["wanted"], 3),
        "f1": round(2 * own["hit"] / (own["found"] + own["wanted"]), 3),
        "a colour right": round(own["right"] / products, 3),
    }
