"""Size charts in."""

from pathlib import Path

import pytest

from catalog.feeds.sizes import read
from catalog.feeds.source import FeedError, FeedOptions
from catalog.types import ChartSize


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "charts.csv"
    path.write_text(text, "utf-8")
    return path


def test_a_chart_in_chinese_columns(tmp_path: Path) -> None:
    path = written(tmp_path, "类目,尺码,身高下限,身高上限,体重下限,体重上限\n上衣,M,160,168,50,58\n上衣,L,166,174,,\n")
    assert read(path, FeedOptions()) == [
        ChartSize("上衣", "M", "", (160, 168), (50, 58)),
        ChartSize("上衣", "L", "", (166, 174)),
    ]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("Tops,,160,168,50,58", "row 2, column size: missing"),
        ("Tops,M,63,66,50,58", None),
        ("Tops,M,5.3,5.6,50,58", "5.3 is no height in centimetres"),
        ("Tops,M,160,,50,58", "a height from the least to the most is wanted"),
        ("Tops,M,168,160,50,58", "a height from the least to the most is wanted"),
        ("Tops,M,tall,168,50,58", "'tall' is not a number"),
    ],
)
def test_a_bad_line_refuses_the_chart(tmp_path: Path, row: str, told: str | None) -> None:
    path = written(tmp_path, f"category,size,height_min,height_max,weight_min,weight_max\n{row}\n")
    if told is None:
        assert read(path, FeedOptions())
        return
    with pytest.raises(FeedError, match=told):
        read(path, FeedOptions())


def test_a_chart_without_sizes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="no sizes"):
        read(written(tmp_path, "category,size\n"), FeedOptions())
