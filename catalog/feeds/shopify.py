"""Shopify's product and order exports.

Columns: https://help.shopify.com/manual/products/import-export/using-csv and
https://help.shopify.com/manual/orders/export-orders
"""

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

from catalog.feeds.source import (
    BadValue,
    FeedOptions,
    Reject,
    clean,
    csv_rows,
    instant,
    language_of,
    open_text,
    path_of,
    price,
    whole,
)
from catalog.types import Attribute, Interaction, Product, ProductText, Variant

Row = Mapping[str, str]
_OPTIONS = ("Option1", "Option2", "Option3")
_SIZE_NAMES = {"size", "尺码", "尺寸"}
_COLOR_NAMES = {"color", "colour", "颜色"}


def read_products(path: Path, options: FeedOptions) -> Iterator[Product | Reject]:
    """A product per handle; the rows after its first are further variants or pictures."""
    with open_text(path, options.encoding) as text:
        for handle, members in groupby(csv_rows(text), key=lambda item: item[1].get("Handle", "")):
            rows = list(members)
            try:
                if not handle:
                    raise BadValue("Handle", "missing")
                yield _product(handle, [row for _, row in rows], options)
            except BadValue as error:
                yield Reject(str(path), rows[0][0], error.column, error.reason, rows[0][1])


def read_orders(path: Path, options: FeedOptions) -> Iterator[Interaction | Reject]:
    """A purchase per line item. Only an order's first row names the customer and the time."""
    with open_text(path, options.encoding) as text:
        for name, members in groupby(csv_rows(text), key=lambda item: item[1].get("Name", "")):
            first: Row = {}
            for number, row in members:
                first = first or row
                try:
                    if purchase := _purchase(name, first, row):
                        yield purchase
                except BadValue as error:
                    yield Reject(str(path), number, error.column, error.reason, row)


def _product(handle: str, rows: list[Row], options: FeedOptions) -> Product:
    first = rows[0]
    title = clean(first.get("Title"))
    if not title:
        raise BadValue("Title", "missing")
    sold = [row for row in rows if row.get("Variant Price")]
    if not sold:
        raise BadValue("Variant Price", "missing")
    names = {n: clean(first.get(f"{n} Name")).lower() for n in _OPTIONS}
    variants = tuple(_variant(row, names, handle, options) for row in sold)
    published = (first.get("Published") or "true").strip().lower() != "false"
    category = path_of(first.get("Product Category"), (">",)) or path_of(first.get("Type"))
    return Product(
        external_id=handle,
        price=min(v.price for v in variants if v.price is not None),
        currency=options.currency,
        texts={language_of(title): ProductText(title, clean(first.get("Body (HTML)")), category)},
        brand=clean(first.get("Vendor")),
        attributes=(
            *(Attribute("tag", tag) for tag in map(clean, (first.get("Tags") or "").split(",")) if tag),
            *(Attribute("color", c) for c in dict.fromkeys(v.color for v in variants) if c),
        ),
        variants=variants,
        stock=sum(v.stock for v in variants) if published else 0,
        image=next((clean(row["Image Src"]) for row in rows if row.get("Image Src")), ""),
    )


def _variant(row: Row, names: Mapping[str, str], handle: str, options: FeedOptions) -> Variant:
    def option(kinds: set[str]) -> str:
        return next((clean(row.get(f"{n} Value")) for n, name in names.items() if name in kinds), "")

    amount, _ = price(row["Variant Price"], "Variant Price", options.currency)
    stock = whole(row.get("Variant Inventory Qty"), "Variant Inventory Qty", default=1)
    return Variant(clean(row.get("Variant SKU")) or handle, option(_SIZE_NAMES), option(_COLOR_NAMES), stock, amount)


def _purchase(name: str, first: Row, row: Row) -> Interaction | None:
    if first.get("Cancelled at") or first.get("Financial Status") in ("refunded", "voided"):
        return None
    shopper, product = clean(first.get("Email")), clean(row.get("Lineitem sku"))
    if not name:
        raise BadValue("Name", "missing")
    if not shopper:
        raise BadValue("Email", "missing")
    if not product:
        raise BadValue("Lineitem sku", "missing")
    time = instant(first.get("Created at"), "Created at")
    if time is None:
        raise BadValue("Created at", "missing")
    return Interaction(shopper, product, "purchase", time, whole(row.get("Lineitem quantity"), "Lineitem quantity", 1))
