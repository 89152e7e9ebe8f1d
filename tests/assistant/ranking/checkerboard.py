"""Behaviour in which the right answer is visible: even shoppers meet even products, odd ones odd products."""

import numpy as np

from assistant.ranking.behaviour import Behaviour, Floats

SHOPPERS, PRODUCTS, MET = 60, 20, 6


def checkerboard(seed: int = 0) -> Behaviour:
    rng = np.random.default_rng(seed)
    rows = []
    for shopper in range(SHOPPERS):
        own = np.arange(shopper % 2, PRODUCTS, 2)
        rows += [(shopper, int(p), float(t), 1.0) for t, p in enumerate(rng.choice(own, MET, replace=False))]
    return Behaviour.sorted([f"s{n}" for n in range(SHOPPERS)], [f"p{n}" for n in range(PRODUCTS)], rows)


def vectors() -> Floats:
    """Even products are alike, odd ones are; each has something of its own."""
    rng = np.random.default_rng(1)
    raw = rng.normal(0, 0.3, (PRODUCTS, 8))
    raw[::2, 0] += 2
    raw[1::2, 1] += 2
    return np.asarray(raw / np.linalg.norm(raw, axis=1, keepdims=True), dtype=np.float32)
