"""Sign bits of vectors: which of a million may be near a query, in some milliseconds, with any filter as it comes.

A bit says on which side of the mean of its dimension a vector lies; that few of two vectors' bits differ says that they
are probably alike, and the vectors themselves decide. Nothing is trained.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXACT = 4_096  # products compared without the bits
RESCORE = 16  # candidates by bits, per result asked for
GATHER = 4  # from one product in so many on all codes are compared: to pick them costs more
SLICE = 32_768  # products whose bits fit into the processor's cache


@dataclass(frozen=True)
class BitIndex:
    """ids: (N,) row ids, ascending. codes: (D/64, N) uint64, the signs around `mean` (D,)."""

    ids: NDArray[np.int64]
    codes: NDArray[np.uint64]
    mean: NDArray[np.float32]

    def candidates(self, query: NDArray[np.float32], rows: NDArray[np.intp], count: int) -> NDArray[np.intp]:
        """Of some rows the `count` whose bits are nearest to a query's (D,), and those that are as near as the last.

        Few rows are all candidates.
        """
        if len(rows) <= max(EXACT, count):
            return rows
        code = sign_bits(query[None], self.mean)[:, 0]  # (D/64,)
        most = len(rows) * GATHER > len(self.ids)
        distances = _hamming(self.codes if most else self.codes[:, rows], code)
        distances = distances[rows] if most else distances
        limit = np.searchsorted(np.bincount(distances).cumsum(), count)
        return rows[distances <= limit]

    def rows(self, ids: NDArray[np.int64]) -> NDArray[np.intp]:
        """Where products stand, by ascending ids; those that are not here stand nowhere."""
        known = ids[ids < len(self._row_of)]
        rows = self._row_of[known]
        return rows[rows >= 0]

    def replaced(
        self, gone: NDArray[np.int64], ids: NDArray[np.int64], codes: NDArray[np.uint64]
    ) -> tuple["BitIndex", NDArray[np.intp]]:
        """The index without `gone` and with `ids`, and where its rows come from: of this one's, the new ones behind."""
        stays = np.flatnonzero(~np.isin(self.ids, gone))
        source = np.concatenate([stays, len(self.ids) + np.arange(len(ids))])
        merged = np.concatenate([self.ids[stays], ids])
        order = np.argsort(merged)
        all_codes = np.concatenate([self.codes[:, stays], codes], axis=1)
        return BitIndex(merged[order], all_codes[:, order], self.mean), source[order]

    @cached_property
    def _row_of(self) -> NDArray[np.intp]:
        """Row id -> row, -1 where there is none; a table, since a search in 100,000 ids takes milliseconds."""
        table = np.full(int(self.ids[-1]) + 1 if len(self.ids) else 0, -1, dtype=np.intp)
        table[self.ids] = np.arange(len(self.ids))
        return table


def sign_bits(vectors: NDArray[Any], mean: NDArray[np.float32]) -> NDArray[np.uint64]:
    """(N, D) floats -> (ceil(D/64), N) words of sign bits, in slices that spare memory."""
    codes = np.zeros((-(-vectors.shape[1] // 64), len(vectors)), dtype=np.uint64)
    for start in range(0, len(vectors), SLICE):
        codes[:, start : start + SLICE] = words_of(np.packbits(vectors[start : start + SLICE] > mean, axis=1))
    return codes


def words_of(bits: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """(N, D/8) bytes of bits -> (ceil(D/64), N) words."""
    padded = np.zeros((len(bits), -(-bits.shape[1] // 8) * 8), dtype=np.uint8)
    padded[:, : bits.shape[1]] = bits
    return padded.view(np.uint64).T


def _hamming(codes: NDArray[np.uint64], code: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """How many bits of each of (D/64, N) codes differ from those of one (D/64,), in slices that stay in the cache."""
    distances = np.zeros(codes.shape[1], dtype=np.uint16)
    for start in range(0, len(distances), SLICE):
        part = distances[start : start + SLICE]
        for own, asked in zip(codes[:, start : start + SLICE], code, strict=True):
            part += np.bitwise_count(own ^ asked)
    return distances
