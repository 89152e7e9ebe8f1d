"""Training of the sequence model: what is cut off is gone on with."""

from pathlib import Path

import numpy as np
import pytest

from assistant.ranking.sequence import SequenceRecipe
from assistant.training.sequence import CHECKPOINT, train_sequence
from assistant.training.sequence_network import SequenceNetwork
from tests.assistant.ranking.checkerboard import checkerboard, vectors

RECIPE = SequenceRecipe(dim=8, layers=1, length=8, epochs=3, pretraining_epochs=2, batch=16)
HISTORY = [np.array([0, 2, 4])]


class Cut(Exception):
    """The power went away."""


def train(folder: Path | None, cut_at: int | None = None) -> tuple[SequenceNetwork, list[str]]:
    said: list[str] = []
    scores = iter([0.1, 0.3, 0.2])

    def report(line: str) -> None:
        said.append(line)
        if len(said) == cut_at:
            raise Cut

    model, _ = train_sequence(checkerboard(), vectors(), RECIPE, lambda model: next(scores), report, folder)
    return model, said


def test_training_learns_in_both_stages() -> None:
    curve = train_sequence(checkerboard(), vectors(), RECIPE, lambda model: 0.0, lambda line: None)[1]
    for stage in ("masked products", "next product"):
        losses = [row["loss"] for row in curve if row["stage"] == stage]
        assert losses[-1] < losses[0]


@pytest.mark.parametrize("epochs", [1, 2])
def test_training_that_was_cut_off_ends_as_if_it_had_not_been(tmp_path: Path, epochs: int) -> None:
    whole, said = train(None)
    with pytest.raises(Cut):
        train(tmp_path, cut_at=epochs + 1)  # the line of an epoch comes before its checkpoint
    assert (tmp_path / CHECKPOINT).exists()
    resumed, rest = train(tmp_path)
    assert rest == said[epochs:]
    np.testing.assert_allclose(resumed.score(HISTORY), whole.score(HISTORY), atol=1e-6)
    assert not (tmp_path / CHECKPOINT).exists()
    assert list(tmp_path.glob("events.out.tfevents.*"))


def test_a_checkpoint_of_another_training_is_passed_over(tmp_path: Path) -> None:
    with pytest.raises(Cut):
        train(tmp_path, cut_at=3)
    other = SequenceRecipe(dim=4, layers=1, length=8, epochs=1, pretraining_epochs=0, batch=16)
    _, curve = train_sequence(checkerboard(), vectors(), other, lambda model: 0.0, lambda line: None, tmp_path)
    assert len(curve) == 1
