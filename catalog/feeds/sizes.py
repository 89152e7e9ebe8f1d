"""Size charts as a plain table: one line for each size of a category, narrowest size first."""

from collections.abc import Callable, Mapping
from pathlib import Path

from catalog.feeds.source import BadValue, FeedError, FeedOptions, Reject, clean
from catalog.feeds.table import mapped_rows
from catalog.types import ChartSize

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "category": ("category", "kind", "类目", "品类"),
    "size": ("size", "尺码"),
    "brand": ("brand", "品牌"),
    "height_min": ("height_min", "height_from", "身高下限"),
    "height_max": ("height_max", "height_to", "身高上限"),
    "weight_min": ("weight_min", "weight_from", "体重下限"),
    "weight_max": ("weight_max", "weight_to", "体重上限"),
}
# What a body can be: a chart in inches or pounds is refused rather than misread.
_RANGES = {"height": (50.0, 250.0, "centimetres"), "weight": (2.0, 300.0, "kilograms")}


def read(path: Path, options: FeedOptions) -> list[ChartSize]:
    """The lines of a chart file. Raises `FeedError` that names the first bad line: a chart with a gap misleads."""
    found: list[ChartSize] = []
    for line in mapped_rows(path, options, COLUMNS, _line):
        if isinstance(line, Reject):
            raise FeedError(f"{line.file}, row {line.row}, column {line.column}: {line.reason}")
        found.append(line)
    if not found:
        raise FeedError(f"{path}: no sizes in it")
    return found


def _line(row: Mapping[str, str], names: Mapping[str, str]) -> ChartSize:
    def said(field: str) -> str:
        return clean(row.get(names.get(field, ""), ""))

    for field in ("category", "size"):
        if not said(field):
            raise BadValue(names.get(field, field), "missing")
    height, weight = (_range(measure, said, names) for measure in ("height", "weight"))
    return ChartSize(said("category"), said("size"), said("brand"), height, weight)


def _range(measure: str, said: Callable[[str], str], names: Mapping[str, str]) -> tuple[float, float] | None:
    """Least and most of a measure; both or neither."""
    ends = []
    low, high, unit = _RANGES[measure]
    for field in (f"{measure}_min", f"{measure}_max"):
        column, text = names.get(field, field), said(field)
        if not text:
            continue
        try:
            number = float(text)
        except ValueError:
            raise BadValue(column, f"{text!r} is not a number") from None
        if not low <= number <= high:
            raise BadValue(column, f"{text} is no {measure} in {unit}")
        ends.append(number)
    if not ends:
        return None
    if len(ends) == 1 or ends[0] > ends[1]:
        raise BadValue(names.get(f"{measure}_max", measure), f"a {measure} from the least to the most is wanted")
    return ends[0], ends[1]
