"""The models of a shop as a folder."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from assistant.ranking.blend import Blend, Lists, RankerError
from assistant.ranking.collaborative import Trends
from assistant.ranking.features import MODELS, NAMES
from assistant.ranking.recommenders import ARRAYS, Recommenders, extended, load, save
from assistant.ranking.sequence import SequenceRecipe
from assistant.training.content import fit_content
from assistant.training.sequence import train_sequence
from tests.assistant.ranking.checkerboard import checkerboard, vectors

RECIPE = SequenceRecipe(dim=8, layers=1, length=8, epochs=2, pretraining_epochs=0, batch=16)
NOW = datetime(2100, 1, 1, tzinfo=UTC)
EVEN = ["p0", "p2", "p4"]


@pytest.fixture(scope="module")
def models() -> Recommenders:
    sequence, _ = train_sequence(checkerboard(), vectors(), RECIPE, lambda model: 0.0, lambda step: None)
    return Recommenders.fit(
        checkerboard(), fit_content(checkerboard(), vectors()), Trends.fit(checkerboard()), sequence.learned()
    )


@pytest.fixture(scope="module")
def blend() -> Blend:
    """Trees that learned to put what the neighbours favour first."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4_000, len(NAMES))).astype(np.float32)
    gains = np.zeros(4_000, dtype=np.float32)
    favoured = rows[:, NAMES.index("neighbours")].reshape(-1, 20).argmax(axis=1)
    gains[np.arange(200) * 20 + favoured] = 1
    lists = Lists(rows, gains, [20] * 200)
    return Blend.fit(NAMES, lists, lists)


def test_scores_are_standardised_over_the_candidates(models: Recommenders) -> None:
    scores = models.scores(EVEN, ["p6", "p7", "p8", "unheard of"], NOW)
    assert set(scores) == {*MODELS}
    for one in (scores[name] for name in MODELS if name != "again"):
        assert np.isnan(one[3])
        assert abs(one[:3].mean()) < 1e-5
    assert scores["neighbours"][0] > scores["neighbours"][1]


def test_without_a_history_there_is_popularity_alone(models: Recommenders) -> None:
    assert set(models.scores([], ["p1", "p2"], NOW)) == {"popularity", "lately", "sold", "again"}
    assert set(models.scores(["unheard of"], ["p1", "p2"], NOW)) == {"popularity", "lately", "sold", "again"}


def test_similar_products_and_what_is_bought_with_them(models: Recommenders) -> None:
    near = dict(zip(models.products, models.likeness("p0", models.products), strict=True))
    assert min(near[p] for p in EVEN) > max(near[p] for p in ("p1", "p3", "p5"))
    together = models.bought_with("p0", 5)
    assert len(together) == 5
    assert all(int(p[1:]) % 2 == 0 and p != "p0" for p in together)
    assert models.bought_with("unheard of", 5) == []
    assert not models.likeness("unheard of", ["p0"]).any()


def test_what_speaks_most_for_a_product_is_one_that_was_met_with_it(models: Recommenders) -> None:
    assert models.because(["p1", "p2"], "p0") == "p2"
    assert models.because(["p1"], "p0") is None
    assert models.because(["p0"], "p0") is None
    assert models.because(["p2"], "unheard of") is None


def test_what_is_written_is_read(models: Recommenders, blend: Blend, tmp_path: Path) -> None:
    save(tmp_path, models, blend, {"lists": 3})
    read, trees = load(tmp_path)
    candidates = list(models.products)
    for name, scores in models.scores(EVEN, candidates, NOW).items():
        np.testing.assert_allclose(read.scores(EVEN, candidates, NOW)[name], scores, atol=0.02)
    rows = np.random.default_rng(1).normal(size=(9, len(NAMES))).astype(np.float32)
    np.testing.assert_allclose(trees.score(rows), blend.score(rows))


def test_another_file_than_the_trained_one_is_refused(models: Recommenders, blend: Blend, tmp_path: Path) -> None:
    save(tmp_path, models, blend, {})
    (tmp_path / ARRAYS).write_bytes(b"something else")
    with pytest.raises(RankerError, match=r"arrays\.npz is not the file that was trained"):
        load(tmp_path)
    with pytest.raises(RankerError, match="holds no trained ranker"):
        load(tmp_path / "nowhere")


def test_a_new_product_has_its_content_alone(models: Recommenders) -> None:
    more = extended(models, {"p0": vectors()[0], "new": vectors()[0], "other": vectors()[1]})
    scores = more.scores(EVEN, ["new", "other"], NOW)
    assert scores["content"][0] > scores["content"][1]
    assert scores["neighbours"].tolist() == [0, 0]
    assert more.likeness("new", ["p0", "p1"]).argmax() == 0
    assert extended(models, {"p0": vectors()[0]}) is models


def test_the_parts_of_a_learned_score_add_up(blend: Blend) -> None:
    rows = np.random.default_rng(2).normal(size=(50, len(NAMES))).astype(np.float32)
    rows[rows > 1.5] = np.nan
    np.testing.assert_allclose(blend.parts(rows).sum(axis=1), blend.score(rows), atol=1e-5)
    used = np.abs(blend.parts(rows)).sum(axis=0)[:-1]
    assert NAMES[int(used.argmax())] == "neighbours"
