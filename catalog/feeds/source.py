"""What every feed format shares: opening a file, naming a bad row, cleaning a value."""

import codecs
import csv
import gzip
import html
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TextIO

import charset_normalizer
import nh3
from price_parser import Price

from catalog.errors import UserError

SAMPLE = 1 << 18  # bytes looked at to tell the encoding
MAX_PRICE = Decimal(1_000_000_000)


class FeedError(UserError):
    """The whole feed cannot be read; the message names the file and what would help."""


class BadValue(Exception):
    """One value of one row cannot be used."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}")
        self.column = column
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not imported: where it stands and why. `row` counts lines from 1."""

    file: str
    row: int
    column: str
    reason: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """How to read a feed.

    `columns` maps our field names to the feed's column names; `currency` is that of prices
    that name none; `encoding` is found out if None.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    currency: str = "CNY"
    encoding: str | None = None


@contextmanager
def open_text(path: Path, encoding: str | None = None) -> Iterator[TextIO]:
    """Open a feed as text: gzip by its name, byte order mark dropped, encoding found out.

    Raises `FeedError` for a missing, empty or undecodable file.
    """
    if not path.is_file():
        raise FeedError(f"{path}: no such file")
    opener: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as raw:
            sample = raw.read(SAMPLE)
            raw.seek(0)
            with io.TextIOWrapper(raw, encoding or _encoding(sample, path), newline="") as text:
                yield text
    except UnicodeDecodeError as error:
        raise FeedError(
            f"{path}: not valid {error.encoding} at byte {error.start} of a block; "
            "name the file's encoding with --encoding"
        ) from error
    except (EOFError, gzip.BadGzipFile) as error:
        raise FeedError(f"{path}: the compressed file is damaged or cut off ({error})") from error


def _encoding(sample: bytes, path: Path) -> str:
    if not sample.strip():
        raise FeedError(f"{path}: the file is empty")
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8-sig")().decode(sample)
        return "utf-8-sig"
    except UnicodeDecodeError:
        # gb18030 first: it is what Chinese spreadsheets write, and detection confuses its kin.
        found = charset_normalizer.from_bytes(sample, cp_isolation=["gb18030", "big5", "cp1252"]).best()
        if found is None:
            raise FeedError(f"{path}: cannot tell the encoding; name it with --encoding") from None
        return found.encoding


def csv_rows(text: TextIO, delimiter: str = ",") -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, column -> value) of every row; short rows lack their last columns."""
    reader = csv.DictReader(text, delimiter=delimiter, restkey="")
    try:
        for row in reader:
            yield reader.line_num, {k.strip(): v for k, v in row.items() if k and isinstance(v, str)}
    except csv.Error as error:
        raise FeedError(f"line {reader.line_num}: {error}") from error


def clean(value: Any) -> str:
    """Plain text of a value that may hold HTML: no tags, no scripts, entities resolved."""
    text = str(value or "")
    if "<" in text or "&" in text:
        text = re.sub(r"<(br|/p|/li|/div|/h\d)[^>]*>", " ", text, flags=re.IGNORECASE)
        text = html.unescape(nh3.clean(text, tags=set()))
    return " ".join(text.replace("\x00", "").split())


def price(value: Any, column: str, currency: str) -> tuple[Decimal, str]:
    """An exact price and its currency: `¥1,299.00`, `12.50 USD`, `1.299,00 €`, 59."""
    text = str(value if value is not None else "").strip()
    if not text:
        raise BadValue(column, "missing")
    code = re.search(r"\b([A-Z]{3})\b", text)
    parsed = Price.fromstring(text.replace(code.group(), "") if code else text)
    if parsed.amount is None or "-" in text or not re.search(r"\d", text):
        raise BadValue(column, f"{text!r} is not a price")
    if not 0 <= parsed.amount <= MAX_PRICE:
        raise BadValue(column, f"{text!r} is out of range")
    symbol = _SYMBOLS.get(parsed.currency or "")
    return parsed.amount.quantize(Decimal("0.01")), code.group() if code else symbol or currency


# ¥ is left to the shop's currency: it is that of two countries.
_SYMBOLS = {"€": "EUR", "£": "GBP", "$": "USD", "US$": "USD", "₩": "KRW", "₹": "INR"}


def whole(value: Any, column: str, default: int = 0) -> int:
    """A count, at least 0; empty is `default`."""
    text = str(value if value is not None else "").strip()
    if not text:
        return default
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise BadValue(column, f"{text!r} is not a number") from None
    if number.is_nan() or not 0 <= number <= 10**9:
        raise BadValue(column, f"{text!r} is out of range")
    return int(number)


def rating(value: Any, column: str) -> float:
    """A rating from 0 to 5; empty is 0."""
    text = str(value if value is not None else "").strip()
    try:
        number = float(text or 0)
    except ValueError:
        raise BadValue(column, f"{text!r} is not a rating") from None
    if not 0 <= number <= 5:
        raise BadValue(column, f"{text!r} is not between 0 and 5")
    return number


def instant(value: Any, column: str) -> datetime | None:
    """A time in ISO form or as spreadsheets write it, UTC if it names no zone."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    text = str(value or "").strip()
    if not text:
        return None
    for parse in (datetime.fromisoformat, *(_by_format(f) for f in _TIME_FORMATS)):
        try:
            time: datetime = parse(text)
        except ValueError:
            continue
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    raise BadValue(column, f"{text!r} is not a date")


_TIME_FORMATS = ("%Y-%m-%d %H:%M:%S %z", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%Y/%m/%d %H:%M", "%Y/%m/%d")


def _by_format(pattern: str) -> Any:
    return lambda text: datetime.strptime(text, pattern)


def path_of(value: Any, separators: Sequence[str] = (">", "/", "|", "›")) -> tuple[str, ...]:
    """A category path such as `Shoes > Running`, from broad to narrow."""
    if isinstance(value, Iterable) and not isinstance(value, str):
        return tuple(filter(None, map(clean, value)))
    text = clean(value).replace("&gt;", ">")
    for separator in separators:
        if separator in text:
            return tuple(filter(None, (part.strip() for part in text.split(separator))))
    return (text,) if text else ()


def language_of(text: str) -> str:
    """`zh` if there is a Chinese character in the text, else `en`."""
    return "zh" if re.search(r"[\u4e00-\u9fff]", text) else "en"
