"""Pictures of figures, drawn without a screen. matplotlib comes with the extra `train`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def picture(path: Path, width: float, height: float, columns: int = 1, top: float = 1.0) -> Iterator[tuple[Any, Any]]:
    """A figure (inches) and its axes to draw on, written to `path` at the end; what is above `top` is left to a legend."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, columns, figsize=(width, height))
    try:
        yield figure, axes
        figure.tight_layout(rect=(0, 0, 1, top))
        figure.savefig(path, dpi=110)
    finally:
        pyplot.close(figure)


def draw_curves(
    rows: Sequence[Mapping[str, Any]], over: str, lines: Mapping[str, str], path: Path, xlabel: str, ylabel: str
) -> None:
    """Columns of a table over the column `over`; `lines` has the color of each, places without a figure are left out."""
    with picture(path, 6, 4) as (_, axes):
        for name, color in lines.items():
            told = [(row[over], row[name]) for row in rows if row[name] is not None]
            axes.plot(*zip(*told, strict=True), marker="o", color=color, label=name)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.legend()
