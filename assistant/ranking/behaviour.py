"""What all shoppers did, as arrays: the one form that recommenders learn from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from assistant.profile import AVERSE, weight_of
from catalog.types import Interaction

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Behaviour:
    """Interactions, sorted by shopper and then by time.

    `shoppers` and `products` are ids; their places are the numbers in `shopper` (N,) and `product` (N,).
    `time` (N,) is in seconds, `weight` (N,) says how much an interaction tells about taste.
    """

    shoppers: Sequence[str]
    products: Sequence[str]
    shopper: Ints
    product: Ints
    time: npt.NDArray[np.float64]
    weight: Floats

    @classmethod
    def of(cls, interactions: Iterable[Interaction], products: Sequence[str] = ()) -> "Behaviour":
        """The behaviour that `interactions` record; `products` come first in the numbering, known or not."""
        shoppers: dict[str, int] = {}
        places: dict[str, int] = {product: at for at, product in enumerate(products)}
        rows = [
            (
                shoppers.setdefault(i.shopper, len(shoppers)),
                places.setdefault(i.product, len(places)),
                i.time.timestamp(),
                weight_of(i),
            )
            for i in interactions
        ]
        return cls.sorted(list(shoppers), list(places), rows)

    @classmethod
    def met(cls, history: Iterable[Interaction], products: Sequence[str]) -> "Behaviour":
        """The behaviour of a history without what was disliked or sent back, which nobody shall be shown for it."""
        return cls.of((i for i in history if i.kind not in AVERSE), products)

    @classmethod
    def sorted(
        cls, shoppers: Sequence[str], products: Sequence[str], rows: Sequence[tuple[int, int, float, float]]
    ) -> "Behaviour":
        """From (shopper, product, time, weight) rows in any order; equal times keep the order given."""
        table: Any = np.array(rows, dtype=np.float64).reshape(-1, 4)
        table = table[np.lexsort((np.arange(len(table)), table[:, 2], table[:, 0]))]
        shopper, product, time, weight = table.T
        return cls(
            shoppers, products, shopper.astype(np.int64), product.astype(np.int64), time, weight.astype(np.float32)
        )

    def __len__(self) -> int:
        return len(self.shopper)

    @cached_property
    def _starts(self) -> Ints:
        return np.searchsorted(self.shopper, np.arange(len(self.shoppers) + 1))

    def sequence(self, shopper: int) -> Ints:
        """The products of one shopper, earliest first."""
        return self.product[self._starts[shopper] : self._starts[shopper + 1]]

    def sequences(self) -> list[Ints]:
        """The products of every shopper, earliest first."""
        return [self.sequence(shopper) for shopper in range(len(self.shoppers))]

    def meetings(self) -> "Behaviour":
        """A view, a click and a purchase of one product in a row as one."""
        same = (self.shopper[1:] == self.shopper[:-1]) & (self.product[1:] == self.product[:-1])
        return self._where(~np.insert(same, 0, False)[: len(self)])

    def matrix(self) -> Any:
        """Sparse (shoppers, products) with the summed weights, never below zero."""
        shape = len(self.shoppers), len(self.products)
        summed = csr_matrix((self.weight, (self.shopper, self.product)), shape=shape)
        summed.data = np.maximum(summed.data, 0)
        summed.eliminate_zeros()
        return summed

    def counts(self) -> Ints:
        """How often each product was met (products,)."""
        return np.bincount(self.product, minlength=len(self.products))

    def without_last(self, count: int) -> "Behaviour":
        """Each shopper's interactions but for the last `count`."""
        left = self._starts[self.shopper + 1] - np.arange(len(self))
        return self._where(left > count)

    def of_shoppers(self, chosen: npt.NDArray[np.bool_]) -> "Behaviour":
        """What those did who are marked in `chosen` (shoppers,); the numbering stays."""
        return self._where(chosen[self.shopper])

    def _where(self, kept: npt.NDArray[np.bool_]) -> "Behaviour":
        return replace(
            self,
            shopper=self.shopper[kept],
            product=self.product[kept],
            time=self.time[kept],
            weight=self.weight[kept],
        )


def indicator(words: Sequence[Iterable[Any]]) -> Any:
    """Sparse (rows, distinct words): 1 / number of words where a row has the word."""
    places: Mapping[Any, int] = {w: n for n, w in enumerate(dict.fromkeys(w for row in words for w in row))}
    pairs = [(at, places[w], 1 / len(row)) for at, row in enumerate(map(list, words)) for w in row]
    rows, columns, values = zip(*pairs, strict=True) if pairs else ((), (), ())
    return csr_matrix((np.array(values, np.float32), (rows, columns)), shape=(len(words), max(1, len(places))))
