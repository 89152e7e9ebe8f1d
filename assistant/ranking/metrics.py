"""Measures of a ranked list with one right product, and how sure they are.

>>> place = np.array([1, 3, 11])
>>> [round(float(m), 3) for m in (hit_rate(place).mean(), ndcg(place).mean(), reciprocal(place).mean())]
[0.667, 0.5, 0.475]
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from assistant.ranking.behaviour import Floats, Ints

Values = npt.NDArray[np.float64]
RESAMPLES = 1_000


def places(scores: Floats, targets: Ints) -> Ints:
    """The place (B,), from 1, of each row's target among `scores` (B, P); of equals the target comes last."""
    own = np.take_along_axis(scores, targets[:, None], axis=1)
    return np.asarray((scores >= own).sum(axis=1))


def hit_rate(place: Ints, k: int = 10) -> Values:
    """1 where the target is among the first k: HR@k."""
    return np.where(place <= k, 1.0, 0.0)


def ndcg(place: Ints, k: int = 10) -> Values:
    """1 / log2(place + 1) within the first k, else 0: nDCG@k with one right product."""
    return np.where(place <= k, 1 / np.log2(place + 1.0), 0.0)


def reciprocal(place: Ints) -> Values:
    """1 / place."""
    return 1.0 / place


def interval(values: Values, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of the mean of `values` (N,), by bootstrap over its rows (Efron, 1979)."""
    rng = np.random.default_rng(seed)
    means = [rng.choice(values, len(values)).mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def summary(place: Ints) -> Mapping[str, object]:
    """HR@10 and nDCG@10 with intervals, and MRR."""
    row: dict[str, object] = {}
    for name, values in (("HR@10", hit_rate(place)), ("nDCG@10", ndcg(place))):
        low, high = interval(values)
        row |= {name: round(float(values.mean()), 4), f"{name} 95 %": f"{low:.4f}-{high:.4f}"}
    return {**row, "MRR": round(float(reciprocal(place).mean()), 4)}
