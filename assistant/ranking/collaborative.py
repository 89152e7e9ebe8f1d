"""What others did: neighbours of products, and factors of shoppers and products.

The neighbourhood formula that textbooks give predicts a rating from those of like shoppers,

    r(u, i) = mean(u) + sum over v of sim(u, v) * (r(v, i) - mean(v)) / sum over v of |sim(u, v)|

(Resnick et al., "GroupLens", 1994). Changed here, and why: neighbours are products, not shoppers, since
their likeness is stable between trainings and a shopper's last click counts at once (Sarwar et al., 2001);
weights of interactions take the place of ratings, which most shoppers never give, so that there is no mean
to take off; and the sum is not divided, because for a ranking it is the amount of evidence that counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, diags

from assistant.profile import WEIGHTS
from assistant.ranking.behaviour import Behaviour, Floats, Ints

NEIGHBOURS = 100  # kept for each product
SHRINKAGE = 10.0  # shoppers in common that a likeness must be won from
FACTORS = 64
FEW_BUYERS = 3  # of whom a share says little
ALPHA = 20.0  # weight of what was done over what was not
REGULARISATION = 5.0


@dataclass(frozen=True)
class ItemItem:
    """Products met by the same shoppers. `likeness` is sparse (products, products), the diagonal empty."""

    likeness: Any

    @classmethod
    def fit(cls, behaviour: Behaviour) -> "ItemItem":
        """Cosine over shoppers, shrunk where few have both: c(i, j) / (sqrt(n_i n_j) + shrinkage)."""
        met = behaviour.matrix()
        met.data[:] = 1.0
        busy = np.maximum(np.asarray(met.sum(axis=1)).ravel(), 1)
        met = diags(1 / np.sqrt(busy)) @ met  # who has met everything says little
        common = (met.T @ met).tocsr()
        sizes = np.sqrt(common.diagonal())
        common = common.tocoo()
        values = common.data / (sizes[common.row] * sizes[common.col] + SHRINKAGE / 100)
        off = common.row != common.col
        likeness = csr_matrix((values[off].astype(np.float32), (common.row[off], common.col[off])), common.shape)
        return cls(_strongest(likeness, NEIGHBOURS))

    def near(self, product: int) -> tuple[list[int], list[float]]:
        """(places, likeness) of the neighbours of one product."""
        # Read where they lie: a sparse row of its own takes ten times as long to make.
        row = slice(*self.likeness.indptr[product : product + 2])
        return self.likeness.indices[row].tolist(), self.likeness.data[row].tolist()

    def score(self, histories: Sequence[Ints]) -> Floats:
        """Summed likeness (B, P) of every product to those of each history."""
        scores: Floats = (_bags(histories, self.likeness.shape[0]) @ self.likeness).toarray()
        return scores


@dataclass(frozen=True)
class Factors:
    """Implicit-feedback matrix factorisation: `products` (P, F) and, worked out anew for each history, shoppers.

    Alternating least squares after Hu, Koren & Volinsky, "Collaborative Filtering for Implicit Feedback
    Datasets", 2008, trained by the `implicit` library.
    """

    products: Floats

    @classmethod
    def fit(cls, behaviour: Behaviour, iterations: int = 15, seed: int = 7) -> "Factors":
        """Needs `daogou[train]`."""
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits

        model = AlternatingLeastSquares(
            FACTORS, alpha=ALPHA, regularization=REGULARISATION, iterations=iterations, random_state=seed, num_threads=2
        )
        with threadpool_limits(1, "blas"):  # the library has threads of its own
            model.fit(behaviour.matrix().astype(np.float32), show_progress=False)
        return cls(np.asarray(model.item_factors, dtype=np.float32))

    @cached_property
    def _gram(self) -> Any:
        """What all products together ask of every shopper's factors (F, F)."""
        return self.products.T @ self.products + REGULARISATION * np.eye(self.products.shape[1])

    def score(self, histories: Sequence[Ints]) -> Floats:
        """Scores (B, P): each shopper's factors are the least-squares fit to their history."""
        shoppers = np.zeros((len(histories), self.products.shape[1]), dtype=np.float32)
        for row, history in enumerate(histories):
            met = self.products[history]  # (T, F)
            shoppers[row] = np.linalg.solve(self._gram + ALPHA * met.T @ met, (1 + ALPHA) * met.sum(axis=0))
        scores: Floats = shoppers @ self.products.T
        return scores


def popularity(behaviour: Behaviour, half_life: float = 60 * 86_400) -> Floats:
    """How often each product was met (P,), what is `half_life` seconds old counting half, in [0, 1]."""
    if not len(behaviour):
        return np.zeros(len(behaviour.products), dtype=np.float32)
    age = behaviour.time.max() - behaviour.time
    counts = np.bincount(behaviour.product, 0.5 ** (age / half_life), len(behaviour.products))
    return np.asarray(counts / counts.max(), dtype=np.float32)


@dataclass(frozen=True)
class Trends:
    """When each product was met: `times` (N,) in seconds, ascending within a product; `starts` (P + 1,) are where."""

    times: npt.NDArray[np.float64]
    starts: Ints

    @classmethod
    def fit(cls, behaviour: Behaviour) -> "Trends":
        """From all that was done."""
        order = np.lexsort((behaviour.time, behaviour.product))
        starts = np.searchsorted(behaviour.product[order], np.arange(len(behaviour.products) + 1))
        return cls(behaviour.time[order], starts)

    @property
    def latest(self) -> float:
        """When the latest was met; what happened since then is not known."""
        return float(self.times.max(initial=0.0))

    def since(self, time: float) -> "Trends":
        """The same without what was met before a time."""
        kept = self.times >= time
        counts = np.concatenate([[0], np.cumsum(kept)])
        return Trends(self.times[kept], counts[self.starts])

    def recent(self, places: Ints, before: float, seconds: float) -> Floats:
        """log(1 + times) that products (N,) were met in the `seconds` before a time, which itself is not looked at."""
        until, since = self._met_before(places, before), self._met_before(places, before - seconds)
        return np.asarray(np.log1p(until - since), dtype=np.float32)

    def _met_before(self, places: Ints, time: float) -> Ints:
        """How often products were met before a time, those of the products before them in `times` added."""
        keys, first, span = self._keys
        return np.searchsorted(keys, places * span + min(max(time - first, 0.0), span - 1))

    @cached_property
    def _keys(self) -> tuple[npt.NDArray[np.float64], float, float]:
        """(product * span + time since the first, ascending; the first time; what is longer than all of it)."""
        first = float(self.times.min(initial=self.latest))
        span = self.latest - first + 2
        of = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        return of * span + (self.times - first), first, span


def bought_again(behaviour: Behaviour) -> Floats:
    """The share of its buyers who bought each product on more than one day (P,), less where it has few buyers."""
    own = behaviour.weight >= WEIGHTS["purchase"]
    days = np.unique(
        np.stack([behaviour.shopper[own], behaviour.product[own], behaviour.time[own] // 86_400]).astype(np.int64),
        axis=1,
    )
    buyers, counts = np.unique(days[:2], axis=1, return_counts=True)
    products = len(behaviour.products)
    sold = np.bincount(buyers[1], minlength=products)
    repeated = np.bincount(buyers[1], counts > 1, minlength=products)
    return np.asarray(repeated / (sold + FEW_BUYERS), dtype=np.float32)


def _bags(histories: Sequence[Ints], products: int) -> Any:
    """Sparse (B, P): 1 for every product of a history."""
    rows = np.repeat(np.arange(len(histories)), [len(h) for h in histories])
    columns = np.concatenate([*histories, np.empty(0, dtype=np.int64)])
    bags = csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), (len(histories), products))
    bags.data[:] = 1.0
    return bags


def _strongest(likeness: Any, most: int) -> Any:
    """The `most` greatest values of each row."""
    kept = []
    for row in range(likeness.shape[0]):
        start, end = likeness.indptr[row : row + 2]
        order = start + np.argsort(-likeness.data[start:end], kind="stable")[:most]
        kept.append(np.sort(order))
    chosen = np.concatenate([*kept, np.empty(0, dtype=np.int64)]).astype(np.int64)
    indptr = np.concatenate([[0], np.cumsum([len(k) for k in kept])])
    return csr_matrix((likeness.data[chosen], likeness.indices[chosen], indptr), likeness.shape)
