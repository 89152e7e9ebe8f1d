"""How does search grow with the catalog? SQLite -> PostgreSQL with pgvector, at rising sizes, by three kinds of filter.

The catalog is the sample shop's, varied as in `evaluation.search`. `none` filters by stock alone; `1 in 10` and
`1 in 1,000` by a price below which so many products are. Latency is that of a whole search with its records, the
query's embedding apart. Recall@100 is that of the vectors against comparing all that pass. Importing again 1 % is a feed
in which so many products have another price.
"""

import random
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, select, text

from assistant.drawing import picture
from assistant.evaluation.own_postgres import own_postgres
from assistant.evaluation.search import SEED, K, fill, queries
from catalog.dense import VectorIndex
from catalog.embedding import EMBEDDED, EmbeddedEncoder
from catalog.schema import ProductRow, has_vector, open_database
from catalog.search import Search
from catalog.store import ProductStore, batches
from catalog.types import Filters, Query

SHARES: Mapping[str, float | None] = {"none": None, "1 in 10": 0.1, "1 in 1,000": 0.001}
AGAIN = 100  # one product in so many is imported again
PAGE = 50_000  # vectors compared at once
_CENT = Decimal("0.01")
RECALLED = 30  # queries that recall is measured with
Progress = Callable[[str], Any]


def run(sizes: Sequence[int], databases: Sequence[str], count: int, progress: Progress) -> list[dict[str, Any]]:
    """A row for each database and size; the catalog grows from one size to the next."""
    encoder = EmbeddedEncoder()
    asked = queries(count, random.Random(SEED))
    vectors = encoder.embed([q.text for q in asked])
    rows = []
    for name in databases:
        with _database(name) as engine:
            store, filled, seconds = ProductStore(engine), 0, 0.0
            for size in sorted(sizes):
                report = partial(_told, progress, f"{name}, {size:,}")
                seconds += _seconds(partial(fill, store, size, report, filled))
                filled = size
                rows.append({"database": name, **_row(size, seconds, store, encoder, asked, vectors, report)})
    return rows


def _told(progress: Progress, where: str, step: str) -> None:
    progress(f"{where}: {step}")


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The 95th percentile of search over the size of the catalog, a line for each database and filter."""
    with picture(path, 7, 4.5) as (_, axes):
        for database in dict.fromkeys(row["database"] for row in rows):
            own = [row for row in rows if row["database"] == database]
            for share in SHARES:
                axes.plot([r["products"] for r in own], [r[f"p95 ms, {share}"] for r in own], marker="o", label=f"{database}, {share}")  # fmt: skip
        axes.set(xscale="log", yscale="log", xlabel="products", ylabel="p95 of search, ms")
        axes.legend(fontsize="small")


def _row(
    size: int, imported: float, store: ProductStore, encoder: EmbeddedEncoder, asked: Sequence[Query],
    vectors: NDArray[np.float32], progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    progress("index")
    _forget_peak()
    search = Search(store, encoder)
    indexed = _seconds(store.analyze) + _seconds(search.refresh)
    row: dict[str, Any] = {"products": size, "import s": round(imported), "index s": round(indexed, 1)}
    limits = {share: Filters() if part is None else Filters(price_max=_price_at(store.engine, part)) for share, part in SHARES.items()}  # fmt: skip
    for share, filters in limits.items():
        progress(f"search, {share}")
        times = [
            1_000 * _seconds(partial(search.search_by_vector, replace(query, filters=_near(filters, n)), vector))
            for n, (query, vector) in enumerate(zip(asked, vectors, strict=True))
        ]
        row |= {f"p{p} ms, {share}": round(float(np.percentile(times, p)), 1) for p in (50, 95)}
    progress("importing 1 % again")
    again = _seconds(lambda: _import_again(store, size)) + _seconds(search.refresh)
    row |= {
        "1 % again s": round(again, 1), "of the import": round(again / (imported + indexed), 3),
        "disk MB": round(_disk(store.engine) / 1e6), "peak memory MB": _peak(),
    }  # fmt: skip
    progress("recall")
    everything = VectorIndex.load(store.engine, has_vector(EMBEDDED))
    return row | {f"recall@100, {share}": _recall(search, everything, own, vectors[:RECALLED]) for share, own in limits.items()}  # fmt: skip


def _forget_peak() -> None:
    """Let the peak of this process's memory begin anew, where the system can (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", "utf-8")


def _peak() -> int:
    """The most memory that was resident, in MB."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return next(int(line.split()[1]) // 1024 for line in status.read_text("utf-8").splitlines() if "VmHWM" in line)


@contextmanager
def _database(name: str) -> Iterator[Engine]:
    """An empty database: a file, or a server of our own. Raises `UserError` where there is none to start."""
    with TemporaryDirectory() as folder:
        if name == "sqlite":
            engine = open_database(f"sqlite:///{folder}/scale.db")
            yield engine
            engine.dispose()
            return
        with own_postgres(Path(folder) / "data") as server:
            engine = open_database(server.url)
            yield engine
            engine.dispose()


def _near(filters: Filters, number: int) -> Filters:
    """Limits of one's own for each query: what a search keeps of recent ones is no help."""
    return replace(filters, price_max=filters.price_max + number * _CENT) if filters.price_max else filters


def _price_at(engine: Engine, share: float) -> Decimal:
    """The price below which this share of the products is."""
    with engine.connect() as connection:
        prices = np.array([float(p) for p in connection.scalars(select(ProductRow.price).where(ProductRow.stock > 0))])
    return Decimal(str(round(float(np.quantile(prices, share)), 2)))


def _recall(search: Search, everything: VectorIndex, filters: Filters, vectors: NDArray[np.float32]) -> float:
    """Share of the nearest hundred that pass, by comparing all, that the search's vectors find."""
    rows = everything.bits.rows(search.passing(filters))
    found = []
    for vector in vectors:
        parts = (rows[at : at + PAGE] for at in range(0, len(rows), PAGE))
        near = np.concatenate([everything.vectors[part].astype(np.float32) @ vector for part in parts])
        right = set(everything.ids[rows[np.argpartition(-near, min(K, len(near) - 1))[:K]]].tolist())
        found.append(len(right & set(search.dense(Query("", filters, K), vector))) / max(1, len(right)))
    return round(float(np.mean(found)), 3)


def _import_again(store: ProductStore, size: int) -> None:
    """Import one product in a hundred with another price."""
    changed = store.by_external_id(f"copy-{n}" for n in range(0, size, AGAIN)).values()
    with store.engine.begin() as connection:
        for batch in batches(replace(p, price=p.price + 1) for p in changed):
            store.upsert_batch(connection, batch)


def _disk(engine: Engine) -> int:
    """Bytes that the database takes."""
    if engine.dialect.name == "sqlite":
        folder = Path(str(engine.url.database)).parent
        return sum(f.stat().st_size for f in folder.iterdir())
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)


def _seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
