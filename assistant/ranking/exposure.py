"""A floor under what small brands are shown: so many of the first places, wherever they have something that fits.

After FA*IR (Zehlike et al., 2017) without its test of significance: of the first n places at least floor * n, rounded
down, go to the group, each to the best of it that is left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from catalog.types import Product

HEAD = 0.5  # share of all reviews that the large brands have


@dataclass(frozen=True)
class ExposureFloor:
    """`small` brands get at least `share` of the first places."""

    share: float = 0.0
    small: frozenset[str] = frozenset()

    def applied(self, order: Any, fits: Any, products: Sequence[Product], places: int) -> Any:
        """The order (N,) with its first `places` so filled. Only products that `fits` (N,) marks are moved up."""
        waiting = [int(at) for at in order]
        chosen: list[int] = []
        given = 0
        while waiting and len(chosen) < places:
            short = int(self.share * (len(chosen) + 1)) > given
            best = next((at for at in waiting if short and fits[at] and self._is_small(products[at])), waiting[0])
            given += self._is_small(products[best])
            chosen.append(best)
            waiting.remove(best)
        return np.array([*chosen, *waiting], dtype=np.int64)

    def _is_small(self, product: Product) -> bool:
        return product.brand in self.small


NO_FLOOR = ExposureFloor()


def small_brands(reviews: Mapping[str, int]) -> frozenset[str]:
    """All but the fewest brands that together have half of the reviews.

    >>> sorted(small_brands({"big": 60, "mid": 25, "small": 15}))
    ['mid', 'small']
    """
    head, total = 0, sum(reviews.values())
    large = set()
    for brand, count in sorted(reviews.items(), key=lambda item: -item[1]):
        if head >= HEAD * total:
            break
        head += count
        large.add(brand)
    return frozenset(reviews) - large
