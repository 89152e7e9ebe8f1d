"""Learning from shoppers whose histories stay where they are: a shop, a branch or a device learns on its own, and sends
weights, never histories.

A round sends the weights out, lets everybody go on from them on their own behaviour, and takes the mean of what comes back
(McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", 2017). The content model can be
shared by shops that sell different things, for it knows products by their texts' vectors alone; the sequence model knows
them by their places, and is for branches and devices of one catalog. What carries the rounds is `assistant.training.flower`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from assistant.profile import AVERSE
from assistant.ranking.behaviour import Behaviour, Floats
from assistant.ranking.sequence import SequenceRecipe
from assistant.training.content import ContentWeights, learn_content
from assistant.training.sequence import batches
from assistant.training.sequence_network import SequenceNetwork
from catalog.types import Interaction

STEPS = 40  # of the content model, in each round
Weights = Mapping[str, Floats]


class Learner(Protocol):
    """One member of a federation."""

    def first(self) -> Weights:
        """What everybody begins with, the same for all."""
        ...

    def learn(self, weights: Weights, number: int) -> tuple[Weights, int]:
        """What the weights become here in a round, and from how many examples."""
        ...


@dataclass(frozen=True)
class ContentLearner:
    """Learns W and b of the content model; `vectors` (P, D) are of the member's own products."""

    behaviour: Behaviour
    vectors: Floats
    steps: int = STEPS

    @classmethod
    def of(cls, history: Iterable[Interaction], products: Sequence[str], vectors: Floats) -> "ContentLearner":
        """A shop's own: everything that was met, in the order of its products."""
        return cls(Behaviour.of((i for i in history if i.kind not in AVERSE), products), vectors)

    @staticmethod
    def begin(width: int) -> Weights:
        """What everybody begins with."""
        return vars(ContentWeights.first(width))

    def first(self) -> Weights:
        return self.begin(self.vectors.shape[1])

    def learn(self, weights: Weights, number: int) -> tuple[Weights, int]:
        start = ContentWeights(**weights)
        return vars(learn_content(start, self.behaviour, self.vectors, seed=number, steps=self.steps)), len(
            self.behaviour
        )


@dataclass(frozen=True)
class SequenceLearner:
    """Learns the sequence model, one pass over the member's histories in a round."""

    behaviour: Behaviour
    content: Any
    recipe: SequenceRecipe

    def network(self, weights: Weights | None = None) -> SequenceNetwork:
        """The network with some weights, or as it begins."""
        torch.manual_seed(self.recipe.seed)
        network = SequenceNetwork(len(self.behaviour.products), self.content, self.recipe)
        if weights is not None:
            network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
        return network

    def first(self) -> Weights:
        return _weights(self.network())

    def learn(self, weights: Weights, number: int) -> tuple[Weights, int]:
        network = self.network(weights).train()
        optimizer = torch.optim.Adam(network.parameters(), lr=self.recipe.learning_rate)
        histories = [h for h in self.behaviour.sequences() if len(h) > 1]
        for batch in batches(histories, self.recipe, number):
            loss = network.loss(batch)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
        return _weights(network), sum(len(h) - 1 for h in histories)


def rounds_of(learners: Sequence[Learner], rounds: int) -> Iterator[Weights]:
    """The weights after each of some rounds among learners in this process, as a server would have them."""
    weights = learners[0].first()
    for number in range(1, rounds + 1):
        weights = mean_of([learner.learn(weights, number) for learner in learners])
        yield weights


def mean_of(learned: Sequence[tuple[Weights, int]]) -> Weights:
    """The mean of weights, each counting by its examples."""
    total = sum(examples for _, examples in learned)
    names = learned[0][0]
    return {
        name: np.sum([np.asarray(w[name], np.float32) * (n / total) for w, n in learned], axis=0, dtype=np.float32)
        for name in names
    }


def epsilon(noise: float, rounds: int, delta: float) -> float:
    """The privacy that `rounds` of everybody with Gaussian noise of `noise` times the clip spend, of each member.

    By Rényi differential privacy, the least over its orders (Mironov, 2017): rounds * a / (2 noise^2) + log(1/delta)/(a-1).

    >>> round(epsilon(noise=5.0, rounds=10, delta=1e-3), 2)
    2.55
    """
    orders = np.linspace(1.01, 200, 20_000)
    return float((rounds * orders / (2 * noise**2) + math.log(1 / delta) / (orders - 1)).min())


def _weights(network: SequenceNetwork) -> Weights:
    return {name: tensor.detach().numpy() for name, tensor in network.state_dict().items()}
