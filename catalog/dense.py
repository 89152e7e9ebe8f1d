"""Vectors to ranked product ids: a scan over the products that pass the filters.

Up to a few thousand products the scan is exact. Above that, mean-centred sign bits choose
candidates by Hamming distance and their vectors are compared exactly, which needs no training
and takes any filter as it comes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Engine, func, select

from catalog.schema import ProductRow, VectorRow

EXACT = 4_096  # products compared without the bits
RESCORE = 16  # candidates by bits, per result asked for
GATHER = 4
SLICE = 32_768  # products whose bits fit into the processor's cache


@dataclass(frozen=True)
class VectorIndex:
    """Product vectors in memory.

    ids: (N,) row ids, ascending. vectors: (N, D) float16, unit length. codes: (D/64, N) uint64,
    the signs around `mean` (D,).
    """

    ids: NDArray[np.int64]
    vectors: NDArray[np.float16]
    codes: NDArray[np.uint64]
    mean: NDArray[np.float32]

    @classmethod
    def empty(cls) -> "VectorIndex":
        """The index of a catalog without any vector."""
        return cls.build(np.zeros(0, np.int64), np.zeros((0, 1), np.float16))

    @classmethod
    def build(cls, ids: NDArray[np.int64], vectors: NDArray[np.float16]) -> "VectorIndex":
        """Sort by id and take the sign bits."""
        mean = np.zeros(vectors.shape[1], np.float32)
        if len(ids):
            mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        return cls._sorted(ids, vectors, _sign_bits(vectors, mean), mean)

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
            statement = select(ProductRow.id, VectorRow.vector).join(VectorRow, has).where(later)
            ids, vectors = _collect(connection.execute(statement), len(changed))
        if len(changed) > len(self.ids):
            return self.load(engine, has)
        is_new = np.ones(len(ids), dtype=bool)
        known = self._rows(ids)  # of those that stand here
        stands = np.isin(ids, self.ids)
        is_new[stands] = (self.vectors[known] != vectors[stands]).any(axis=1)
        leaves = np.isin(self.ids, np.setdiff1d(changed, ids[~is_new]))
        if not is_new.any() and not leaves.any():
            return self
        ids, vectors = ids[is_new], vectors[is_new]
        stays = ~leaves
        return self._sorted(
            np.concatenate([self.ids[stays], ids]),
            np.concatenate([self.vectors[stays], vectors]),
            np.concatenate([self.codes[:, stays], _sign_bits(vectors, self.mean)], axis=1),
            self.mean,
        )

    @classmethod
    def _sorted(
        cls, ids: NDArray[np.int64], vectors: NDArray[np.float16], codes: NDArray[np.uint64], mean: NDArray[np.float32]
    ) -> "VectorIndex":
        if (np.diff(ids) > 0).all():  # as a database mostly gives them: a copy of a million vectors is spared
            return cls(ids, vectors, codes, mean)
        order = np.argsort(ids)
        return cls(ids[order], vectors[order], codes[:, order], mean)

    def rank(self, query: NDArray[np.float32], allowed: NDArray[np.int64], k: int, rescore: int = RESCORE) -> list[int]:
        """Ids of the `k` products nearest to `query` (D,) among the `allowed` ids (ascending).

        Of more than `EXACT`, those nearest by bits are compared: `rescore` times as many as asked for.
        """
        rows = self._rows(allowed)
        if not len(rows):
            return []
        if len(rows) > max(EXACT, rescore * k):
            rows = self._nearest_by_bits(query, rows, rescore * k)
        scores = self.vectors[rows].astype(np.float32) @ query  # (rows,)
        best = np.argsort(-scores, kind="stable")[:k]
        return [int(i) for i in self.ids[rows[best]]]

    def _rows(self, allowed: NDArray[np.int64]) -> NDArray[np.intp]:
        """Where the allowed products stand; those without a vector stand nowhere."""
        known = allowed[allowed < len(self._row_of)]
        rows = self._row_of[known]
        return rows[rows >= 0]

    @cached_property
    def _row_of(self) -> NDArray[np.intp]:
        """Row id -> row, -1 where there is none; a table, since a search in 100,000 ids takes milliseconds."""
        table = np.full(int(self.ids[-1]) + 1 if len(self.ids) else 0, -1, dtype=np.intp)
        table[self.ids] = np.arange(len(self.ids))
        return table

    def _nearest_by_bits(self, query: NDArray[np.float32], rows: NDArray[np.intp], count: int) -> NDArray[np.intp]:
        """The `count` rows whose bits are nearest to the query's, and those that are just as near as the last."""
        code = _sign_bits(query[None], self.mean)[:, 0]  # (D/64,)
        most = len(rows) * GATHER > len(
            self.ids
        )  # then all are compared: to pick codes costs more than to compare them
        distances = _hamming(self.codes if most else self.codes[:, rows], code)
        distances = distances[rows] if most else distances
        limit = np.searchsorted(np.bincount(distances).cumsum(), count)
        return rows[distances <= limit]


def _hamming(codes: NDArray[np.uint64], code: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """How many bits of each of (D/64, N) codes differ from those of one (D/64,), in slices that stay in the cache."""
    distances = np.zeros(codes.shape[1], dtype=np.uint16)
    for start in range(0, len(distances), SLICE):
        part = distances[start : start + SLICE]
        for own, asked in zip(codes[:, start : start + SLICE], code, strict=True):
            part += np.bitwise_count(own ^ asked)
    return distances


def _sign_bits(vectors: NDArray[Any], mean: NDArray[np.float32]) -> NDArray[np.uint64]:
    """(N, D) floats -> (ceil(D/64), N) words of sign bits, in slices that spare memory."""
    words = -(-vectors.shape[1] // 64)
    codes = np.zeros((words, len(vectors)), dtype=np.uint64)
    for start in range(0, len(vectors), SLICE):
        bits = np.packbits(vectors[start : start + SLICE] > mean, axis=1)
        padded = np.zeros((len(bits), words * 8), dtype=np.uint8)
        padded[:, : bits.shape[1]] = bits
        codes[:, start : start + SLICE] = padded.view(np.uint64).T
    return codes


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
