"""Row ids to products: all that is asked for in one statement, and what was read before from memory."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, cast, literal, null, select, union_all

from catalog.rows import to_product
from catalog.schema import (
    AttributeRow,
    CatalogVersionRow,
    OpinionRow,
    ProductRow,
    ProductTextRow,
    ReviewRow,
    VariantRow,
)
from catalog.types import Product

KEPT = 5_000  # products in memory
_PARTS: tuple[Any, ...] = (ProductRow, ProductTextRow, AttributeRow, VariantRow, OpinionRow)
_ORDER = ("part", "product_id", "position", "language", "aspect")  # within a product, as its rows were written


class Records:
    """Products by row id; threads may share one."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Product] = OrderedDict()  # of one version of the catalog, the last used last
        self._version = -1
        self._lock = Lock()

    def get(self, connection: Connection, ids: Sequence[int], version: int) -> dict[int, Product]:
        """Products without their reviews. Those read before come from memory while the catalog's version is `version`."""
        with self._lock:
            if version != self._version:
                self._kept.clear()
                self._version = version
            found = {i: self._kept[i] for i in ids if i in self._kept}
        found |= read_products(connection, [i for i in ids if i not in found])
        with self._lock:
            if version == self._version:
                self._keep(found)
        return {i: found[i] for i in ids if i in found}

    def _keep(self, found: Mapping[int, Product]) -> None:
        self._kept |= found
        for i in found:
            self._kept.move_to_end(i)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)


def read_products(connection: Connection, ids: Sequence[int], reviews: bool = False) -> dict[int, Product]:
    """Products as the database has them, in the order of `ids`, without those that are gone."""
    if not ids:
        return {}
    rows = connection.execute(_STATEMENT, {"ids": list(ids)}).all()
    parts = {_PARTS[n]: _by_product(group) for n, group in groupby(rows, attrgetter("part"))}
    if reviews:
        said = select(ReviewRow.__table__).where(ReviewRow.product_id.in_(ids))
        ordered = connection.execute(said.order_by(ReviewRow.product_id, ReviewRow.position)).all()
        parts[ReviewRow] = _by_product(ordered)
    products = parts.pop(ProductRow, {})
    return {i: to_product(products[i][0], parts) for i in ids if i in products}


def current_version(connection: Connection) -> int:
    """A number that grows with every change of the catalog."""
    return connection.scalar(select(CatalogVersionRow.version)) or 0


def _by_product(rows: Iterable[Row[Any]]) -> dict[int, list[Row[Any]]]:
    return {i: list(group) for i, group in groupby(rows, attrgetter("product_id"))}


def _part(number: int, table: Any, types: Mapping[str, Any]) -> Select[Any]:
    """A table's rows in columns that serve every part: those of other parts are NULL."""
    own = table.__table__.c
    product_id = own.id if table is ProductRow else own.product_id
    columns = [own[name] if name in own else cast(null(), types[name]).label(name) for name in types]
    return select(literal(number).label("part"), product_id.label("product_id"), *columns).where(
        product_id.in_(bindparam("ids", expanding=True))
    )


def _statement() -> Any:
    types = {c.name: c.type for table in _PARTS for c in table.__table__.c if c.name != "product_id"}
    return union_all(*(_part(n, table, types) for n, table in enumerate(_PARTS))).order_by(*_ORDER)


_STATEMENT = _statement()
