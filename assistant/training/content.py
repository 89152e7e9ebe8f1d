"""Learns what shoppers of a kind of products meet next: W and b of `assistant.ranking.content`."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from assistant.ranking.behaviour import Behaviour, Floats, Ints
from assistant.ranking.content import Content, shopper_vector

Loss = Literal["cross-entropy", "mse", "bpr"]
NEGATIVES = 16  # for each product met
STEPS = 1_500
BATCH = 512
LEARNING_RATE = 3e-3


@dataclass
class ContentWeights:
    """W (D, D), b (D,) and how seldom products are met, which is no part of the ranking."""

    weight: Floats
    bias: Floats
    offset: Floats

    @classmethod
    def first(cls, width: int) -> "ContentWeights":
        """The identity, which recommends what is like the history."""
        return cls(
            4 * np.eye(width, dtype=np.float32), np.zeros(width, dtype=np.float32), np.full(1, -2.0, dtype=np.float32)
        )


def fit_content(
    behaviour: Behaviour,
    vectors: Floats,
    loss: Loss = "cross-entropy",
    seed: int = 7,
    steps: int = STEPS,
    start: ContentWeights | None = None,
) -> Content:
    """W and b learned by Adam, from `start` on."""
    first = start or ContentWeights.first(vectors.shape[1])
    learned = learn_content(first, behaviour, vectors, loss, seed, steps)
    return Content(vectors, learned.weight, learned.bias)


def learn_content(
    start: ContentWeights,
    behaviour: Behaviour,
    vectors: Floats,
    loss: Loss = "cross-entropy",
    seed: int = 7,
    steps: int = STEPS,
) -> ContentWeights:
    """What `start` becomes in so many steps over a behaviour; itself where there is nothing to learn from."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    before, wanted = _pairs(behaviour, vectors)
    weight, bias, offset = (
        torch.nn.Parameter(torch.from_numpy(v.copy())) for v in (start.weight, start.bias, start.offset)
    )
    optimizer = torch.optim.Adam([weight, bias, offset], lr=LEARNING_RATE)
    table = torch.from_numpy(vectors)
    for _ in range(steps if len(wanted) else 0):
        batch = rng.integers(0, len(wanted), BATCH)
        others = torch.from_numpy(rng.integers(0, len(vectors), (BATCH, NEGATIVES)))
        shopper = torch.from_numpy(before[batch]) @ weight.T + bias  # (B, D)
        good = (shopper * table[wanted[batch]]).sum(dim=1, keepdim=True) + offset  # (B, 1)
        bad = (table[others] @ shopper[:, :, None]).squeeze(2) + offset  # (B, N)
        value = _loss(loss, good, bad)
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return ContentWeights(weight.detach().numpy(), bias.detach().numpy(), offset.detach().numpy())


def _loss(kind: Loss, good: torch.Tensor, bad: torch.Tensor) -> torch.Tensor:
    if kind == "bpr":
        return -logsigmoid(good - bad).mean()
    scores = torch.cat([good, bad], dim=1)
    labels = torch.cat([torch.ones_like(good), torch.zeros_like(bad)], dim=1)
    if kind == "mse":
        return ((torch.sigmoid(scores) - labels) ** 2).mean()
    return binary_cross_entropy_with_logits(scores, labels)


def _pairs(behaviour: Behaviour, vectors: Floats) -> tuple[Floats, Ints]:
    """(shopper's vector before, product met) of every interaction but the first of a shopper."""
    before, wanted = [], []
    for sequence in behaviour.sequences():
        for at in range(1, len(sequence)):
            before.append(shopper_vector(vectors, sequence[:at]))
            wanted.append(sequence[at])
    width = vectors.shape[1]
    return np.array(before, dtype=np.float32).reshape(-1, width), np.array(wanted, dtype=np.int64)
