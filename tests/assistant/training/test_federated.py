"""Models learned among members keep the contract of those learned in one place; averaging and its privacy."""

from dataclasses import replace

import numpy as np
import pytest

from assistant.ranking.behaviour import Behaviour
from assistant.ranking.content import Content
from assistant.training.federated import ContentLearner, SequenceLearner, epsilon, mean_of, rounds_of
from tests.assistant.ranking.checkerboard import SHOPPERS, checkerboard, vectors
from tests.assistant.ranking.test_models import RECIPE, RecommenderContract, Scoring


def members(count: int = 4) -> list[Behaviour]:
    """The shoppers of the checkerboard dealt out, even and odd ones to each."""
    of = np.arange(SHOPPERS) // 2 % count
    return [checkerboard().of_shoppers(of == member) for member in range(count)]


class TestContent(RecommenderContract):
    @pytest.fixture(scope="class")
    def model(self) -> Scoring:
        *_, last = rounds_of([ContentLearner(own, vectors()) for own in members()], 5)
        return Content(vectors(), last["weight"], last["bias"])


class TestSequence(RecommenderContract):
    @pytest.fixture(scope="class")
    def model(self) -> Scoring:
        recipe = replace(RECIPE, batch=4)
        learners = [SequenceLearner(own, None, recipe) for own in members()]
        *_, last = rounds_of(learners, 15)
        return learners[0].network(last)


def test_who_has_more_examples_counts_for_more() -> None:
    told = [({"w": np.float32([0, 0])}, 1), ({"w": np.float32([4, 8])}, 3)]
    assert mean_of(told)["w"].tolist() == [3, 6]


def test_nobody_who_has_nothing_changes_anything() -> None:
    empty = checkerboard().of_shoppers(np.zeros(SHOPPERS, dtype=bool))
    learner = ContentLearner(empty, vectors())
    learned, examples = learner.learn(learner.first(), 1)
    assert examples == 0
    assert all(np.array_equal(learned[name], value) for name, value in learner.first().items())


def test_more_noise_and_fewer_rounds_spend_less() -> None:
    assert epsilon(4.0, 10, 1e-3) < epsilon(2.0, 10, 1e-3) < epsilon(2.0, 40, 1e-3)
