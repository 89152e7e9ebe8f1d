"""Learning from shoppers whose histories stay where they are: a shop, a branch or a device learns on its own, and sends
weights, never histories.

A round sends the weights out, lets everybody go on from them on their own behaviour, and takes the mean of what comes back
(McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", 2017). The content model can be
shared by shops that sell different things, for it knows products by their texts' vectors alone; the sequence model knows
them by their places, and is for branches and devices of one catalog. Of its products each member meets few, so that the mean
hardly moves them: there the server takes a step of Adam along it, which is as long for what is seldom met (FedAdam; Reddi et
al., "Adaptive Federated Optimization", 2021). What carries the rounds is `assistant.training.flower`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from assistant.ranking.behaviour import Behaviour, Floats, Ints
from assistant.ranking.blend import RankerError
from assistant.ranking.sequence import SequenceRecipe
from assistant.training.content import ContentWeights, learn_content
from assistant.training.ranker import Start
from assistant.training.sequence_network import SequenceNetwork, pad
from catalog.types import Interaction

STEPS = 40  # of the content model, in each round
HISTORIES = 16  # of each member, that a round of the sequence model learns from
RATE, BETAS, TAU = 2e-3, (0.9, 0.99), 1e-8  # of the server's Adam
Weights = Mapping[str, Floats]
# (weights sent out, mean of what came back) -> weights of the next round
Step = Callable[[Weights, Weights], Weights]


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
        return cls(Behaviour.met(history, products), vectors)

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
    """Learns the sequence model: in a round, one step of gradient descent on some of the member's histories.

    `content` (P, F) tells what the products are like; they stand in the same order everywhere.
    """

    behaviour: Behaviour
    content: Any
    recipe: SequenceRecipe

    @staticmethod
    def begin(products: int, content: Any, recipe: SequenceRecipe) -> Weights:
        """What everybody begins with."""
        torch.manual_seed(recipe.seed)
        return SequenceNetwork(products, content, recipe).weights()

    def first(self) -> Weights:
        return self.begin(len(self.behaviour.products), self.content, self.recipe)

    def network(self, weights: Weights) -> SequenceNetwork:
        """The network with some weights; it is the same one each time."""
        self._network.take(weights)
        return self._network

    def learn(self, weights: Weights, number: int) -> tuple[Weights, int]:
        rng = np.random.default_rng((self.recipe.seed, number))
        chosen = rng.permutation(len(self._histories))[:HISTORIES]
        if not len(chosen):
            return weights, 0
        network = self.network(weights).train()
        network.zero_grad()
        network.loss(pad([self._histories[at] for at in chosen], self.recipe.length + 1)).backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.grad is not None:
                    parameter.sub_(parameter.grad)  # a rate of one: how far to go is for the server to say
        return network.weights(), sum(len(self._histories[at]) - 1 for at in chosen)

    @cached_property
    def _network(self) -> SequenceNetwork:
        return SequenceNetwork(len(self.behaviour.products), self.content, self.recipe)

    @cached_property
    def _histories(self) -> list[Ints]:
        return [h for h in self.behaviour.sequences() if len(h) > 1]


class Adam:
    """The server's step along the mean of what members learned, by Adam (Reddi et al., 2021, algorithm 2)."""

    def __init__(self) -> None:
        self._rounds = 0
        self._means: dict[str, Floats] = {}
        self._squares: dict[str, Floats] = {}

    def __call__(self, weights: Weights, mean: Weights) -> Weights:
        self._rounds += 1
        return {name: self._gone(name, value, mean[name] - value) for name, value in weights.items()}

    def _gone(self, name: str, value: Floats, change: Floats) -> Floats:
        first, second = BETAS
        nothing = np.zeros_like(change)
        self._means[name] = first * self._means.get(name, nothing) + (1 - first) * change
        self._squares[name] = second * self._squares.get(name, nothing) + (1 - second) * change**2
        along = self._means[name] / (1 - first**self._rounds)
        spread = np.sqrt(self._squares[name] / (1 - second**self._rounds))
        return np.asarray(value + RATE * along / (spread + TAU), dtype=np.float32)


def take_mean(weights: Weights, mean: Weights) -> Weights:
    """FedAvg: what the members learned is what they go on with."""
    return mean


def rounds_of(learners: Sequence[Learner], rounds: int, step: Step = take_mean) -> Iterator[Weights]:
    """The weights after each of some rounds among learners in this process, as a server would have them."""
    weights = learners[0].first()
    for number in range(1, rounds + 1):
        weights = step(weights, mean_of([learner.learn(weights, number) for learner in learners]))
        yield weights


def mean_of(learned: Sequence[tuple[Weights, int]]) -> Weights:
    """The mean of weights, each counting by its examples."""
    total = sum(examples for _, examples in learned)
    names = learned[0][0]
    return {
        name: np.sum([np.asarray(w[name], np.float32) * (n / total) for w, n in learned], axis=0, dtype=np.float32)
        for name in names
    }


def in_order(products: Sequence[str]) -> Ints:
    """Where each place of a federation's sequence model is among `products`: by their ids, the same in every shop."""
    return np.array(sorted(range(len(products)), key=products.__getitem__), dtype=np.int64)


def load_start(path: Path, products: Sequence[str], width: int) -> Start:
    """What a federation learned, for a shop with `products` and vectors of `width` numbers to go on from.

    Raises `RankerError` for what does not fit.
    """
    try:
        with np.load(path) as file:
            learned = {name: file[name] for name in file.files}
    except OSError as error:
        raise RankerError(f"{path} cannot be read: {error}") from error
    except ValueError as error:
        raise RankerError(f"{path} is not what a federation learned: it holds no arrays") from error
    if "weight" in learned:
        if learned["weight"].shape != (width, width):
            raise RankerError(f"{path} is for vectors of {len(learned['weight'])} numbers, not {width}")
        return Start(content=ContentWeights(**learned))
    if "own.weight" not in learned:
        raise RankerError(f"{path} is not what a federation learned: it has {', '.join(learned) or 'nothing'}")
    if len(learned["own.weight"]) != len(products) + 1:
        raise RankerError(f"{path} is for {len(learned['own.weight']) - 1} products, not {len(products)}")
    for name in ("own.weight", "known"):
        placed = learned[name].copy()
        placed[in_order(products)] = learned[name][: len(products)]
        learned[name] = placed
    return Start(sequence=learned)


def epsilon(noise: float, rounds: int, delta: float) -> float:
    """The privacy that `rounds` of everybody with Gaussian noise of `noise` times the clip spend, of each member.

    By Rényi differential privacy, the least over its orders (Mironov, 2017): rounds * a / (2 noise^2) + log(1/delta)/(a-1).

    >>> round(epsilon(noise=5.0, rounds=10, delta=1e-3), 2)
    2.55
    """
    orders = np.linspace(1.01, 200, 20_000)
    return float((rounds * orders / (2 * noise**2) + math.log(1 / delta) / (orders - 1)).min())
