"""What a product is like, against what a shopper met: sigmoid(<W x + b, y>).

x is the shopper's vector, the mean of the vectors of the products met, the latest counting most; y is the
product's vector, of its text and tags. W and b are learned from what shoppers met next, beside products
drawn at random that they did not meet. A new product is scored by its content as any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assistant.ranking.behaviour import Floats, Ints

DECAY = 0.8  # what the product before the latest counts, against the latest


@dataclass(frozen=True)
class Content:
    """`vectors` (P, D) of unit length or zero; `weight` (D, D) is W and `bias` (D,) is b."""

    vectors: Floats
    weight: Floats
    bias: Floats

    def score(self, histories: Sequence[Ints]) -> Floats:
        """<W x + b, y> (B, P); the sigmoid would change no order."""
        shoppers = np.stack([shopper_vector(self.vectors, h) for h in histories])  # (B, D)
        return np.asarray((shoppers @ self.weight.T + self.bias) @ self.vectors.T, dtype=np.float32)


def shopper_vector(vectors: Floats, history: Ints) -> Floats:
    """The mean vector (D,) of a history, the latest products counting most; zero for an empty one."""
    recent = history[-50:]
    if not len(recent):
        return np.zeros(vectors.shape[1], dtype=np.float32)
    weights = DECAY ** np.arange(len(recent) - 1, -1, -1)
    return np.asarray(weights @ vectors[recent] / weights.sum(), dtype=np.float32)
