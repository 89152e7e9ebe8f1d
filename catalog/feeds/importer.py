"""Feed to database in one transaction, with every bad row named."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from catalog.feeds import google, jsonlines, orders, shopify, table
from catalog.feeds.source import FeedError, FeedOptions, Reject, open_text
from catalog.store import BATCH, ProductStore, Written
from catalog.types import Interaction, Product

Reader = Callable[[Path, FeedOptions], Iterator[Any]]
CATALOG_FORMATS: dict[str, Reader] = {
    "google-tsv": google.read_tsv,
    "google-xml": google.read_xml,
    "shopify": shopify.read_products,
    "jsonl": jsonlines.read,
    "csv": table.read_csv,
    "yaml": table.read_yaml,
}
HISTORY_FORMATS: dict[str, Reader] = {"csv": orders.read, "shopify": shopify.read_orders}
MAX_SHOWN = 1_000  # rejects kept for the report; the rejects file has them all


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a feed. `rejects` holds the first ones, `rejected` counts all."""

    written: Written
    rejected: int
    rejects: tuple[Reject, ...]
    rejects_file: Path | None


def detect_format(path: Path) -> str:
    """The catalog format, by the file's name and its first line. Raises `FeedError`."""
    suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
    by_name = {".yaml": "yaml", ".yml": "yaml", ".jsonl": "jsonl", ".ndjson": "jsonl", ".xml": "google-xml"}
    suffix = suffixes[-1] if suffixes else ""
    if suffix in by_name:
        return by_name[suffix]
    with open_text(path) as text:
        header = text.readline()
    if header.startswith("Handle,") or "Body (HTML)" in header:
        return "shopify"
    if "\t" in header:
        return "google-tsv" if {"id", "title", "availability"} <= set(header.strip().split("\t")) else "csv"
    if suffix in (".csv", ".tsv", ".txt"):
        return "csv"
    raise FeedError(f"{path}: cannot tell the format; name it with --format ({', '.join(CATALOG_FORMATS)})")


def import_catalog(
    store: ProductStore,
    path: Path,
    options: FeedOptions,
    *,
    format: str | None = None,
    strict: bool = False,
    rejects_file: Path | None = None,
    progress: Callable[[int], Any] = lambda rows: None,
) -> ImportReport:
    """Import a product feed. All good rows are written, or with `strict` none if one is bad.

    Raises `FeedError` for a feed without a single good row, and with `strict` for any bad one;
    the catalog is then as it was.
    """
    reader = CATALOG_FORMATS[format or detect_format(path)]
    rejects = _Rejects(rejects_file or path.with_name(path.name + ".rejects.jsonl"))
    written = Written()
    with rejects, store.engine.begin() as connection:
        for batch in _good(reader(path, options), rejects, progress):
            written += store.upsert_batch(connection, batch)
        _accept(path, "products", written.added + written.updated + written.unchanged, rejects, strict)
    store.analyze()
    return rejects.report(written)


def import_history(
    store: ProductStore,
    path: Path,
    options: FeedOptions,
    *,
    format: str = "csv",
    strict: bool = False,
    rejects_file: Path | None = None,
    progress: Callable[[int], Any] = lambda rows: None,
) -> ImportReport:
    """Import orders or events, by the same rules; a product that the catalog lacks is a reject."""
    rejects = _Rejects(rejects_file or path.with_name(path.name + ".rejects.jsonl"))
    count = 0
    with rejects, store.engine.begin() as connection:
        for batch in _good(HISTORY_FORMATS[format](path, options), rejects, progress):
            for lost in store.add_interactions(connection, batch):
                rejects.add(Reject(str(path), 0, "product", f"{lost.product!r} is not in the catalog"))
                count -= 1
            count += len(batch)
        _accept(path, "interactions", count, rejects, strict)
    return rejects.report(Written(added=count))


def _accept(path: Path, what: str, good: int, rejects: "_Rejects", strict: bool) -> None:
    first = f"; the first: {describe(rejects.first[0])}" if rejects.first else ""
    if strict and rejects.count:
        raise FeedError(f"{path}: {rejects.count} bad rows, nothing was imported{first}")
    if not good:
        raise FeedError(f"{path}: no {what} in it{first}")


def describe(reject: Reject) -> str:
    """A reject in one line."""
    column = f", column {reject.column}" if reject.column else ""
    return f"{reject.file}, row {reject.row}{column}: {reject.reason}"


def _good(
    items: Iterable[Product | Interaction | Reject], rejects: "_Rejects", progress: Callable[[int], Any]
) -> Iterator[list[Any]]:
    rows, source = 0, iter(items)
    while batch := list(islice(source, BATCH)):
        rows += len(batch)
        for item in batch:
            if isinstance(item, Reject):
                rejects.add(item)
        yield [item for item in batch if not isinstance(item, Reject)]
        progress(rows)


class _Rejects:
    """Counts rejects and writes them to a file that exists only if there are any."""

    def __init__(self, path: Path) -> None:
        self.count = 0
        self.first: list[Reject] = []
        self._path = path
        self._file: Any = None

    def __enter__(self) -> "_Rejects":
        self._path.unlink(missing_ok=True)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, reject: Reject) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("w", encoding="utf-8")
        self.count += 1
        if len(self.first) < MAX_SHOWN:
            self.first.append(reject)
        entry = {
            "file": reject.file,
            "row": reject.row,
            "column": reject.column,
            "reason": reject.reason,
            "values": dict(reject.values),
        }
        self._file.write(json.dumps(entry, ensure_ascii=False, default=str) + "\n")

    def report(self, written: Written) -> ImportReport:
        return ImportReport(written, self.count, tuple(self.first), self._path if self.count else None)
