"""Orders and other events as a plain CSV file with a column map."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from catalog.feeds.source import BadValue, FeedOptions, Reject, clean, instant
from catalog.feeds.table import mapped_rows
from catalog.fit import return_value
from catalog.types import Interaction, InteractionKind

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "shopper": ("shopper", "shopper_id", "user", "user_id", "customer", "customer_id", "customerid", "用户"),
    "product": ("product", "product_id", "item", "item_id", "sku", "stockcode", "商品编号"),
    "time": ("time", "timestamp", "date", "created_at", "invoicedate", "时间"),
    "kind": ("kind", "event", "event_type", "类型"),
    "quantity": ("quantity", "count", "value", "数量"),
    "session": ("session", "session_id", "visit", "order_id", "会话"),
    "position": ("position", "rank", "位置"),
    "size": ("size", "variant_size", "尺码"),
    "reason": ("reason", "return_reason", "退货原因"),
}
KINDS = get_args(InteractionKind)


def read(path: Path, options: FeedOptions) -> Iterator[Interaction | Reject]:
    """An interaction a row, a purchase where no kind is named.

    A `return` names the size that came back and the reason: too small, too large, or any other. A row of another kind
    with a quantity of 0 or less is a return or a cancellation and is rejected as such.
    """
    return mapped_rows(path, options, COLUMNS, _interaction)


def _interaction(row: Mapping[str, str], names: Mapping[str, str]) -> Interaction:
    def required(field: str) -> str:
        text = clean(row.get(names.get(field, ""), ""))
        if not text:
            raise BadValue(names.get(field, field), "missing")
        return text

    time = instant(required("time"), names["time"])
    kind: Any = clean(row.get(names.get("kind", ""), "")) or "purchase"
    if kind not in KINDS:
        raise BadValue(names.get("kind", "kind"), f"{kind!r} is not one of {', '.join(KINDS)}")
    shopper = required("shopper").removesuffix(".0")  # spreadsheets make numbers of ids
    assert time is not None
    session = clean(row.get(names.get("session", ""), ""))[:64]
    size = clean(row.get(names.get("size", ""), ""))[:100]
    value = return_value(clean(row.get(names.get("reason", ""), ""))) if kind == "return" else _value(row, names)
    return Interaction(shopper, required("product"), kind, time, value, session, _position(row, names), size)


def _value(row: Mapping[str, str], names: Mapping[str, str]) -> float:
    text = clean(row.get(names.get("quantity", ""), ""))
    if not text:
        return 1.0
    try:
        number = float(text)
    except ValueError:
        raise BadValue(names["quantity"], f"{text!r} is not a number") from None
    if not 0 < number < 1e9:
        raise BadValue(names["quantity"], f"{text} is not positive: a return or a cancellation")
    return number


def _position(row: Mapping[str, str], names: Mapping[str, str]) -> int:
    text = clean(row.get(names.get("position", ""), ""))
    if not text:
        return 0
    if not text.isdecimal():
        raise BadValue(names["position"], f"{text!r} is not a place, counted from 1")
    return int(text)
