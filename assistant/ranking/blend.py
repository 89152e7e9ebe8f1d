"""Feature rows to scores, with exact parts: by weights set by hand, or by trees that learned from what was bought."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from assistant.process import hidden
from assistant.ranking.behaviour import Floats
from assistant.ranking.features import NAMES
from catalog.errors import UserError

# Of the shop that has no trained ranker yet. Features that are not named count nothing.
WEIGHTS: Mapping[str, float] = {
    "text": 1.0,
    "wishes": 1.2,
    "price": 0.3,
    "usual_price": 0.3,
    "rating": 0.5,
    "reviews": 0.02,
    "praise": 0.3,
    "opinion": 0.8,
    "brand": 0.5,
    "kind": 0.2,
    "color": 0.25,
    "reassurance": 0.5,
    "bought": -0.6,
    "disliked": -5.0,
}
# What no history teaches: nobody's mood, size or care for what buyers say of an aspect is in it, and what a shopper
# dislikes they do not buy.
TAUGHT: Mapping[str, float] = {"reassurance": 0.5, "own_size": 0.5, "opinion": 1.5, "disliked": -5.0}
ROUNDS = 1_000
STOP_AFTER = 100  # rounds without a better validation; nDCG rests for 50 before it climbs on
PARAMETERS = {
    "objective": "lambdarank", "metric": "ndcg", "eval_at": [10], "learning_rate": 0.05, "num_leaves": 7,
    "min_data_in_leaf": 50, "lambda_l2": 1.0, "feature_fraction": 0.8, "deterministic": True,
    "force_row_wise": True, "num_threads": 2, "seed": 7, "verbosity": -1, "lambdarank_truncation_level": 20,
}  # fmt: skip


class RankerError(UserError):
    """A trained ranker that cannot be used."""


class Scorer(Protocol):
    """Scores feature rows (N, F) and takes the scores apart."""

    def score(self, rows: Floats) -> Floats:
        """Scores (N,), higher is better, comparable within one list."""
        ...

    def parts(self, rows: Floats) -> Floats:
        """What each feature adds to each score (N, F + 1); the last column is what all rows start from."""
        ...


@dataclass(frozen=True)
class Weighted:
    """A weighted sum of the features; what a row lacks adds nothing."""

    weights: Mapping[str, float]

    def score(self, rows: Floats) -> Floats:
        return np.asarray(self.parts(rows).sum(axis=1))

    def parts(self, rows: Floats) -> Floats:
        weights = np.array([self.weights.get(name, 0.0) for name in NAMES], dtype=np.float32)
        return np.pad(np.nan_to_num(rows) * weights, ((0, 0), (0, 1)))


@dataclass(frozen=True)
class Combined:
    """The sum of several scorers over the same features."""

    scorers: Sequence[Scorer]

    def score(self, rows: Floats) -> Floats:
        return np.asarray(sum(scorer.score(rows) for scorer in self.scorers))

    def parts(self, rows: Floats) -> Floats:
        return np.asarray(sum(scorer.parts(rows) for scorer in self.scorers))


@dataclass(frozen=True)
class Lists:
    """Candidate lists to learn from, one after the other.

    `rows` (N, F) are features, `gains` (N,) say how right a candidate is, `sizes` how long each list is,
    `weights` (lists,) how much each counts, all alike if there are none.
    """

    rows: Floats
    gains: Floats
    sizes: Sequence[int]
    weights: Sequence[float] = ()

    def part(self, start: int, end: int) -> "Lists":
        """The lists from `start` to before `end`."""
        at = np.concatenate([[0], np.cumsum(self.sizes)]).astype(int)
        rows = slice(at[start], at[end])
        return Lists(self.rows[rows], self.gains[rows], self.sizes[start:end], self.weights[start:end])

    def __add__(self, other: "Lists") -> "Lists":
        weights = (self._weights() + other._weights()) if self.weights or other.weights else ()
        return Lists(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.gains, other.gains]),
            [*self.sizes, *other.sizes],
            weights,
        )

    def _weights(self) -> list[float]:
        return list(self.weights) or [1.0] * len(self.sizes)


@dataclass(frozen=True)
class Blend:
    """LambdaMART over named features.

    After Burges, "From RankNet to LambdaRank to LambdaMART", 2010; the parts are SHAP values of the trees
    (Lundberg et al., "Consistent Individualized Feature Attribution for Tree Ensembles", 2018).
    """

    booster: Any

    @classmethod
    def fit(cls, names: Sequence[str], train: Lists, valid: Lists) -> "Blend":
        """Trees that order the lists of `train`, as many as are best for those of `valid`."""
        import lightgbm

        def data(lists: Lists) -> Any:
            weights = np.repeat(lists.weights, lists.sizes) if lists.weights else None
            return lightgbm.Dataset(
                lists.rows, lists.gains, weight=weights, group=list(lists.sizes), feature_name=list(names)
            )

        stop = lightgbm.early_stopping(STOP_AFTER, verbose=False)
        booster = lightgbm.train(PARAMETERS, data(train), ROUNDS, valid_sets=[data(valid)], callbacks=[stop])
        return cls(booster)

    @classmethod
    def load(cls, path: Path) -> "Blend":
        """A blend written by `save`. Raises `RankerError` where LightGBM cannot be loaded."""
        try:
            with hidden("sklearn"):  # of use to those who train by its interface
                import lightgbm
        except OSError as error:  # the wheel brings no OpenMP runtime
            raise RankerError(f"LightGBM cannot be loaded ({error}): apt-get install libgomp1") from error

        return cls(lightgbm.Booster(model_file=path))

    def save(self, path: Path) -> None:
        """Write the trees as text."""
        self.booster.save_model(path)

    def score(self, rows: Floats) -> Floats:
        return np.asarray(self.booster.predict(rows, num_threads=1), dtype=np.float32)

    def parts(self, rows: Floats) -> Floats:
        return np.asarray(self.booster.predict(rows, pred_contrib=True, num_threads=1), dtype=np.float32)
