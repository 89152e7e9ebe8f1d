from pathlib import Path

import pytest

from assistant.drawing import draw_curves, picture

PNG = b"\x89PNG"


def test_a_place_without_a_figure_is_left_out(tmp_path: Path) -> None:
    rows = [{"labels": 0, "lot": 0.4, "chosen": None}, {"labels": 20, "lot": 0.5, "chosen": 0.6}]
    path = tmp_path / "curve.png"
    draw_curves(rows, "labels", {"lot": "#999", "chosen": "#36c"}, path, xlabel="labels", ylabel="F1")
    assert path.read_bytes().startswith(PNG)


def test_nothing_is_written_of_a_picture_that_breaks(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), picture(tmp_path / "a.png", 6, 4) as (_, axes):
        axes.plot([1], [1 / 0])
    assert not (tmp_path / "a.png").exists()
