"""The curve over labels, on a base too small to learn much."""

from pathlib import Path

import pytest

from assistant.evaluation import labels
from assistant.settings import Settings
from assistant.training.card import describe
from assistant.training.examples import parse_example
from assistant.training.lora import Recipe, Trainer

pytestmark = pytest.mark.model


def test_a_row_for_each_number_of_labels(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FIRST": 1, "TEST": 8, "MAX_TOKENS": 30, "WRITTEN": 40}.items():
        monkeypatch.setattr(labels, name, value)
    told: list[str] = []
    start = adapter(tiny_base, tmp_path / "start")
    rows = labels.run(tiny_base, start, tmp_path, Settings().device, 12, 2, 1, told.append)
    assert [row["labels"] for row in rows] == [0, 1, 2]
    assert rows[0]["by lot"] == rows[0]["least sure"]  # they begin alike
    told_of = {choice: [row[choice] is not None for row in rows] for choice in rows[0] if choice != "labels"}
    assert told_of == {
        "by lot": [True, True, True],
        "least sure": [True, True, False],
        "least sure + self-training": [False, True, False],
    }
    assert len(told) == 2 + 2 + 1
    labels.draw(rows, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 5_000


def adapter(base: Path, folder: Path) -> Path:
    """One that has learned next to nothing."""
    trainer = Trainer(base, Recipe(epochs=1), folder)
    examples = [parse_example(turn) for turn in labels.garage_turns(20)]
    trainer.train(examples, examples[:1], lambda progress: None)
    describe(folder / "best", base=base.name, fingerprint=trainer.fingerprint)
    return folder / "best"
