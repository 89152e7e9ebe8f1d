"""Google Merchant Center product feeds: tab-separated text, or RSS 2.0 with the `g:` namespace.

Fields: https://support.google.com/merchants/answer/7052112
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import ParseError, iterparse

from catalog.feeds.source import (
    BadValue,
    FeedError,
    FeedOptions,
    Reject,
    clean,
    csv_rows,
    language_of,
    open_text,
    path_of,
    price,
    whole,
)
from catalog.types import Attribute, Product, ProductText, Variant

_ATTRIBUTES = ("color", "material", "pattern", "gender", "age_group", "condition")
_IN_STOCK = {"in_stock", "in stock", "preorder", "backorder"}
_ASSUMED_STOCK = 10  # the feed says whether, not how many


def read_tsv(path: Path, options: FeedOptions) -> Iterator[Product | Reject]:
    """The tab-separated form."""
    with open_text(path, options.encoding) as text:
        yield from _products(csv_rows(text, "\t"), path, options)


def read_xml(path: Path, options: FeedOptions) -> Iterator[Product | Reject]:
    """The RSS form, read item by item. `row` of a reject counts items."""
    if not path.is_file():
        raise FeedError(f"{path}: no such file")
    yield from _products(_items(path), path, options)


def _items(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    number = 0
    try:
        for _, element in iterparse(path, events=("end",)):
            if _local(element) in ("item", "entry"):
                number += 1
                yield number, {_local(child): "".join(child.itertext()).strip() for child in element}
                element.clear()
    except ParseError as error:
        # What came before the break is good; the break itself is reported as a row.
        yield number + 1, {"__broken__": f"the XML breaks off or is not well formed: {error}"}


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _products(
    rows: Iterable[tuple[int, Mapping[str, str]]], path: Path, options: FeedOptions
) -> Iterator[Product | Reject]:
    """Rows of one `item_group_id` that stand together are the variants of one product."""
    seen: set[int] = set()
    for group, members in groupby(rows, key=lambda item: item[1].get("item_group_id") or item[1].get("id")):
        good: list[Mapping[str, str]] = []
        for number, row in members:
            try:
                _check(row, group, seen)
                good.append(row)
                product = _product(good[-1:], options)
            except BadValue as error:
                good = [r for r in good if r is not row]
                yield Reject(str(path), number, error.column, error.reason, row)
        if good:
            product = _product(good, options)
            seen.add(hash(group))
            yield product


def _check(row: Mapping[str, str], group: str | None, seen: set[int]) -> None:
    if "__broken__" in row:
        raise BadValue("", row["__broken__"])
    for column in ("id", "title"):
        if not clean(row.get(column)):
            raise BadValue(column, "missing")
    if hash(group) in seen:
        raise BadValue("item_group_id", f"{group!r} came before; sort the feed by item_group_id")


def _product(rows: list[Mapping[str, str]], options: FeedOptions) -> Product:
    first = rows[0]
    amount, currency = _price(first, options)
    title = clean(first["title"])
    stocks = [_stock(row) for row in rows]
    variants = tuple(
        Variant(clean(row["id"]), clean(row.get("size")), clean(row.get("color")), stock, _price(row, options)[0])
        for row, stock in zip(rows, stocks, strict=True)
        if row.get("size") or row.get("item_group_id")
    )
    category = path_of(first.get("product_type") or first.get("google_product_category"), (">",))
    return Product(
        external_id=clean(first.get("item_group_id") or first["id"]),
        price=amount,
        currency=currency,
        texts={language_of(title): ProductText(title, clean(first.get("description")), category)},
        brand=clean(first.get("brand")),
        attributes=tuple(
            Attribute(name, value)
            for name in _ATTRIBUTES
            for value in dict.fromkeys(clean(v) for row in rows for v in (row.get(name) or "").split("/"))
            if value
        ),
        variants=variants,
        stock=sum(stocks),
        image=clean(first.get("image_link")),
        url=clean(first.get("link")),
    )


def _price(row: Mapping[str, str], options: FeedOptions) -> tuple:  # type: ignore[type-arg]
    column = "sale_price" if row.get("sale_price") else "price"
    return price(row.get(column), column, options.currency)


def _stock(row: Mapping[str, str]) -> int:
    if row.get("quantity"):
        return whole(row["quantity"], "quantity")
    availability = (row.get("availability") or "in_stock").strip().lower()
    return _ASSUMED_STOCK if availability in _IN_STOCK else 0
