"""Vectors to ranked product ids: a scan over the products that pass the filters, in the memory of this process.

Up to a few thousand products the scan is exact. Above that, bits choose candidates (`catalog.bits`) and their vectors are
compared exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Engine, func, select

from catalog.bits import RESCORE, BitIndex, sign_bits
from catalog.schema import ProductRow, VectorRow


@dataclass(frozen=True)
class VectorIndex:
    """Product vectors in memory: (N, D) float16, unit length, in the order of the bits' ids."""

    bits: BitIndex
    vectors: NDArray[np.float16]

    @property
    def ids(self) -> NDArray[np.int64]:
        """(N,) row ids, ascending."""
        return self.bits.ids

    @classmethod
    def empty(cls) -> "VectorIndex":
        """The index of a catalog without any vector."""
        return cls.build(np.zeros(0, np.int64), np.zeros((0, 1), np.float16))

    @classmethod
    def build(cls, ids: NDArray[np.int64], vectors: NDArray[np.float16]) -> "VectorIndex":
        """Sort by id and take the sign bits."""
        if not (np.diff(ids) > 0).all():  # else a copy of a million vectors is spared
            order = np.argsort(ids)
            ids, vectors = ids[order], vectors[order]
        mean = np.zeros(vectors.shape[1], np.float32)
        if len(ids):
            mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        return cls(BitIndex(ids, sign_bits(vectors, mean), mean), vectors)

    @classmethod
    def load(cls, engine: Engine, has: ColumnElement[bool]) -> "VectorIndex":
        """Read the vectors of the products now in the catalog; `has` joins the one with the other."""
        with engine.connect() as connection:
            size = connection.scalar(select(func.count()).select_from(ProductRow).join(VectorRow, has)) or 0
            statement = select(ProductRow.id, VectorRow.vector).join(VectorRow, has)
            return cls.build(*_collect(connection.execution_options(yield_per=4_096).execute(statement), size))

    def updated(self, engine: Engine, has: ColumnElement[bool], since: int) -> "VectorIndex":
        """The index after what was changed in the catalog later than version `since`; the same one if no vector was."""
        later = ProductRow.changed > since
        with engine.connect() as connection:
            changed = np.array(list(connection.scalars(select(ProductRow.id).where(later))), dtype=np.int64)
        if len(changed) > len(self.ids):
            return self.load(engine, has)
        with engine.connect() as connection:
            statement = select(ProductRow.id, VectorRow.vector).join(VectorRow, has).where(later)
            ids, vectors = _collect(connection.execute(statement.order_by(ProductRow.id)), len(changed))
        is_new = np.ones(len(ids), dtype=bool)
        stands = np.isin(ids, self.ids)
        is_new[stands] = (self.vectors[self.bits.rows(ids)] != vectors[stands]).any(axis=1)
        gone = np.intersect1d(np.setdiff1d(changed, ids[~is_new]), self.ids)
        if not is_new.any() and not len(gone):
            return self
        ids, vectors = ids[is_new], vectors[is_new]
        bits, source = self.bits.replaced(gone, ids, sign_bits(vectors, self.bits.mean))
        return VectorIndex(bits, np.concatenate([self.vectors, vectors])[source])

    def rank(self, query: NDArray[np.float32], allowed: NDArray[np.int64], k: int, rescore: int = RESCORE) -> list[int]:
        """Ids of the `k` products nearest to `query` (D,) among the `allowed` ids (ascending).

        Of many, those nearest by bits are compared: `rescore` times as many as asked for.
        """
        rows = self.bits.candidates(query, self.bits.rows(allowed), rescore * k)
        if not len(rows):
            return []
        scores = self.vectors[rows].astype(np.float32) @ query  # (rows,)
        best = np.argsort(-scores, kind="stable")[:k]
        return [int(i) for i in self.ids[rows[best]]]


def _collect(rows: Any, most: int) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """Ids and vectors of at most `most` rows; more than those are left out."""
    pairs: Iterator[tuple[int, NDArray[np.float16]]] = islice(rows, most)
    first = next(pairs, None)
    if first is None:
        return np.zeros(0, np.int64), np.zeros((0, 1), np.float16)
    ids = np.zeros(most, np.int64)
    vectors = np.zeros((most, len(first[1])), np.float16)
    ids[0], vectors[0] = first
    count = 1
    for count, (row_id, vector) in enumerate(pairs, start=2):
        ids[count - 1], vectors[count - 1] = row_id, vector
    return ids[:count], vectors[:count]
