"""What does it cost to keep vectors smaller? float32 -> float16, int8, bits, bits with the best compared again.

The vectors are those of copies of the sample shop's products, the queries are real ones; what is near is what float32
says. Every kind is scanned whole, in one thread. int8 is sentence-transformers' quantization (by the range of each dimension); bits
are signs around the mean, alone or with the vectors of `RESCORE` times as many as are asked for compared.
"""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.evaluation.search import SEED, K, copied_vectors, queries
from catalog.bits import RESCORE
from catalog.dense import VectorIndex
from catalog.embedding import EmbeddedEncoder

SLICE = 16_384
Floats = NDArray[np.float32]
Nearest = Callable[[Floats], Sequence[int]]  # a query (D,) -> the rows nearest to it, the nearest first


def run(size: int, count: int) -> list[dict[str, Any]]:
    """A row for each kind."""
    vectors = copied_vectors(size)
    asked = EmbeddedEncoder().embed([q.text for q in queries(count, random.Random(SEED))])
    kinds: dict[str, tuple[Nearest, float]] = {
        "float32": _scan(vectors), "float16": _scan(vectors.astype(np.float16)), "int8": _int8(vectors),
        "bits": _bits(vectors, 1), f"bits, {RESCORE} x compared again": _bits(vectors, RESCORE),
    }  # fmt: skip
    exact = [kinds["float32"][0](query) for query in asked]
    return [{"kind": name, "products": size, **_row(nearest, bytes_each, asked, exact)} for name, (nearest, bytes_each) in kinds.items()]  # fmt: skip


def _row(nearest: Nearest, bytes_each: float, asked: Floats, exact: Sequence[Sequence[int]]) -> dict[str, Any]:
    times, recall = [], []
    for query, right in zip(asked, exact, strict=True):
        began = time.perf_counter()
        found = nearest(query)
        times.append(1_000 * (time.perf_counter() - began))
        recall.append(len(set(found) & set(right)) / K)
    return {"MB a million": round(bytes_each), f"recall@{K}": round(float(np.mean(recall)), 3),
            "p50 ms": round(float(np.median(times)), 1)}  # fmt: skip


def _scan(vectors: NDArray[Any], scale: Floats | None = None) -> tuple[Nearest, float]:
    """All vectors against the query, a slice at a time as float32; `scale` (D,) is what a step of each number is worth."""

    def nearest(query: Floats) -> Sequence[int]:
        scaled = query if scale is None else query * scale
        parts = (
            vectors[at : at + SLICE].astype(np.float32, copy=False) @ scaled for at in range(0, len(vectors), SLICE)
        )
        return _best(np.concatenate(list(parts)))

    return nearest, vectors.shape[1] * vectors.itemsize


def _int8(vectors: Floats) -> tuple[Nearest, float]:
    from sentence_transformers.quantization import quantize_embeddings

    ranges = np.stack([vectors.min(axis=0), vectors.max(axis=0)])
    return _scan(quantize_embeddings(vectors, "int8", ranges=ranges), (ranges[1] - ranges[0]) / 255)


def _bits(vectors: Floats, rescore: int) -> tuple[Nearest, float]:
    index = VectorIndex.build(np.arange(len(vectors)), vectors.astype(np.float16))
    kept = vectors.shape[1] / 8 + (2 * vectors.shape[1] if rescore > 1 else 0)
    return lambda query: index.rank(query, index.ids, K, rescore), kept


def _best(scores: Floats) -> Sequence[int]:
    near = np.argpartition(-scores, K)[:K]
    return [int(i) for i in near[np.argsort(-scores[near])]]
