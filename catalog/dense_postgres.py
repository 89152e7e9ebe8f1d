"""Vectors to ranked product ids in PostgreSQL, by pgvector: vectors lie in the database, this process holds their bits.

Bits choose candidates, as in `catalog.dense`, and the database compares their vectors (halfvec): a million products cost a
process 80 MB. With more than `MANY` products HNSW is asked instead, on until enough of them pass the filters (Malkov and
Yashunin, "Efficient and robust approximate nearest neighbor search", 2018); it costs the database an index and finds less
of what is near (`daogou bench scale`).

The table is derived from `vectors` and kept up to date with the catalog, not migrated: a shop whose server has no
pgvector, or gets it later, loses nothing (`catalog.dense` does it in memory meanwhile).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Engine, Select, bindparam, column, func, select, table, text
from sqlalchemy.exc import DBAPIError

from catalog.bits import RESCORE, BitIndex, words_of
from catalog.schema import ProductRow, VectorRow, has_vector

MANY = 3_000_000  # products beyond which HNSW is asked
FEW = 20_000  # products that pass up to which HNSW is not: all of them are compared
PAGE = 2_000  # vectors read and written at once
MEAN_OF = 20_000  # vectors whose mean the signs are taken around
BREADTH = 8  # candidates that HNSW holds, per result asked for
MOST_CANDIDATES = 1_000  # pgvector holds no more
_LOCK = 5_417_001  # one process at a time fills the table

_vectors = table("product_vectors", column("product_id"), column("model"), column("vector_hash"), column("vector"))
_TABLE = text(
    "CREATE TABLE IF NOT EXISTS product_vectors (product_id integer NOT NULL, model text NOT NULL, "
    "vector_hash text NOT NULL, vector halfvec NOT NULL, PRIMARY KEY (model, product_id))"
)
_STALE = text(
    "DELETE FROM product_vectors v WHERE v.model = :model AND NOT EXISTS "
    "(SELECT 1 FROM products p WHERE p.id = v.product_id AND p.vector_hash = v.vector_hash)"
)
_STALE_SINCE = text(
    "DELETE FROM product_vectors v USING products p WHERE v.model = :model AND p.id = v.product_id "
    "AND p.changed > :since AND p.vector_hash <> v.vector_hash"
)
_SIZE = text("SELECT count(*), max(vector_dims(vector)) FROM product_vectors WHERE model = :model")
_MEAN = text(
    "SELECT CAST(avg(vector) AS text) FROM (SELECT vector FROM product_vectors WHERE model = :model LIMIT :most) AS first"
)
# By psycopg itself, in binary: a bit string comes as its length and its bytes.
_BITS = "SELECT product_id, binary_quantize(vector - %s::halfvec) FROM product_vectors WHERE model = %s"
_NEAREST = text(
    "SELECT product_id FROM product_vectors WHERE model = :model AND product_id = ANY(CAST(:ids AS integer[])) "
    "ORDER BY vector <#> CAST(:asked AS halfvec), product_id LIMIT :k"
)
Passing = Callable[[], NDArray[np.int64]]


class PostgresVectors:
    """The vectors that one model made of the products' texts, in a table of their own."""

    def __init__(self, engine: Engine, model: str) -> None:
        self._engine = engine
        self._model = model
        self._width = 0
        self._bits: BitIndex | None = None  # none while there are too many

    @staticmethod
    def usable(engine: Engine) -> bool:
        """Whether the database has pgvector, or lets us install it."""
        if engine.dialect.name != "postgresql":
            return False
        try:
            with engine.begin() as connection:
                connection.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
                connection.execute(_TABLE)
            return True
        except DBAPIError:
            return False

    def refresh(self, since: int = -1) -> None:
        """Take over what was changed in the catalog later than version `since`; with -1 all, leaving out what is gone."""
        with self._engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            stale = _STALE if since < 0 else _STALE_SINCE.bindparams(since=since)
            connection.execute(stale, {"model": self._model})
            if self._copy(connection, since) > PAGE:
                connection.execute(text("ANALYZE product_vectors"))  # a plan without figures reads all of it
            if since < 0 or self._bits is None:
                count, self._width = connection.execute(_SIZE, {"model": self._model}).one()
                if count > MANY:
                    self._build_index(connection)
                self._bits = self._read_bits(connection) if 0 < count <= MANY else None
            else:
                self._bits = self._changed_bits(connection, self._bits, since)

    def rank(
        self,
        connection: Connection,
        query: NDArray[np.float32],
        where: Sequence[ColumnElement[bool]],
        passing: Passing,
        k: int,
    ) -> list[int]:
        """Ids of the `k` products nearest to `query` (D,) among those that satisfy `where`, whose ids `passing` tells."""
        asked = {"asked": _literal(query), "model": self._model}
        if self._bits is None:
            return self._by_index(where, asked, k) if self._width else []
        rows = self._bits.candidates(query, self._bits.rows(passing()), RESCORE * k)
        near = {"ids": self._bits.ids[rows].tolist(), "k": k}
        return list(connection.scalars(_NEAREST, {**asked, **near}))

    # -- bits ----------------------------------------------------------------------------

    def _read_bits(self, connection: Connection) -> BitIndex:
        mean = connection.scalar(_MEAN, {"model": self._model, "most": MEAN_OF})
        around = np.fromstring(mean.strip("[]"), dtype=np.float32, sep=",")
        ids, bits = self._bits_of(connection, around, "")
        order = np.argsort(ids)
        return BitIndex(ids[order], words_of(bits[order]), around)

    def _changed_bits(self, connection: Connection, known: BitIndex, since: int) -> BitIndex:
        changed = np.array(
            list(connection.scalars(select(ProductRow.id).where(ProductRow.changed > since))), dtype=np.int64
        )
        ids, bits = self._bits_of(connection, known.mean, " AND product_id = ANY(%s)", changed.tolist())
        return known.replaced(changed, ids, words_of(bits))[0]

    def _bits_of(
        self, connection: Connection, mean: NDArray[np.float32], more: str, *values: Any
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Ids (N,) and bits (N, D/8) of vectors in the table."""
        driver: Any = connection.connection.dbapi_connection
        with driver.cursor(binary=True) as cursor:
            rows = cursor.execute(_BITS + more, [_literal(mean), self._model, *values]).fetchall()
        ids = np.array([row_id for row_id, _ in rows], dtype=np.int64)
        width = -(-self._width // 8)
        told = b"".join(bits[-width:] for _, bits in rows)  # after four bytes of length
        return ids, np.frombuffer(told, dtype=np.uint8).reshape(len(rows), width)

    # -- HNSW ----------------------------------------------------------------------------

    def _by_index(self, where: Sequence[ColumnElement[bool]], asked: dict[str, str], k: int) -> list[int]:
        with self._engine.begin() as connection:
            some = select(ProductRow.id).where(*where).limit(FEW + 1).subquery()
            if (connection.scalar(select(func.count()).select_from(some)) or 0) <= FEW:
                return list(connection.scalars(self._exact(where, k), asked))
            candidates = min(MOST_CANDIDATES, BREADTH * k)
            connection.execute(text("SET LOCAL hnsw.iterative_scan = relaxed_order"))
            connection.execute(text(f"SET LOCAL hnsw.ef_search = {candidates}"))
            return list(connection.scalars(self._nearest(where, k), asked))

    def _exact(self, where: Sequence[ColumnElement[bool]], k: int) -> Select[Any]:
        """Filters first; an order by the bare column is none that the index has."""
        passing = select(ProductRow.id).where(*where).cte("passing").prefix_with("MATERIALIZED")
        return (
            select(_vectors.c.product_id)
            .join(passing, passing.c.id == _vectors.c.product_id)
            .where(_vectors.c.model == bindparam("model"))
            .order_by(text("product_vectors.vector <#> CAST(:asked AS halfvec)"))
            .limit(k)
        )

    def _nearest(self, where: Sequence[ColumnElement[bool]], k: int) -> Select[Any]:
        """The index in order of nearness, on until `k` satisfy the filters."""
        kind = f"halfvec({self._width})"
        return (
            select(ProductRow.id)
            .join(_vectors, _vectors.c.product_id == ProductRow.id)
            .where(text(f"product_vectors.model = '{_quoted(self._model)}'"), *where)
            .order_by(text(f"product_vectors.vector\\:\\:{kind} <#> CAST(:asked AS {kind})"))
            .limit(k)
        )

    def _build_index(self, connection: Connection) -> None:
        name = "hnsw_" + re.sub(r"\W", "_", self._model)[:50]
        connection.execute(text("SET LOCAL maintenance_work_mem = '1GB'"))
        connection.execute(
            text(
                f'CREATE INDEX IF NOT EXISTS "{name}" ON product_vectors '
                f"USING hnsw ((vector\\:\\:halfvec({self._width})) halfvec_ip_ops) WHERE model = '{_quoted(self._model)}'"
            )
        )

    # -- the table -----------------------------------------------------------------------

    def _copy(self, connection: Connection, since: int) -> int:
        """Write the vectors that the table lacks, by COPY; how many those were."""
        from pgvector import HalfVector
        from pgvector.psycopg import register_vector

        driver: Any = connection.connection.dbapi_connection
        register_vector(driver)
        written = 0
        with driver.cursor() as cursor:
            for page in self._missing(connection, since):
                written += len(page)
                with cursor.copy("COPY product_vectors FROM STDIN WITH (FORMAT BINARY)") as copy:
                    copy.set_types(["int4", "text", "text", "halfvec"])
                    for row_id, digest, vector in page:
                        copy.write_row((row_id, self._model, digest, HalfVector(np.asarray(vector, dtype=np.float32))))
        return written

    def _missing(self, connection: Connection, since: int) -> Iterator[Sequence[tuple[int, str, Any]]]:
        """(row id, hash, vector) of products with a vector that the table does not have, in pages."""
        lacking = text(
            "NOT EXISTS (SELECT 1 FROM product_vectors v WHERE v.product_id = products.id AND v.model = :own)"
        ).bindparams(own=self._model)
        statement = (
            select(ProductRow.id, VectorRow.vector_hash, VectorRow.vector)
            .join(VectorRow, has_vector(self._model))
            .where(lacking, ProductRow.changed > since)
        )
        # A cursor on the server: to look anew for each page what is missing takes longer the more there is.
        yield from connection.execute(statement, execution_options={"yield_per": PAGE}).tuples().partitions()


def _literal(vector: NDArray[np.float32]) -> str:
    return "[" + ",".join(f"{x:.6g}" for x in vector) + "]"


def _quoted(name: str) -> str:
    """A model's name within a literal: an index on a part of a table knows constants only."""
    return name.replace("'", "''").replace(":", "\\:")
