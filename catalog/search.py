"""Query to candidates: hard filters in the database first, then two rankings, fused."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from threading import Lock
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Text, and_, exists, func, not_, or_, select
from sqlalchemy import cast as cast_sql

from catalog.dense import VectorIndex
from catalog.dense_postgres import PostgresVectors
from catalog.embedding import Embedder
from catalog.facets import FacetIndex, Vocabulary
from catalog.fusion import Fusion, fused_index
from catalog.lexical import LexicalIndex, full_text, holds
from catalog.records import current_version
from catalog.schema import FacetRow, ProductRow, VariantRow, has_vector, reading
from catalog.store import ProductStore
from catalog.tracing import tracer
from catalog.types import FACETS, Candidate, Filters, Query, Relaxation

# Reciprocal rank fusion (Cormack et al., SIGIR 2009): score = sum of weight / (K + rank).
RRF_K = 60
# A product that holds all words is better evidence than a near vector, one that holds some is worse.
COMPLETE_WEIGHT = 2.0
PARTIAL_WEIGHT = 0.3
DENSE_WEIGHT = 1.0
# Cosine from which a word names a facet value (of another language, say), and how far below the
# best a value may be to be meant as well: 双肩包 is .66 to handbag and .62 to backpack.
NEAR_IN_MEANING = 0.65
NEARLY_AS_NEAR = 0.06
CACHED_FILTERS = 64


class Search:
    """Finds products. Threads may share one; it follows changes of the catalog by its version."""

    def __init__(self, store: ProductStore, embedder: Embedder, fusion: Fusion | None = None) -> None:
        self._store = store
        self._engine = store.engine
        self._embedder = embedder
        self._fusion = fusion
        self._text = full_text(store.engine)
        self._lexical = LexicalIndex(self._text)
        self._version = -1
        self._remote = None
        if fusion is None and PostgresVectors.usable(store.engine):  # what is fused is made in memory
            self._remote = PostgresVectors(store.engine, embedder.name)
        self._vectors: VectorIndex
        self._facets: FacetIndex
        self._facet_vectors: dict[str, NDArray[np.float32]] = {}
        self._allowed: OrderedDict[str, NDArray[np.int64]] = OrderedDict()
        self._lock = Lock()

    @tracer.start_as_current_span("search")
    def search(self, query: Query) -> list[Candidate]:
        """At most `query.k` products that satisfy every filter, best first.

        Without text the order is that of rating and popularity.
        """
        if not query.text.strip():
            return self._most_liked(query)
        with tracer.start_as_current_span("embed"):
            vector = self._embedder.embed([query.text])[0]
        return self.search_by_vector(query, vector)

    def search_by_vector(self, query: Query, vector: NDArray[np.float32]) -> list[Candidate]:
        """The same with the text already embedded, shape (D,)."""
        with self._reading() as connection:
            lexical, complete = self._by_words(connection, query)
            dense = self._by_vector(connection, query, vector)
            return self._candidates(connection, fuse(lexical, dense, complete)[: query.k], lexical, dense)

    def lexical(self, query: Query) -> tuple[list[int], int]:
        """Row ids by words alone, and how many of them hold all words."""
        with self._reading() as connection:
            return self._by_words(connection, query)

    def dense(self, query: Query, vector: NDArray[np.float32]) -> list[int]:
        """Row ids by the nearness of vectors alone."""
        with self._reading() as connection:
            return self._by_vector(connection, query, vector)

    @tracer.start_as_current_span("words")
    def _by_words(self, connection: Connection, query: Query) -> tuple[list[int], int]:
        return self._lexical.rank(connection, query.text, self._where(query.filters), query.k)

    @tracer.start_as_current_span("vectors")
    def _by_vector(self, connection: Connection, query: Query, vector: NDArray[np.float32]) -> list[int]:
        where = self._where(query.filters)
        passing = partial(self._passing, connection, where)
        if self._remote is not None:
            return self._remote.rank(connection, vector, where, passing, query.k)
        return self._vectors.rank(vector, passing(), query.k)

    def count(self, filters: Filters) -> int:
        """How many products satisfy the filters."""
        return len(self.passing(filters))

    def passing(self, filters: Filters) -> NDArray[np.int64]:
        """Row ids of the products that satisfy the filters, ascending."""
        with self._reading() as connection:
            return self._passing(connection, self._where(filters))

    def means(self, facet: str, word: str) -> frozenset[str]:
        """The shop's own facet values that a shopper's word stands for, empty if none."""
        self.refresh()
        return self._facets.resolve(facet, word)

    @tracer.start_as_current_span("relaxations")
    def relaxations(self, filters: Filters) -> list[Relaxation]:
        """For filters that nothing satisfies: each limit that alone would let something through."""
        with self._reading() as connection:
            found = [self._relaxed(connection, *dropped) for dropped in _each_dropped(filters)]
        return sorted((r for r in found if r.found), key=lambda r: (r.nearest is None, r.limit == "category", -r.found))

    def refresh(self) -> None:
        """Read again what is kept in memory if the catalog has changed since."""
        with self._reading():
            pass

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """A connection, with what is kept in memory as the catalog is now.

        Nobody waits for a second connection while holding one: with a pool that is all held, all would wait.
        """
        with reading(self._engine) as connection:
            version = current_version(connection)
            if version == self._version:
                yield connection
                return
        self._read_again(version)
        with reading(self._engine) as connection:
            yield connection

    def _read_again(self, version: int) -> None:
        with self._lock:
            if version == self._version:
                return
            if self._remote is not None:
                self._remote.refresh(self._version)
            else:
                self._vectors = self._index()
            self._facets = FacetIndex(self._store.facet_values(), Vocabulary.load(), self._similar)
            self._allowed.clear()
            self._version = version

    def _index(self) -> VectorIndex:
        """The products' vectors: those of their texts, or fused with what else is known of them."""
        if self._fusion is None:
            has = has_vector(self._embedder.name)
            known = self._vectors if self._version >= 0 else VectorIndex.empty()
            return known.updated(self._engine, has, self._version)
        return fused_index(self._store, self._embedder, self._fusion)

    # -- filters -------------------------------------------------------------------------

    def _where(self, filters: Filters) -> list[ColumnElement[bool]]:
        where: list[ColumnElement[bool]] = []
        if filters.in_stock:
            where.append(ProductRow.stock > 0)
        if filters.price_min is not None:
            where.append(ProductRow.price >= filters.price_min)
        if filters.price_max is not None:
            where.append(ProductRow.price <= filters.price_max)
        if filters.rating_min is not None:
            where.append(ProductRow.rating >= filters.rating_min)
        where += [self._includes(f, words, filters) for f, words in filters.include.items() if words]
        where += [not_(self._mentions(f, word)) for f, words in filters.exclude.items() for word in words]
        return where

    def _includes(self, facet: str, words: Sequence[str], filters: Filters) -> ColumnElement[bool]:
        """One of the words holds. A word the shop has no facet value for must stand in the text."""
        if facet == "size":
            return _has_size([v for w in words for v in self._facets.resolve(facet, w)], filters.in_stock)
        values = {v for word in words for v in self._facets.resolve(facet, word)}
        unknown = [word for word in words if not self._facets.resolve(facet, word)]
        conditions = [_has_facet(facet, values)] if values else []
        if unknown and facet != "brand":
            conditions += [holds(self._text, unknown)]
        return or_(*conditions) if conditions else _has_facet(facet, ())

    def _mentions(self, facet: str, word: str) -> ColumnElement[bool]:
        """The product has the value or so much as names it."""
        vocabulary = self._facets.vocabulary
        if facet not in FACETS:  # a style, a feature, an ingredient: only text can tell
            return holds(self._text, [word])
        values = self._facets.resolve(facet, word)
        if facet == "size":
            return _has_size(list(values), in_stock=False)
        words = {word, *(a for v in (*values, vocabulary.canonical(facet, word)) for a in vocabulary.aliases(facet, v))}
        # A single Chinese character in running text is no mention: 皮 stands in 调皮 too.
        mention = holds(self._text, [w for w in words if len(w) > 1])
        return or_(_has_facet(facet, values), mention) if facet != "category" else _has_facet(facet, values)

    def _passing(self, connection: Connection, where: Sequence[ColumnElement[bool]]) -> NDArray[np.int64]:
        """Row ids that satisfy `where`, ascending; recent answers are kept until a change."""
        # One row with all ids is read several times faster than a row for each.
        statement = select(func.aggregate_strings(cast_sql(ProductRow.id, Text), ",")).where(*where)
        name = str(statement.compile(self._engine, compile_kwargs={"literal_binds": True}))
        with self._lock:
            if name in self._allowed:
                self._allowed.move_to_end(name)
                return self._allowed[name]
        joined = connection.scalar(statement) or ""
        ids = np.sort(np.fromstring(joined, dtype=np.int64, sep=",")) if joined else np.zeros(0, np.int64)
        with self._lock:
            self._allowed[name] = ids
            while len(self._allowed) > CACHED_FILTERS:
                self._allowed.popitem(last=False)
        return ids

    def _similar(self, word: str, values: tuple[str, ...]) -> tuple[str, ...]:
        """The facet values nearest in meaning to `word`, if near enough."""
        missing = [v for v in values if v not in self._facet_vectors]
        if missing:
            self._facet_vectors.update(zip(missing, self._embedder.embed(missing), strict=True))
        if not values:
            return ()
        likeness = np.stack([self._facet_vectors[v] for v in values]) @ self._embedder.embed([word])[0]
        least = max(NEAR_IN_MEANING, float(likeness.max()) - NEARLY_AS_NEAR)
        return tuple(v for v, near in zip(values, likeness, strict=True) if near >= least)

    # -- results -------------------------------------------------------------------------

    @tracer.start_as_current_span("records")
    def _candidates(
        self,
        connection: Connection,
        scored: Sequence[tuple[int, float]],
        lexical: Sequence[int] = (),
        dense: Sequence[int] = (),
    ) -> list[Candidate]:
        lexical_rank = {row_id: n for n, row_id in enumerate(lexical, start=1)}
        dense_rank = {row_id: n for n, row_id in enumerate(dense, start=1)}
        products = self._store.records.get(connection, [row_id for row_id, _ in scored], self._version)
        return [
            Candidate(products[row_id], lexical_rank.get(row_id), dense_rank.get(row_id), score)
            for row_id, score in scored
            if row_id in products
        ]

    def _most_liked(self, query: Query) -> list[Candidate]:
        liked = ProductRow.rating * func.log(ProductRow.review_count + 2)
        with self._reading() as connection:
            passing = select(ProductRow.id).where(*self._where(query.filters))
            ids = list(connection.scalars(passing.order_by(liked.desc(), ProductRow.id).limit(query.k)))
            return self._candidates(connection, fuse(ids, [], len(ids)))

    def _relaxed(self, connection: Connection, limit: str, words: tuple[str, ...], without: Filters) -> Relaxation:
        where = self._where(without)
        nearest: Any = None
        column, best = _NEAREST.get(limit, (None, None))
        if column is not None and best is not None:
            nearest = connection.scalar(select(best(column)).where(*where))
        return Relaxation(limit, words, len(self._passing(connection, where)), nearest)


_NEAREST: Mapping[str, tuple[Any, Any]] = {
    "price_max": (ProductRow.price, func.min),
    "price_min": (ProductRow.price, func.max),
    "rating_min": (ProductRow.rating, func.max),
}


def fuse(lexical: Sequence[int], dense: Sequence[int], complete: int) -> list[tuple[int, float]]:
    """Reciprocal rank fusion of two lists of ids, of which the first `complete` lexical ones hold all words.

    >>> [i for i, _ in fuse([7, 8], [8, 9], complete=2)]
    [8, 7, 9]
    """
    scores: dict[int, float] = {}
    for rank, row_id in enumerate(dense, start=1):
        scores[row_id] = DENSE_WEIGHT / (RRF_K + rank)
    for rank, row_id in enumerate(lexical, start=1):
        weight = COMPLETE_WEIGHT if rank <= complete else PARTIAL_WEIGHT
        scores[row_id] = scores.get(row_id, 0.0) + weight / (RRF_K + rank)
    return sorted(scores.items(), key=lambda item: -item[1])


def _has_facet(facet: str, values: Any) -> ColumnElement[bool]:
    return exists().where(
        FacetRow.product_id == ProductRow.id, FacetRow.facet == facet, FacetRow.value.in_(sorted(values))
    )


def _has_size(keys: Sequence[str], in_stock: bool) -> ColumnElement[bool]:
    condition = and_(VariantRow.product_id == ProductRow.id, VariantRow.size_key.in_(sorted(keys)))
    return exists().where(condition, VariantRow.stock > 0) if in_stock else exists().where(condition)


def _each_dropped(filters: Filters) -> Iterator[tuple[str, tuple[str, ...], Filters]]:
    """(limit, its words, the filters without it) for every limit that is set."""
    for name in ("price_max", "price_min", "rating_min"):
        value: Decimal | float | None = getattr(filters, name)
        if value is not None:
            yield (
                name,
                (f"{value:f}" if isinstance(value, Decimal) else f"{value:g}",),
                replace(filters, **cast(Any, {name: None})),
            )
    for kind in ("include", "exclude"):
        facets: Mapping[str, tuple[str, ...]] = getattr(filters, kind)
        for facet, words in facets.items():
            rest = {f: w for f, w in facets.items() if f != facet}
            yield facet if kind == "include" else f"exclude.{facet}", words, replace(filters, **cast(Any, {kind: rest}))
