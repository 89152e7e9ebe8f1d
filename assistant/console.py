"""What all commands share: two consoles, a spinner, tables."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from assistant.settings import Settings

out = Console()
err = Console(stderr=True)

Columns = Annotated[list[str] | None, typer.Option("--map", help="field=column, repeatable.", metavar="FIELD=COLUMN")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@contextmanager
def spinner(title: str) -> Iterator[Callable[[str], Any]]:
    """A spinner whose words the caller changes."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(title)
        yield lambda step: bar.update(task, description=step)


def note(step: str) -> None:
    """A line about what is going on, beside the output."""
    err.print(step, style="dim")


def print_json(value: Any) -> None:
    """A value as one line of JSON. One write, with its newline: processes that share a job share the output, too."""
    print(f"{json.dumps(value, ensure_ascii=False, default=str)}\n", end="", flush=True)


def print_rows(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Rows of like fields as a table, or as one JSON array."""
    if as_json:
        print_json(rows)
        return
    if not rows:
        err.print("nothing found", style="yellow")
        return
    table = Table(*map(str, rows[0]))
    for row in rows:
        table.add_row(*("" if v is None else str(v) for v in row.values()))
    out.print(table)


def print_columns(rows: Sequence[Mapping[str, Any]], heads: Sequence[str], as_json: bool) -> None:
    """Few rows of many fields, each as a column under its `heads`; as JSON they stay rows."""
    if as_json:
        print_rows(rows, as_json)
        return
    names = [" ".join(str(row[head]) for head in heads) for row in rows]
    fields = [field for field in rows[0] if field not in heads]
    print_rows([{"": field, **{n: row[field] for n, row in zip(names, rows, strict=True)}} for field in fields], False)


def pairs(entries: list[str] | None) -> dict[str, str]:
    """`FIELD=COLUMN` entries as a mapping. Raises `BadParameter`."""
    split = [entry.partition("=") for entry in entries or []]
    if bad := [field for field, sign, _ in split if not sign]:
        raise typer.BadParameter(f"{bad[0]!r} is not of the form FIELD=COLUMN")
    return {field: column for field, _, column in split}


def settings_of(**given: Any) -> "Settings":
    """The settings in force, with those of a command over them."""
    from assistant.settings import load_settings

    return load_settings(**given)
