"""Models learned among members keep the contract of those learned in one place; averaging and its privacy."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.ranking.behaviour import Behaviour
from assistant.ranking.blend import RankerError
from assistant.ranking.content import Content
from assistant.training.federated import (
    RATE,
    Adam,
    ContentLearner,
    SequenceLearner,
    epsilon,
    load_start,
    mean_of,
    rounds_of,
)
from assistant.training.sequence import train_sequence
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
        learners = [SequenceLearner(own, None, RECIPE) for own in members()]
        *_, last = rounds_of(learners, 150, Adam())
        return learners[0].network(last)


def test_who_has_more_examples_counts_for_more() -> None:
    told = [({"w": np.float32([0, 0])}, 1), ({"w": np.float32([4, 8])}, 3)]
    assert mean_of(told)["w"].tolist() == [3, 6]


def test_the_first_step_of_adam_is_as_long_for_what_is_seldom_met() -> None:
    """Its length is the rate, whatever the gradient, and its way that of the gradient."""
    step = Adam()({"w": np.float32([1, 1, 1])}, {"w": np.float32([1.5, 1 - 1e-4, 1])})
    assert step["w"] == pytest.approx([1 + RATE, 1 - RATE, 1], abs=1e-5)


def written(path: Path, learned: Mapping[str, Any]) -> Path:
    np.savez(path, **learned)
    return path


def test_a_shop_goes_on_from_what_all_learned(tmp_path: Path) -> None:
    learned = {**ContentLearner.begin(8), "bias": np.full(8, 0.5, dtype=np.float32)}
    start = load_start(written(tmp_path / "federated.npz", learned), ["a", "b"], 8)
    assert start.sequence is None
    assert start.content is not None
    assert start.content.bias.tolist() == [0.5] * 8


def test_products_of_the_sequence_model_go_to_where_the_shop_has_them(tmp_path: Path) -> None:
    learned = dict(SequenceLearner.begin(3, None, RECIPE))
    start = load_start(written(tmp_path / "federated.npz", learned), ["c", "a", "b"], 8)
    assert start.sequence is not None
    own = learned["own.weight"]
    np.testing.assert_array_equal(start.sequence["own.weight"], own[[2, 0, 1, 3]])
    network, _ = train_sequence(
        checkerboard(), None, replace(RECIPE, epochs=0, pretraining_epochs=0), lambda m: 0.0, print
    )
    kept = {name: value.numpy() for name, value in network.state_dict().items()}
    again, _ = train_sequence(
        checkerboard(), None, replace(RECIPE, epochs=0, pretraining_epochs=0, seed=9), lambda m: 0.0, print, start=kept
    )
    assert all(np.array_equal(value.numpy(), kept[name]) for name, value in again.state_dict().items())


@pytest.mark.parametrize(
    ("learned", "said"),
    [
        (ContentLearner.begin(4), "for vectors of 4 numbers, not 8"),
        (SequenceLearner.begin(5, None, RECIPE), "for 5 products, not 2"),
        ({"x": np.zeros(1)}, "not what a federation learned: it has x"),
    ],
)
def test_what_does_not_fit_is_named(learned: Mapping[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(RankerError, match=said):
        load_start(written(tmp_path / "federated.npz", learned), ["a", "b"], 8)


def test_what_is_no_file_of_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "federated.npz").write_text("weights")
    with pytest.raises(RankerError, match="not what a federation learned"):
        load_start(tmp_path / "federated.npz", ["a"], 8)


def test_nobody_who_has_nothing_changes_anything() -> None:
    empty = checkerboard().of_shoppers(np.zeros(SHOPPERS, dtype=bool))
    for learner in (ContentLearner(empty, vectors()), SequenceLearner(empty, None, RECIPE)):
        learned, examples = learner.learn(learner.first(), 1)
        assert examples == 0
        assert all(np.array_equal(learned[name], value) for name, value in learner.first().items())


def test_more_noise_and_fewer_rounds_spend_less() -> None:
    assert epsilon(4.0, 10, 1e-3) < epsilon(2.0, 10, 1e-3) < epsilon(2.0, 40, 1e-3)
