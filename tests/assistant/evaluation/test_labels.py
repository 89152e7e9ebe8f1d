"""The curve over labels, on a base too small to learn much."""

from pathlib import Path

import pytest

from assistant.evaluation import labels
from assistant.evaluation.parser import entity_f1
from assistant.settings import Settings

pytestmark = pytest.mark.model


def corpus(folder: Path, name: str, count: int) -> None:
    """Lines such as 有没有1号帽子, with the kind marked."""
    lines = []
    for number in range(count):
        lines += [*(f"{c} O" for c in f"有没有{number}号"), "帽 B-cp", "子 I-cp", ""]
    (folder / "ec-ner-zh").mkdir(exist_ok=True)
    (folder / "ec-ner-zh" / name).write_text("\n".join(lines), "utf-8")


def test_a_row_for_each_number_of_labels(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FIRST": 1, "STEPS": (2, 3)}.items():
        monkeypatch.setattr(labels, name, value)
    corpus(tmp_path, "train", 7)
    corpus(tmp_path, "dev", 3)
    told: list[str] = []
    rows = labels.run(tiny_base, tmp_path, tmp_path / "run", Settings().device, 4, 1, told.append)
    assert [row["labels"] for row in rows] == [1, 2, 4]
    assert rows[0]["by lot"] == rows[0]["least sure"]  # they begin alike
    assert [[row[choice] is None for row in rows] for choice in ("by lot", "least sure")] == [
        [False, False, False],
        [False, False, True],
    ]
    assert len(told) == 2 + 2 * 2


def test_entities_are_counted_line_by_line() -> None:
    right = [[("category", "帽子"), ("brand", "阿迪")], [("category", "伞")]]
    assert entity_f1(right, right) == 1
    assert entity_f1(right, [[("category", "伞")], [("category", "帽子")]]) == 0
    assert entity_f1(right, [[("category", "帽子")], []]) == 0.5
