"""One contract for every model of behaviour, on a checkerboard."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from assistant.ranking.behaviour import Behaviour, Floats, Ints
from assistant.ranking.collaborative import Factors, ItemItem, Trends, bought_again, popularity
from assistant.ranking.content import shopper_vector
from assistant.ranking.sequence import SequenceRecipe
from assistant.training.content import fit_content
from assistant.training.sequence import train_sequence
from assistant.training.sequence_network import PAD, SequenceNetwork, pad
from tests.assistant.ranking.checkerboard import PRODUCTS, checkerboard, vectors

RECIPE = SequenceRecipe(dim=16, layers=1, heads=2, length=8, dropout=0.1, epochs=12, pretraining_epochs=2, batch=16,
                        learning_rate=5e-3)  # fmt: skip


class Scoring(Protocol):
    def score(self, histories: Sequence[Ints]) -> Floats: ...


def sequence(content: Any = None, recipe: SequenceRecipe = RECIPE) -> SequenceNetwork:
    return train_sequence(checkerboard(), content, recipe, lambda model: 0.0, lambda step: None)[0]


class RecommenderContract:
    @pytest.fixture
    def model(self) -> Scoring:
        raise NotImplementedError

    def test_like_shoppers_products_come_first(self, model: Scoring) -> None:
        even, odd = model.score([np.array([0, 2, 4]), np.array([1, 3, 5])])
        assert even[6::2].min() > even[7::2].max()
        assert odd[7::2].min() > odd[6::2].max()

    def test_one_score_for_every_product(self, model: Scoring) -> None:
        scores = model.score([np.array([0]), np.empty(0, dtype=np.int64)])
        assert scores.shape == (2, PRODUCTS)
        assert np.isfinite(scores).all()

    def test_a_batch_changes_nothing(self, model: Scoring) -> None:
        short, long = np.array([0, 2]), np.array([1, 3, 5, 7])
        together = model.score([short, long])
        np.testing.assert_allclose(together[0], model.score([short])[0], atol=1e-4)


class TestItemItem(RecommenderContract):
    @pytest.fixture
    def model(self) -> Scoring:
        return ItemItem.fit(checkerboard())


class TestFactors(RecommenderContract):
    @pytest.fixture
    def model(self) -> Scoring:
        return Factors.fit(checkerboard())


class TestContent(RecommenderContract):
    @pytest.fixture(params=["cross-entropy", "mse", "bpr"])
    def model(self, request: pytest.FixtureRequest) -> Scoring:
        return fit_content(checkerboard(), vectors(), request.param)


class TestSequenceNetwork(RecommenderContract):
    @pytest.fixture(scope="class")
    def model(self) -> Scoring:
        return sequence()


class TestSequence(RecommenderContract):
    @pytest.fixture(scope="class", params=[False, True], ids=["own", "with content"])
    def model(self, request: pytest.FixtureRequest) -> Scoring:
        return sequence(vectors() if request.param else None).learned()


@pytest.mark.parametrize("content", [None, vectors()], ids=["own", "with content"])
def test_what_was_learned_scores_as_the_network_does(content: Any) -> None:
    recipe = replace(RECIPE, layers=2)
    network = sequence(content, recipe)
    histories = [np.array([3]), np.array([0, 2, 4, 7]), np.arange(12), np.empty(0, dtype=np.int64)]
    np.testing.assert_allclose(network.learned().score(histories), network.score(histories), atol=1e-4)


def test_sparse_content_is_dense_content() -> None:
    dense, sparse = (SequenceNetwork(PRODUCTS, content, RECIPE) for content in (vectors(), csr_matrix(vectors())))
    sparse.load_state_dict(dense.state_dict())
    history = [np.array([0, 2, 4])]
    np.testing.assert_allclose(dense.score(history), sparse.score(history), atol=1e-5)


def test_attributes_are_foreseen_as_worked_out_by_hand() -> None:
    content = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]], dtype=np.float32)
    model = SequenceNetwork(3, csr_matrix(content), RECIPE)
    states = torch.randn(3, RECIPE.dim)
    products = torch.tensor([1, 0, 2])
    chances = torch.log_softmax(states @ model.content.weight.T, dim=1)
    wanted = -(chances * torch.from_numpy(content[products])).sum() / 3
    assert abs((model.content.loss(states, products) - wanted).item()) < 1e-5
    same = SequenceNetwork(3, content, RECIPE).content
    assert same.loss(torch.from_numpy(content[:2]) @ torch.linalg.pinv(same.weight.T), torch.tensor([0, 1])) < 1e-4


def test_a_product_that_training_never_met_is_scored_by_its_content() -> None:
    new = np.concatenate([vectors(), vectors()[:2]])  # one like the even products, one like the odd ones
    scores = sequence(vectors()).learned().extended(new).score([np.array([0, 2, 4])])[0]
    assert scores.shape == (PRODUCTS + 2,)
    assert scores[-2] > scores[-1]


def test_what_comes_later_changes_no_state() -> None:
    """Attention looks back only: no loss is made easy by the answer."""
    model = SequenceNetwork(PRODUCTS, None, RECIPE).eval()
    histories = pad([np.array([0, 2, 4]), np.array([0, 2, 9])], RECIPE.length)
    states = model.states(histories, model.vectors())
    apart = (states[0] - states[1]).abs().amax(dim=1)
    assert apart[:2].max() < 1e-5 < apart[2]


def test_padding_changes_no_state() -> None:
    model = SequenceNetwork(PRODUCTS, None, RECIPE).eval()
    alone, padded = pad([np.array([0, 2])], 8), pad([np.array([0, 2]), np.arange(6)], 8)
    assert (padded[0, 2:] == PAD).all()
    for causal in (True, False):
        one, other = (model.states(h, model.vectors(), causal)[0, :2] for h in (alone, padded))
        assert (one - other).abs().max() < 1e-5


def test_the_latest_counts_most_in_a_shoppers_vector() -> None:
    table = np.eye(3, dtype=np.float32)
    mean = shopper_vector(table, np.array([0, 1, 2]))
    assert mean[2] > mean[1] > mean[0]
    assert abs(mean.sum() - 1) < 1e-6


def test_popularity_fades() -> None:
    rows = [(0, 0, 0.0, 1.0), (1, 0, 0.0, 1.0), (0, 1, 10.0, 1.0)]
    behaviour = Behaviour.sorted(["a", "b"], ["old", "new", "never"], rows)
    assert popularity(behaviour, half_life=1e9).round(3).tolist() == [1, 0.5, 0]
    assert popularity(behaviour, half_life=5).tolist() == [0.5, 1, 0]


def test_trends_count_what_was_before_a_time_and_nothing_else() -> None:
    rows = [(0, 0, 10.0, 1.0), (1, 0, 20.0, 1.0), (0, 1, 25.0, 1.0), (1, 0, 30.0, 1.0)]
    trends = Trends.fit(Behaviour.sorted(["a", "b"], ["old", "new", "never"], rows))
    places = np.array([0, 1, 2, 0])
    assert np.expm1(trends.recent(places, 30.0, 15.0)).round(3).tolist() == [1, 1, 0, 1]
    assert np.expm1(trends.recent(places, 31.0, 100.0)).round(3).tolist() == [3, 1, 0, 3]
    late = trends.since(20.0)
    assert np.expm1(late.recent(places, 31.0, 100.0)).round(3).tolist() == [2, 1, 0, 2]
    assert trends.latest == late.latest == 30


def test_what_is_bought_again() -> None:
    day = 86_400.0
    rows = [
        (0, 0, 0.0, 2.0),
        (0, 0, 9 * day, 2.0),
        (1, 0, 0.0, 2.0),
        (1, 1, 0.0, 2.0),
        (1, 1, 60.0, 2.0),
        (0, 1, 9 * day, 0.2),
    ]
    again = bought_again(Behaviour.sorted(["a", "b"], ["tea", "sofa", "never"], rows))
    assert again[0] > again[1] == again[2] == 0


def test_what_is_popular_is_counted_within_a_window() -> None:
    rng = np.random.default_rng(0)
    for count in (0, 1, 300):
        product = np.sort(rng.integers(0, 7, count))
        times = rng.uniform(1e9, 1.02e9, count)
        times = times[np.lexsort((times, product))]
        trends = Trends(times, np.searchsorted(product, np.arange(8)))
        for before in (0.0, 1.005e9, 1.02e9, 1.3e9, *times[:3]):
            for seconds in (10.0, 1e5, 1e7, 1e9):
                met = (times < before) & (times >= before - seconds)
                wanted = [np.log1p((met & (product == place)).sum()) for place in range(7)]
                assert np.allclose(trends.recent(np.arange(7), before, seconds), wanted)
