"""Products in and out of the database. Ids, rows and sessions stay in here."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from threading import Lock
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Insert,
    Row,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
    update,
)

from catalog.amounts import normalize_size
from catalog.facets import Vocabulary, facet_values
from catalog.lexical import document_words
from catalog.schema import (
    AttributeRow,
    CatalogVersionRow,
    FacetRow,
    ForgottenRow,
    InteractionRow,
    OpinionRow,
    PictureColorRow,
    ProductRow,
    ProductTextRow,
    ReviewRow,
    ShopperRow,
    VariantRow,
    VectorRow,
    insert_of,
)
from catalog.types import Attribute, Interaction, Opinion, Product, ProductText, Review, Variant

KEPT = 5_000  # products in memory
BATCH = 1_000
_INTERACTION: Any = (
    InteractionRow.shopper_id, ProductRow.external_id, InteractionRow.kind, InteractionRow.time, InteractionRow.value,
    InteractionRow.session, InteractionRow.position, InteractionRow.size,
)  # fmt: skip
_CHILDREN = (ProductTextRow, AttributeRow, VariantRow, FacetRow, ReviewRow)


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows an import put in, changed, and found as they were."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: "Written") -> "Written":
        return Written(self.added + other.added, self.updated + other.updated, self.unchanged + other.unchanged)


def embedding_texts(product: Product) -> tuple[str, ...]:
    """What is embedded of a product, one text per language: title, kind, attributes, description."""
    return tuple(
        ". ".join(
            filter(
                None,
                (
                    t.title,
                    " ".join(t.category[-1:]),
                    ", ".join(a.value for a in product.attributes if a.language == language),
                    t.description[:200],
                ),
            )
        )
        for language, t in sorted(product.texts.items())
    )


def vector_hash(texts: Sequence[str]) -> str:
    """The key that a product's embedding is cached under."""
    return hashlib.sha256("\x1e".join(texts).encode()).hexdigest()


class ProductStore:
    """Reads and writes products, shoppers and interactions."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._vocabulary = Vocabulary.load()
        self._insert = insert_of(engine)
        self._kept: OrderedDict[int, Product] = OrderedDict()  # of this version of the catalog, the last used last
        self._kept_version = -1
        self._lock = Lock()

    # -- products in ---------------------------------------------------------------------

    def upsert(self, products: Iterable[Product]) -> Written:
        """Add new products and replace changed ones, all in one transaction."""
        with self.engine.begin() as connection:
            written = Written()
            for batch in batches(products):
                written += self.upsert_batch(connection, batch)
            return written

    def upsert_batch(self, connection: Connection, products: Sequence[Product]) -> Written:
        """The same for one batch inside the caller's transaction; the last of equal ids counts."""
        batch = {p.external_id: (p, content_hash(p)) for p in products}
        known = {
            row.external_id: row
            for row in connection.execute(
                select(ProductRow.external_id, ProductRow.id, ProductRow.content_hash).where(
                    ProductRow.external_id.in_(batch)
                )
            )
        }
        changed = {e: item for e, item in batch.items() if e not in known or known[e].content_hash != item[1]}
        if changed:
            old = [known[e].id for e in changed if e in known]
            self._clear(connection, old)
            self._write(connection, changed)
            _count_up(connection)
        updated = sum(e in known for e in changed)
        return Written(len(changed) - updated, updated, len(batch) - len(changed))

    def _clear(self, connection: Connection, ids: Sequence[int]) -> None:
        if not ids:
            return
        for table in _CHILDREN:
            connection.execute(delete(table).where(table.product_id.in_(ids)))
        connection.execute(text("DELETE FROM product_words WHERE rowid = :id"), [{"id": i} for i in ids])

    def _write(self, connection: Connection, items: Mapping[str, tuple[Product, str]]) -> None:
        rows = [_product_row(product, digest) for product, digest in items.values()]
        statement = self._insert(ProductRow)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[ProductRow.external_id],
                set_={name: statement.excluded[name] for name in rows[0] if name != "external_id"},
            ),
            rows,
        )
        ids = dict(
            connection.execute(select(ProductRow.external_id, ProductRow.id).where(ProductRow.external_id.in_(items)))
            .tuples()
            .all()
        )
        children: dict[Any, list[dict[str, Any]]] = {table: [] for table in _CHILDREN}
        words = []
        for external_id, (product, _) in items.items():
            for table, child_rows in _child_rows(product, self._vocabulary).items():
                children[table] += [{"product_id": ids[external_id], **row} for row in child_rows]
            words.append({"id": ids[external_id], **_words(product)})
        for table, child_rows in children.items():
            if child_rows:
                connection.execute(insert(table), child_rows)
        connection.execute(text(self._insert_words), words)

    @property
    def _insert_words(self) -> str:
        if self.engine.dialect.name == "sqlite":
            return "INSERT INTO product_words (rowid, title, body) VALUES (:id, :title, :body)"
        return (
            "INSERT INTO product_words (rowid, words) VALUES (:id, "
            "setweight(to_tsvector('simple', :title), 'A') || to_tsvector('simple', :body))"
        )

    # -- products out --------------------------------------------------------------------

    def version(self) -> int:
        """A number that grows with every change of the catalog."""
        with self.engine.connect() as connection:
            return connection.scalar(select(CatalogVersionRow.version)) or 0

    def count(self) -> int:
        """How many products there are, in stock or not."""
        with self.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(ProductRow)) or 0

    def by_id(self, ids: Sequence[int], reviews: bool = False) -> dict[int, Product]:
        """Products by row id; reviews are left out unless asked for.

        Products that were read before come from memory for as long as the catalog stays as it is.
        """
        if reviews or not ids:
            return self._read(ids, reviews)
        version = self.version()
        with self._lock:
            if version != self._kept_version:
                self._kept.clear()
                self._kept_version = version
            found = {i: self._kept[i] for i in ids if i in self._kept}
        found |= self._read([i for i in ids if i not in found])
        with self._lock:
            if version == self._kept_version:
                self._kept |= found
                for i in found:
                    self._kept.move_to_end(i)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        return {i: found[i] for i in ids if i in found}

    def _read(self, ids: Sequence[int], reviews: bool = False) -> dict[int, Product]:
        if not ids:
            return {}
        with self.engine.connect() as connection:
            rows = {r.id: r for r in connection.execute(select(ProductRow.__table__).where(ProductRow.id.in_(ids)))}
            children = {
                table: _by_product(connection, table, ids)
                for table in (ProductTextRow, AttributeRow, VariantRow, OpinionRow, *([ReviewRow] if reviews else []))
            }
        return {i: _product(rows[i], children) for i in ids if i in rows}

    def get(self, external_id: str, reviews: bool = False) -> Product | None:
        """One product by the shop's own id."""
        with self.engine.connect() as connection:
            row_id = connection.scalar(select(ProductRow.id).where(ProductRow.external_id == external_id))
        return self.by_id([row_id], reviews)[row_id] if row_id is not None else None

    def all(self, reviews: bool = False) -> Iterator[Product]:
        """Every product, in bounded memory."""
        last = 0
        while ids := self.ids_after(last):
            yield from self._read(ids, reviews).values()
            last = ids[-1]

    def ids_after(self, last: int, most: int = BATCH) -> list[int]:
        """The next row ids, ascending, at most `most`."""
        with self.engine.connect() as connection:
            return list(
                connection.scalars(
                    select(ProductRow.id).where(ProductRow.id > last).order_by(ProductRow.id).limit(most)
                )
            )

    def facet_values(self) -> dict[str, frozenset[str]]:
        """Facet -> the canonical values that some product has."""
        with self.engine.connect() as connection:
            pairs = connection.execute(select(FacetRow.facet, FacetRow.value).distinct().order_by(FacetRow.facet)).all()
        return {facet: frozenset(p.value for p in group) for facet, group in groupby(pairs, attrgetter("facet"))}

    def brands(self) -> frozenset[str]:
        """Brand names as the feeds write them."""
        with self.engine.connect() as connection:
            return frozenset(connection.scalars(select(ProductRow.brand).distinct())) - {""}

    def properties(self, limit: int) -> frozenset[str]:
        """The commonest attribute values, at most `limit`."""
        statement = select(AttributeRow.value).group_by(AttributeRow.value).order_by(func.count().desc()).limit(limit)
        with self.engine.connect() as connection:
            return frozenset(connection.scalars(statement))

    # -- shoppers ------------------------------------------------------------------------

    def add_interactions(self, connection: Connection, interactions: Sequence[Interaction]) -> list[Interaction]:
        """Write interactions, each once; return those whose product the catalog lacks."""
        ids = dict(
            connection.execute(
                select(ProductRow.external_id, ProductRow.id).where(
                    ProductRow.external_id.in_({i.product for i in interactions})
                )
            )
            .tuples()
            .all()
        )
        known = [i for i in interactions if i.product in ids]
        if known:
            now = datetime.now(UTC)
            connection.execute(
                self._insert(ShopperRow).on_conflict_do_nothing(),
                [{"id": s, "created": now} for s in {i.shopper for i in known}],
            )
            connection.execute(
                self._insert(InteractionRow).on_conflict_do_nothing(),
                [
                    {
                        "shopper_id": i.shopper,
                        "product_id": ids[i.product],
                        "kind": i.kind,
                        "value": i.value,
                        "time": i.time,
                        "session": i.session,
                        "position": i.position,
                        "size": i.size,
                    }
                    for i in known
                ],
            )
        return [i for i in interactions if i.product not in ids]

    def interact(self, interaction: Interaction) -> bool:
        """Write one interaction; False if the catalog lacks the product."""
        with self.engine.begin() as connection:
            return not self.add_interactions(connection, [interaction])

    def history(self, shopper: str, limit: int = 200) -> list[Interaction]:
        """What a shopper did, latest first."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                select(*_INTERACTION)
                .join(ProductRow)
                .where(InteractionRow.shopper_id == shopper)
                .order_by(InteractionRow.time.desc(), InteractionRow.id.desc())
                .limit(limit)
            )
            return [Interaction(*row) for row in rows.tuples()]

    def histories(self) -> list[Interaction]:
        """What all shoppers did, earliest first."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                select(*_INTERACTION).join(ProductRow).order_by(InteractionRow.time, InteractionRow.id)
            )
            return [Interaction(*row) for row in rows.tuples()]

    def forgotten(self, shopper: str) -> frozenset[str]:
        """What the shopper wants no use to be made of."""
        with self.engine.connect() as connection:
            return frozenset(connection.scalars(select(ForgottenRow.name).where(ForgottenRow.shopper_id == shopper)))

    def forget(self, shopper: str, name: str) -> None:
        """Make no more use of what `name` says of the shopper."""
        now = datetime.now(UTC)
        with self.engine.begin() as connection:
            connection.execute(self._insert(ShopperRow).on_conflict_do_nothing(), {"id": shopper, "created": now})
            row = {"shopper_id": shopper, "name": name, "time": now}
            connection.execute(self._insert(ForgottenRow).on_conflict_do_nothing(), row)

    def forget_history(self, shopper: str) -> int:
        """Delete all that the shopper did; how much it was."""
        with self.engine.begin() as connection:
            return connection.execute(delete(InteractionRow).where(InteractionRow.shopper_id == shopper)).rowcount

    def by_external_id(self, external_ids: Iterable[str]) -> dict[str, Product]:
        """Products by the shop's own ids; unknown ids are left out."""
        if not (wanted := set(external_ids)):
            return {}
        with self.engine.connect() as connection:
            ids = list(connection.scalars(select(ProductRow.id).where(ProductRow.external_id.in_(wanted))))
        return {p.external_id: p for p in self.by_id(ids).values()}

    def set_opinions(self, summed: Mapping[str, Sequence[Opinion]]) -> None:
        """Keep what buyers say of products, by the shop's own ids, in place of what was kept before."""
        with self.engine.begin() as connection:
            known = select(ProductRow.external_id, ProductRow.id).where(ProductRow.external_id.in_(summed))
            ids = dict(connection.execute(known).tuples().all())
            connection.execute(delete(OpinionRow).where(OpinionRow.product_id.in_(ids.values())))
            rows = [{"product_id": ids[p], **_fields(o)} for p, said in summed.items() if p in ids for o in said]
            if rows:
                connection.execute(insert(OpinionRow), rows)
            _count_up(connection)

    def set_found(self, found: Mapping[str, Sequence[Attribute]]) -> int:
        """Keep attributes found in texts, by the shop's own ids, in place of those found before; how many products changed.

        Facets, searched words and the hash of what is embedded follow.
        """
        known, products = self._hashes(found), self.by_external_id(found)
        changed = {
            product.external_id: replace(product, attributes=(*product.named, *found[product.external_id]))
            for product in products.values()
            if tuple(found[product.external_id]) != tuple(a for a in product.attributes if a.span)
        }
        with self.engine.begin() as connection:
            now = self._hashes(changed, connection)
            own = {now[e][0]: p for e, p in changed.items() if now.get(e) == known[e]}  # no import came between
            if own:
                self._describe(connection, own)
        return len(own)

    def _hashes(self, products: Iterable[str], connection: Connection | None = None) -> dict[str, tuple[int, str]]:
        """Row id and content hash of products by the shop's own ids."""
        columns = select(ProductRow.external_id, ProductRow.id, ProductRow.content_hash)
        statement = columns.where(ProductRow.external_id.in_(list(products)))
        if connection is None:
            with self.engine.connect() as own:
                return self._hashes(products, own)
        return {external_id: (row_id, digest) for external_id, row_id, digest in connection.execute(statement)}

    def _describe(self, connection: Connection, products: Mapping[int, Product]) -> None:
        """Write attributes and what follows from them anew, by row id."""
        ids = list(products)
        for table in (AttributeRow, FacetRow):
            rows = [
                {"product_id": i, **row} for i, p in products.items() for row in _child_rows(p, self._vocabulary)[table]
            ]
            connection.execute(delete(table).where(table.product_id.in_(ids)))
            if rows:
                connection.execute(insert(table), rows)
        connection.execute(_colors_seen([p.external_id for p in products.values()]))
        connection.execute(text("DELETE FROM product_words WHERE rowid = :id"), [{"id": i} for i in ids])
        connection.execute(text(self._insert_words), [{"id": i, **_words(p)} for i, p in products.items()])
        connection.execute(
            update(ProductRow).where(ProductRow.id == bindparam("row")).values(vector_hash=bindparam("digest")),
            [{"row": i, "digest": vector_hash(embedding_texts(p))} for i, p in products.items()],
        )
        _count_up(connection)

    def set_pictures(self, hashes: Mapping[str, str]) -> None:
        """Note, by the shop's own ids, which picture each product has; what has no colour gets those of the picture."""
        if hashes:
            statement = update(ProductRow).where(ProductRow.external_id == bindparam("product"))
            rows = [{"product": product, "picture_hash": digest} for product, digest in hashes.items()]
            with self.engine.begin() as connection:
                connection.execute(statement, rows)
                connection.execute(_colors_seen(list(hashes)))
                _count_up(connection)

    def add_picture_colors(self, colors: Mapping[str, Sequence[str]]) -> None:
        """Keep the colours that pictures show, by the hash of the picture."""
        rows = [
            {"picture_hash": digest, "color": color}
            for digest, names in colors.items()
            for color in dict.fromkeys(c for name in names for c in self._vocabulary.with_broader(name))
        ]
        if rows:
            with self.engine.begin() as connection:
                connection.execute(self._insert(PictureColorRow).on_conflict_do_nothing(), rows)

    def vectors_known(self, model: str, hashes: Sequence[str]) -> set[str]:
        """Those of the hashes that `model` has made a vector of."""
        statement = select(VectorRow.vector_hash).where(VectorRow.model == model, VectorRow.vector_hash.in_(hashes))
        with self.engine.connect() as connection:
            return set(connection.scalars(statement))

    def vectors_of(self, model: str, hashes: Sequence[str]) -> dict[str, Any]:
        """The vectors that `model` has made of those of the hashes that it knows."""
        statement = select(VectorRow.vector_hash, VectorRow.vector).where(VectorRow.model == model)
        with self.engine.connect() as connection:
            pages = [hashes[at : at + BATCH] for at in range(0, len(hashes), BATCH)]
            rows = [connection.execute(statement.where(VectorRow.vector_hash.in_(page))).tuples() for page in pages]
            return {digest: vector for page in rows for digest, vector in page}

    def set_stock(self, external_id: str, stock: int) -> None:
        """Change a product's stock, as a sale or a delivery does."""
        with self.engine.begin() as connection:
            connection.execute(
                update(ProductRow)
                .where(ProductRow.external_id == bindparam("product"))
                .values(stock=stock, content_hash=""),
                {"product": external_id},
            )
            _count_up(connection)


def _colors_seen(products: Sequence[str]) -> Insert:
    """Gives those of the products whose feed names no colour what their pictures show."""
    named = exists().where(FacetRow.product_id == ProductRow.id, FacetRow.facet == "color")
    seen = (
        select(ProductRow.id, literal("color"), PictureColorRow.color)
        .join(PictureColorRow, PictureColorRow.picture_hash == ProductRow.picture_hash)
        .where(ProductRow.external_id.in_(products), ~named)
    )
    return insert(FacetRow).from_select(["product_id", "facet", "value"], seen)


def content_hash(product: Product) -> str:
    """Changes when anything that the feed says of the product does."""
    said = asdict(product)
    del said["opinions"]
    return hashlib.sha256(json.dumps(said, default=str, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def batches(products: Iterable[Product]) -> Iterator[list[Product]]:
    """Products a thousand at a time."""
    batch: list[Product] = []
    for product in products:
        batch.append(product)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _count_up(connection: Connection) -> None:
    connection.execute(update(CatalogVersionRow).values(version=literal_column("version + 1")))


def _product_row(product: Product, digest: str) -> dict[str, Any]:
    return {
        "external_id": product.external_id,
        "content_hash": digest,
        "vector_hash": vector_hash(embedding_texts(product)),
        "brand": product.brand,
        "price": product.price,
        "currency": product.currency,
        "rating": product.rating,
        "review_count": product.review_count,
        "stock": product.stock,
        "image": product.image,
        "picture_hash": "",
        "url": product.url,
        "created": product.created,
    }


def _child_rows(product: Product, vocabulary: Vocabulary) -> dict[Any, list[dict[str, Any]]]:
    return {
        ProductTextRow: [
            {"language": lang, "title": t.title, "description": t.description, "category": list(t.category)}
            for lang, t in product.texts.items()
        ],
        AttributeRow: [{"position": n, **_fields(a)} for n, a in enumerate(product.attributes)],
        VariantRow: [
            {"position": n, "size_key": normalize_size(v.size), **_fields(v)} for n, v in enumerate(product.variants)
        ],
        FacetRow: [{"facet": f, "value": v} for f, v in sorted(facet_values(product, vocabulary))],
        ReviewRow: [{"position": n, **_fields(r)} for n, r in enumerate(product.reviews)],
    }


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def _words(product: Product) -> dict[str, str]:
    """The words that full text search looks through."""
    texts = product.texts.values()
    body = [
        product.brand,
        *(a.value for a in product.attributes),
        *(c for t in texts for c in t.category),
        *(t.description for t in texts),
    ]
    return {
        "title": document_words(" ".join(t.title for t in texts)),
        "body": document_words(" ".join(body)),
    }


def _by_product(connection: Connection, table: Any, ids: Sequence[int]) -> dict[int, list[Row[Any]]]:
    columns = table.__table__
    rows = connection.execute(select(columns).where(table.product_id.in_(ids)).order_by(*columns.primary_key.columns))
    return {i: list(group) for i, group in groupby(rows, attrgetter("product_id"))}


def _product(row: Row[Any], children: Mapping[Any, Mapping[int, list[Row[Any]]]]) -> Product:
    def of(table: Any) -> list[Row[Any]]:
        return children.get(table, {}).get(row.id, [])

    return Product(
        external_id=row.external_id,
        price=row.price,
        currency=row.currency,
        texts={t.language: ProductText(t.title, t.description, tuple(t.category)) for t in of(ProductTextRow)},
        brand=row.brand,
        attributes=tuple(Attribute(a.name, a.value, a.language, a.span, a.confidence) for a in of(AttributeRow)),
        variants=tuple(Variant(v.sku, v.size, v.color, v.stock, v.price) for v in of(VariantRow)),
        reviews=tuple(Review(r.author, r.rating, r.text, r.language, r.created) for r in of(ReviewRow)),
        rating=row.rating,
        review_count=row.review_count,
        stock=row.stock,
        image=row.image,
        url=row.url,
        created=row.created,
        opinions=tuple(
            Opinion(o.aspect, o.good, o.bad) for o in sorted(of(OpinionRow), key=lambda o: -(o.good + o.bad))
        ),
    )
