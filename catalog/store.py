"""Products in and out of the database. Ids, rows and sessions stay in here."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Insert,
    Text,
    bindparam,
    cast,
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

from catalog.bulk import add_rows
from catalog.facets import Vocabulary
from catalog.lexical import full_text
from catalog.records import Records, current_version, read_products
from catalog.rows import (
    CHILDREN,
    child_rows,
    content_hash,
    embedding_texts,
    fields,
    product_row,
    searched_text,
    vector_hash,
)
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
    ShopperRow,
    VectorRow,
    insert_of,
    reading,
)
from catalog.types import Attribute, Interaction, Opinion, Product

BATCH = 1_000
_INTERACTION: Any = (
    InteractionRow.shopper_id, ProductRow.external_id, InteractionRow.kind, InteractionRow.time, InteractionRow.value,
    InteractionRow.session, InteractionRow.position, InteractionRow.size,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows an import put in, changed, and found as they were."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: "Written") -> "Written":
        return Written(self.added + other.added, self.updated + other.updated, self.unchanged + other.unchanged)


class ProductStore:
    """Reads and writes products, shoppers and interactions."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._vocabulary = Vocabulary.load()
        self._insert = insert_of(engine)
        self._text = full_text(engine)
        self.records = Records()

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
        updated = sum(e in known for e in changed)
        return Written(len(changed) - updated, updated, len(batch) - len(changed))

    def _clear(self, connection: Connection, ids: Sequence[int]) -> None:
        for table in CHILDREN if ids else ():
            connection.execute(delete(table).where(table.product_id.in_(ids)))

    def _write(self, connection: Connection, items: Mapping[str, tuple[Product, str]]) -> None:
        changed = count_up(connection)
        rows = [{**product_row(product, digest), "changed": changed} for product, digest in items.values()]
        statement = self._insert(ProductRow)
        written = statement.on_conflict_do_update(
            index_elements=[ProductRow.external_id],
            set_={name: statement.excluded[name] for name in rows[0] if name != "external_id"},
        ).returning(ProductRow.external_id, ProductRow.id)
        ids = dict(connection.execute(written, rows).tuples().all())
        products = {ids[external_id]: product for external_id, (product, _) in items.items()}
        told = {row_id: child_rows(product, self._vocabulary) for row_id, product in products.items()}
        for table in CHILDREN:
            add_rows(connection, table, [{"product_id": i, **row} for i, own in told.items() for row in own[table]])
        self._text.write(connection, {row_id: searched_text(product) for row_id, product in products.items()})

    # -- products out --------------------------------------------------------------------

    def version(self) -> int:
        """A number that grows with every change of the catalog."""
        with reading(self.engine) as connection:
            return current_version(connection)

    def count(self) -> int:
        """How many products there are, in stock or not."""
        with self.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(ProductRow)) or 0

    def by_id(self, ids: Sequence[int], reviews: bool = False) -> dict[int, Product]:
        """Products by row id; reviews are left out unless asked for.

        Products that were read before come from memory for as long as the catalog stays as it is.
        """
        with reading(self.engine) as connection:
            if reviews or not ids:
                return read_products(connection, ids, reviews)
            return self.records.get(connection, ids, current_version(connection))

    def get(self, external_id: str, reviews: bool = False) -> Product | None:
        """One product by the shop's own id."""
        with self.engine.connect() as connection:
            row_id = connection.scalar(select(ProductRow.id).where(ProductRow.external_id == external_id))
        return self.by_id([row_id], reviews)[row_id] if row_id is not None else None

    def all(self, reviews: bool = False) -> Iterator[Product]:
        """Every product, in bounded memory."""
        last = 0
        while ids := self.ids_after(last):
            with reading(self.engine) as connection:
                products = read_products(connection, ids, reviews)
            yield from products.values()
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

    def reviews_by_brand(self) -> dict[str, int]:
        """How many reviews each brand has, and one for each of its products; products without a brand are left out."""
        count = (func.sum(ProductRow.review_count) + func.count()).label("reviews")
        statement = select(ProductRow.brand, count).where(ProductRow.brand != "").group_by(ProductRow.brand)
        with self.engine.connect() as connection:
            return {brand: int(reviews) for brand, reviews in connection.execute(statement)}

    def properties(self, limit: int) -> frozenset[str]:
        """The commonest attribute values, at most `limit`."""
        statement = select(AttributeRow.value).group_by(AttributeRow.value).order_by(func.count().desc()).limit(limit)
        with self.engine.connect() as connection:
            return frozenset(connection.scalars(statement))

    def attribute_values(self, language: str, limit: int) -> dict[str, list[str]]:
        """What feeds name in a language: the commonest `limit` values by attribute, narrowest kinds as `category`."""
        kinds = select(cast(ProductTextRow.category, Text)).where(ProductTextRow.language == language).distinct()
        named = (
            select(AttributeRow.name, AttributeRow.value)
            .where(AttributeRow.language.in_(("", language)), AttributeRow.span == "")
            .group_by(AttributeRow.name, AttributeRow.value)
            .order_by(func.count().desc(), AttributeRow.value)
            .limit(limit)
        )
        values = {"brand": sorted(self.brands())}
        with self.engine.connect() as connection:
            paths = [json.loads(path) for path in connection.scalars(kinds)]
            values["category"] = sorted({path[-1] for path in paths if path})
            for name, value in connection.execute(named):
                values.setdefault(name, []).append(value)
        return values

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
            rows = [{"product_id": ids[p], **fields(o)} for p, said in summed.items() if p in ids for o in said]
            add_rows(connection, OpinionRow, rows)
            count_up(connection)

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
                {"product_id": i, **row} for i, p in products.items() for row in child_rows(p, self._vocabulary)[table]
            ]
            connection.execute(delete(table).where(table.product_id.in_(ids)))
            add_rows(connection, table, rows)
        connection.execute(_colors_seen([p.external_id for p in products.values()]))
        self._text.write(connection, {i: searched_text(p) for i, p in products.items()})
        changed = update(ProductRow).where(ProductRow.id == bindparam("row"))
        connection.execute(
            changed.values(vector_hash=bindparam("digest"), changed=count_up(connection)),
            [{"row": i, "digest": vector_hash(embedding_texts(p))} for i, p in products.items()],
        )

    def analyze(self) -> None:
        """After many changes have PostgreSQL look at the tables: its plans go by that, and limits are read off an index."""
        if self.engine.dialect.name == "postgresql":
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))

    def touch(self, ids: Sequence[int]) -> None:
        """Count products, by row id, as changed: something that is derived from them is new."""
        with self.engine.begin() as connection:
            version = count_up(connection)
            for at in range(0, len(ids), BATCH):
                some = ProductRow.id.in_(ids[at : at + BATCH])
                connection.execute(update(ProductRow).where(some).values(changed=version))

    def set_pictures(self, hashes: Mapping[str, str]) -> None:
        """Note, by the shop's own ids, which picture each product has; what has no colour gets those of the picture."""
        if hashes:
            statement = update(ProductRow).where(ProductRow.external_id == bindparam("product"))
            rows = [{"product": product, "picture_hash": digest} for product, digest in hashes.items()]
            with self.engine.begin() as connection:
                connection.execute(statement, rows)
                connection.execute(_colors_seen(list(hashes)))
                count_up(connection)

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
            count_up(connection)


def _colors_seen(products: Sequence[str]) -> Insert:
    """Gives those of the products whose feed names no colour what their pictures show."""
    named = exists().where(FacetRow.product_id == ProductRow.id, FacetRow.facet == "color")
    seen = (
        select(ProductRow.id, literal("color"), PictureColorRow.color)
        .join(PictureColorRow, PictureColorRow.picture_hash == ProductRow.picture_hash)
        .where(ProductRow.external_id.in_(products), ~named)
    )
    return insert(FacetRow).from_select(["product_id", "facet", "value"], seen)


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


def count_up(connection: Connection) -> int:
    """The catalog's next version. Whoever counts holds it until the end of the transaction, so that all that a version
    wrote is there when it can be read.
    """
    counted = (
        update(CatalogVersionRow).values(version=literal_column("version + 1")).returning(CatalogVersionRow.version)
    )
    return connection.execute(counted).scalar_one()
