"""Plain tables: CSV, TSV or a YAML list, with a column map from our names to the feed's."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from catalog.feeds.source import (
    BadValue,
    FeedError,
    FeedOptions,
    Reject,
    clean,
    csv_rows,
    instant,
    language_of,
    open_text,
    path_of,
    price,
    rating,
    whole,
)
from catalog.types import Attribute, Product, ProductText, Variant

T = TypeVar("T")

# Our field -> column names that are understood without a map.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "sku", "product_id", "编号", "商品编号"),
    "title": ("title", "name", "product_name", "标题", "商品名称", "名称"),
    "description": ("description", "body", "描述", "商品描述"),
    "category": ("category", "product_type", "department", "类目", "分类"),
    "subcategory": ("subcategory", "style", "二级类目"),
    "brand": ("brand", "vendor", "品牌"),
    "price": ("price", "unit_price", "价格", "售价"),
    "currency": ("currency", "币种"),
    "stock": ("stock", "current_stock", "quantity", "inventory", "库存"),
    "rating": ("rating", "average_rating", "评分"),
    "review_count": ("review_count", "reviews", "评论数"),
    "image": ("image", "image_link", "image_url", "图片"),
    "url": ("url", "link", "链接"),
    "color": ("color", "colour", "颜色"),
    "material": ("material", "材质"),
    "size": ("size", "尺码"),
    "gender": ("gender", "gender_affinity", "性别"),
    "style": ("风格",),
    "feature": ("feature", "特点"),
    "occasion": ("occasion", "场合"),
    "recipient": ("recipient", "audience", "适用人群"),
    "created": ("created", "created_at", "上架时间"),
}
_ATTRIBUTES = ("color", "material", "gender", "style", "feature", "occasion", "recipient")


def read_csv(path: Path, options: FeedOptions) -> Iterator[Product | Reject]:
    """A CSV file, or TSV by its name."""
    with open_text(path, options.encoding) as text:
        delimiter = "\t" if ".tsv" in path.suffixes or ".txt" in path.suffixes else ","
        yield from products(csv_rows(text, delimiter), path, options)


def read_yaml(path: Path, options: FeedOptions) -> Iterator[Product | Reject]:
    """A YAML list of mappings. YAML is read whole, so it suits thousands of products, not millions."""
    with open_text(path, options.encoding) as text:
        try:
            rows = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.YAMLError as error:
            raise FeedError(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(rows, list):
        raise FeedError(f"{path}: expected a list of products, found {type(rows).__name__}")
    yield from products(enumerate(rows, start=1), path, options)


def products(rows: Iterable[tuple[int, Any]], path: Path, options: FeedOptions) -> Iterator[Product | Reject]:
    """Turn numbered rows into products, and those that cannot be into rejects."""
    names: Mapping[str, str] | None = None
    for number, row in rows:
        try:
            if not isinstance(row, Mapping):
                raise BadValue("", f"expected a mapping, found {type(row).__name__}")
            names = names if names is not None else resolve_columns(row, COLUMNS, options, path)
            yield _product(row, names, options)
        except BadValue as error:
            values = row if isinstance(row, Mapping) else {}
            yield Reject(str(path), number, error.column, error.reason, values)


def mapped_rows(
    path: Path,
    options: FeedOptions,
    known: Mapping[str, tuple[str, ...]],
    make: Callable[[Mapping[str, str], Mapping[str, str]], T],
) -> Iterator[T | Reject]:
    """What `make` makes of each row of a CSV file (TSV by its name) and of our field -> column, or why it cannot."""
    names: Mapping[str, str] | None = None
    with open_text(path, options.encoding) as text:
        for number, row in csv_rows(text, "\t" if ".tsv" in path.suffixes else ","):
            try:
                names = names if names is not None else resolve_columns(row, known, options, path)
                yield make(row, names)
            except BadValue as error:
                yield Reject(str(path), number, error.column, error.reason, row)


def resolve_columns(
    row: Mapping[str, Any], known: Mapping[str, tuple[str, ...]], options: FeedOptions, path: Path
) -> dict[str, str]:
    """Our field -> the feed's column; one that the map names is no other field's. Raises `FeedError` where it fits nothing."""
    lowered = {name.lower(): name for name in row if name not in options.columns.values()}
    for ours, theirs in options.columns.items():
        if ours not in known:
            raise FeedError(f"column map: {ours!r} is not a field; there are {', '.join(known)}")
        if theirs not in row:
            raise FeedError(f"{path}: no column {theirs!r} for {ours!r}; there are {', '.join(row)}")
    found = {ours: lowered[name] for ours, names in known.items() for name in reversed(names) if name in lowered}
    return {**found, **options.columns}


def _product(row: Mapping[str, Any], names: Mapping[str, str], options: FeedOptions) -> Product:
    def value(field: str) -> Any:
        return row.get(names.get(field, ""))

    def column(field: str) -> str:
        return names.get(field, field)

    external_id, title = clean(value("id")), clean(value("title"))
    if not external_id:
        raise BadValue(column("id"), "missing")
    if not title:
        raise BadValue(column("title"), "missing")
    currency = clean(value("currency")) or options.currency
    amount, currency = price(value("price"), column("price"), currency)
    stock = whole(value("stock"), column("stock"), default=1)
    size = clean(value("size"))
    category = (*path_of(value("category")), *path_of(value("subcategory")))
    return Product(
        external_id=external_id,
        price=amount,
        currency=currency,
        texts={language_of(title): ProductText(title, clean(value("description")), category)},
        brand=clean(value("brand")),
        attributes=tuple(Attribute(n, v) for n in _ATTRIBUTES if (v := clean(value(n)))),
        variants=(Variant(external_id, size, clean(value("color")), stock),) if size else (),
        rating=rating(value("rating"), column("rating")),
        review_count=whole(value("review_count"), column("review_count")),
        stock=stock,
        image=clean(value("image")),
        url=clean(value("url")),
        created=instant(value("created"), column("created")),
    )
