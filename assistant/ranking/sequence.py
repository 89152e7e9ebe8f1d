"""What comes next, of a model that `assistant.training.sequence` trained: numpy alone, for one shopper at a time.

The architecture, and what it was made after, is told by `assistant.training.sequence_network`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import erf

from assistant.ranking.behaviour import Floats, Ints

_LAYER_NORM_EPSILON = 1e-5  # torch's


@dataclass(frozen=True)
class SequenceRecipe:
    """Every hyper-parameter of the model and its training."""

    dim: int = 64
    layers: int = 2
    heads: int = 2
    length: int = 50  # products of a history that are looked at, the latest
    dropout: float = 0.5
    own_dropout: float = 0.1  # share of products that must do with their content in a step
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    batch: int = 256  # histories
    epochs: int = 60
    pretraining_epochs: int = 10
    masked: float = 0.2  # share of a history that pre-training hides
    attributes: float = 0.3  # what foreseeing a hidden product's attributes counts beside foreseeing it
    patience: int = 8  # epochs without a better validation nDCG@10
    seed: int = 7


@dataclass(frozen=True)
class SequenceModel:
    """Scores every product as the next one.

    `weights` are named as the network names them; `content` (P, F) is what the products are like, or None. There
    may be more products than the network knew: the new ones, behind the others, have their content alone.
    """

    recipe: SequenceRecipe
    weights: Mapping[str, Floats]
    content: Floats | None = None

    @cached_property
    def vectors(self) -> Floats:
        """Vectors of all products (P, D)."""
        own = self.weights["own.weight"][:-1] * self.weights["known"]
        if self.content is None:
            return np.asarray(own)
        vectors = self.content @ self.weights["content.weight"]
        vectors[: len(own)] += own
        return np.asarray(vectors, dtype=np.float32)

    def extended(self, content: Floats) -> "SequenceModel":
        """The model for more products, `content` (P, F)."""
        return SequenceModel(self.recipe, self.weights, content)

    def score(self, histories: Sequence[Ints]) -> Floats:
        """Scores (B, P) of every product as the next one; an empty history scores all alike."""
        nothing = np.zeros(len(self.vectors), dtype=np.float32)
        return np.stack([self.vectors @ self._state(h) if len(h) else nothing for h in histories])

    def _state(self, history: Ints) -> Floats:
        """What a shopper is up to (D,) after a history."""
        x = self.vectors[history[-self.recipe.length :]] * np.float32(self.recipe.dim**0.5)  # (T, D)
        for number in range(self.recipe.layers):
            x = self._block(f"blocks.{number}.", x)
        return self._norm("after", x[-1])

    def _block(self, name: str, x: Floats) -> Floats:
        """Attention and a feed-forward layer, each after a norm and beside a way round: (T, D) to (T, D)."""
        length, dim = x.shape
        heads = self.recipe.heads
        parts = self._linear(name + "inside", self._norm(name + "norm", x)).reshape(length, 3, heads, dim // heads)
        query, key, value = parts.transpose(1, 2, 0, 3)  # each (H, T, D/H)
        distance = np.arange(length)[:, None] - np.arange(length)[None, :]  # (T, T)
        attention = query @ key.transpose(0, 2, 1) / np.float32((dim // heads) ** 0.5)
        attention += self.weights[name + "bias"][:, np.abs(distance)]
        attention[:, distance < 0] = -np.inf  # nobody looks ahead
        attention = np.exp(attention - attention.max(axis=-1, keepdims=True))
        attention /= attention.sum(axis=-1, keepdims=True)
        x = x + self._linear(name + "outside", (attention @ value).transpose(1, 0, 2).reshape(length, dim))
        wide = self._linear(name + "wide.0", self._norm(name + "forward_norm", x))
        return x + self._linear(name + "wide.3", _gelu(wide))

    def _linear(self, name: str, x: Floats) -> Floats:
        return np.asarray(x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"])

    def _norm(self, name: str, x: Floats) -> Floats:
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + _LAYER_NORM_EPSILON)
        return np.asarray(centred / scale * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"])


def _gelu(x: Floats) -> Floats:
    return np.asarray(x * (1 + erf(x / np.float32(2**0.5))) / 2, dtype=np.float32)
