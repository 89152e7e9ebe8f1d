"""Vectors to ranked product ids in PostgreSQL, by pgvector: HNSW over half precision, exact where few products pass.

The table is derived from `vectors` and kept up to date with the catalog, not migrated: a shop whose server has no
pgvector, or gets it later, loses nothing (`catalog.dense` does it in memory meanwhile).
HNSW after Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search", 2018.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Engine, Select, bindparam, column, func, select, table, text
from sqlalchemy.exc import DBAPIError

from catalog.schema import ProductRow, VectorRow, has_vector

EXACT = 20_000  # products that pass up to which all of them are compared
PAGE = 2_000  # vectors read and written at once
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
# A count of no more than is asked: that of a million rows takes longer than a search.
_SIZE = text(
    "SELECT count(*), max(vector_dims(vector)) FROM "
    "(SELECT vector FROM product_vectors WHERE model = :model LIMIT :most) AS first"
)


class PostgresVectors:
    """The vectors that one model made of the products' texts, in a table with an index of their own."""

    def __init__(self, engine: Engine, model: str) -> None:
        self._engine = engine
        self._model = model
        self._width = 0

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
            count, width = connection.execute(_SIZE, {"model": self._model, "most": EXACT + 1}).one()
            self._width = width or 0
            if count > EXACT:
                self._build_index(connection)

    def rank(self, query: NDArray[np.float32], where: Sequence[ColumnElement[bool]], k: int) -> list[int]:
        """Ids of the `k` products nearest to `query` (D,) among those that satisfy `where`."""
        asked = {"asked": "[" + ",".join(f"{x:.6g}" for x in query) + "]", "model": self._model}
        with self._engine.begin() as connection:
            some = select(ProductRow.id).where(*where).limit(EXACT + 1).subquery()
            passing = connection.scalar(select(func.count()).select_from(some)) or 0
            if passing <= EXACT:
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

    def _build_index(self, connection: Connection) -> None:
        name = "hnsw_" + re.sub(r"\W", "_", self._model)[:50]
        connection.execute(text("SET LOCAL maintenance_work_mem = '1GB'"))
        connection.execute(
            text(
                f'CREATE INDEX IF NOT EXISTS "{name}" ON product_vectors '
                f"USING hnsw ((vector\\:\\:halfvec({self._width})) halfvec_ip_ops) WHERE model = '{_quoted(self._model)}'"
            )
        )


def _quoted(name: str) -> str:
    """A model's name within a literal: an index on a part of a table knows constants only."""
    return name.replace("'", "''").replace(":", "\\:")
