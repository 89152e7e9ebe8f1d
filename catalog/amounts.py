"""Amounts, measures and sizes in the words of shoppers and feeds, in one canonical form."""

import re
import unicodedata
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import Any

import cn2an
from opencc import OpenCC
from price_parser import Price
from text_to_num import alpha2digit, text2num

_MONEY_WORDS = re.compile(
    r"人民币|块钱|元钱|元|块|圆|rmb|cny|usd|eur|gbp|dollars?|bucks?|yuan|kuai|quid|euros?|pounds?|[¥$€£]"
)
_SCALE = {"k": 1_000, "千": 1_000, "w": 10_000, "万": 10_000, "百": 100, "m": 1_000_000}
# 1.5w, 3千, 3k5 (a digit behind the scale counts tenths of it)
_SCALED = re.compile(r"(\d+(?:\.\d+)?)\s*([kwm百千万])(\d?)")
_CHINESE_NUMBER = re.compile(r"[零〇一二两三四五六七八九十百千万亿半点\d.]+")
_MEASURE = re.compile(
    r"(\d+(?:\.\d+)?)\s*-?\s*"
    r"(litres?|liters?|millilitres?|milliliters?|ml|l|kilograms?|kilos?|kg|grams?|g|mm|cm|inch(?:es)?|in"
    r"|watts?|w|mah|gb|tb|hz|升|毫升|千克|公斤|斤|克|厘米|公分|毫米|英寸|寸|瓦|毫安时|毫安)(?![a-z0-9])"
)
_SIZE_PREFIX = re.compile(r"^(?:size|eu|eur|尺码|尺寸|欧码|鞋码)\s*[:：]?\s*|\s*(?:码|号)$")


_FEET = re.compile(r"(\d)\s*(?:'|ft|feet|foot)\s*(\d{1,2})?")
_CURRENCIES = [
    (code, re.compile(pattern))
    for code, pattern in (
        ("USD", r"(?<![a-z])\$|\busd\b|\bdollars?\b|\bbucks?\b|美元|美金|\d刀"),
        ("EUR", r"€|\beur\b|\beuros?\b|欧元"),
        ("GBP", r"£|\bgbp\b|\bpounds?\b|\bquid\b|英镑"),
        ("CNY", r"¥|\b(?:rmb|cny|yuan|kuai)\b|人民币"),
        ("JPY", r"\b(?:jpy|yen)\b|日元|日币"),
        ("HKD", r"\bhkd\b|港币|港元"),
    )
]


MOST = Decimal(10) ** 12  # what is greater is no amount in a shop
HEIGHTS = (40, 260)  # centimetres
WEIGHTS = (2, 400)  # kilograms


@lru_cache(maxsize=8_192)
def plain(text: str) -> str:
    """`text` in the form that comparisons use: NFKC, lower case, simplified Chinese."""
    text = unicodedata.normalize("NFKC", text).lower()
    if any("\u4e00" <= c <= "\u9fff" for c in text):
        text = simplified(text)
    return " ".join(text.split())


def simplified(text: str) -> str:
    """Traditional Chinese characters as simplified ones."""
    found: str = _simplifier().convert(text)
    return found


def parse_amount(text: str) -> Decimal | None:
    """The number that `text` says, or None: `1.5w`, `三千五`, `a grand`, `¥1,299.00`.

    >>> [str(parse_amount(t)) for t in ("1.5w", "三千五", "a grand", "3k5", "¥1,299.00", "fifty bucks", "two")]
    ['15000', '3500', '1000', '3500', '1299.00', '50', '2']
    """
    value = _amount(plain(text).replace("grand", "thousand"))
    return value if value is not None and value < MOST else None


def parse_height(text: str) -> Decimal | None:
    """A body height in centimetres: `1米83`, `一米八`, `1.75 m`, `5'9`, `183`.

    >>> [str(parse_height(t)) for t in ("1米83", "一米八", "一米七五", "1.75 m", "5'9", "6 feet", "183cm")]
    ['183', '180', '175', '175', '175', '183', '183']
    >>> parse_height("一") is None  # as in 一点
    True
    """
    words = plain(text)
    if feet := _FEET.search(words):
        inches = 12 * Decimal(feet.group(1)) + Decimal(feet.group(2) or 0)
        return _within(HEIGHTS, Decimal(round(inches * Decimal("2.54"))))
    if metres := re.fullmatch(r"([1一])米([\d零一二三四五六七八九]{1,2})", words):
        digits = "".join(
            str("零一二三四五六七八九".find(c)) if c in "零一二三四五六七八九" else c for c in metres.group(2)
        )
        return Decimal(100 + int(digits.ljust(2, "0")))
    value = parse_amount(re.sub(r"[a-z米厘公分]+", " ", words))
    if value is None:
        return None
    return _within(HEIGHTS, value * 100 if Decimal("1.2") <= value < 3 else value)


def parse_weight(text: str) -> Decimal | None:
    """A body weight in kilograms, to the nearest: `130斤`, `65公斤`, `150 lbs`, `65`.

    >>> [str(parse_weight(t)) for t in ("130斤", "一百三十斤", "65公斤", "150 lbs", "65")]
    ['65', '65', '65', '68', '65']
    """
    words = plain(text)
    value = parse_amount(re.sub(r"(?:lbs?|pounds?|kilos?|kgs?|公斤|千克|斤)\s*$", "", words))
    if value is None:
        return None
    if re.search(r"lbs?|pounds?", words):
        return _within(WEIGHTS, Decimal(round(value * Decimal("0.4536"))))
    return _within(WEIGHTS, value / 2 if words.endswith("斤") and not words.endswith("公斤") else value)


def currency_said(text: str) -> str:
    """The ISO code of the first currency that a text names, or nothing. 元 and 块 name none in particular.

    >>> [currency_said(t) for t in ("under $50", "50 euros", "五十块", "30美元", "100 rmb")]
    ['USD', 'EUR', '', 'USD', 'CNY']
    """
    words = plain(text)
    found = [(m.start(), code) for code, pattern in _CURRENCIES if (m := pattern.search(words))]
    return min(found)[1] if found else ""


def normalize_measures(text: str) -> str:
    """Write every measure in `text` the same way, so that 40 litres, 40升 and 40L match.

    >>> normalize_measures("a 40 litres pack, 40升, 0.5 kg")
    'a 40l pack, 40l, 500g'
    """
    return _MEASURE.sub(lambda m: _canonical_measure(m.group(1), m.group(2)), text)


def normalize_size(text: str) -> str:
    """A size as variants are compared by it: 42码, EU 42 and size 42 are all `42`."""
    bare = _SIZE_PREFIX.sub("", plain(text)).strip()
    return _SIZE_WORDS.get(bare, bare)


_SIZE_WORDS = {
    "小": "s", "small": "s", "中": "m", "medium": "m", "大": "l", "large": "l", "加大": "xl",
    "extra large": "xl", "x-large": "xl", "特大": "xxl", "2xl": "xxl", "3xl": "xxxl",
    "extra small": "xs", "均": "one size", "均码": "one size", "onesize": "one size",
}  # fmt: skip

_UNIT_WORDS = {"升": "l", "毫升": "ml", "千克": "kg", "公斤": "kg", "克": "g", "厘米": "cm", "公分": "cm",
               "毫米": "mm", "英寸": "inch", "寸": "inch", "瓦": "watt", "w": "watt", "in": "inch",
               "kilo": "kg", "kilos": "kg"}  # fmt: skip
_CANONICAL = {"[length] ** 3": "l", "[mass]": "g", "[length]": "cm"}
_PLAIN_UNITS = {"mah": "mah", "毫安时": "mah", "毫安": "mah", "gb": "gb", "tb": "tb", "hz": "hz"}


@lru_cache(maxsize=4096)
def _canonical_measure(number: str, unit: str) -> str:
    if plain_unit := _PLAIN_UNITS.get(unit):
        return f"{float(number):g}{plain_unit}"
    if unit == "斤":
        number, unit = str(float(number) / 2), "kg"
    quantity = _units().Quantity(float(number), _UNIT_WORDS.get(unit, unit))
    target = _CANONICAL.get(str(quantity.dimensionality), "watt")
    return f"{quantity.to(target).magnitude:g}{'w' if target == 'watt' else target}"


@cache
def _units() -> Any:
    from pint import UnitRegistry

    return UnitRegistry()


@cache
def _simplifier() -> Any:
    return OpenCC("t2s")


def _amount(words: str) -> Decimal | None:
    bare = _MONEY_WORDS.sub(" ", words).strip()
    if scaled := _SCALED.search(bare):
        number, scale, tenths = scaled.groups()
        unit = _SCALE[scale]
        return _tidy(Decimal(number) * unit + Decimal(tenths or 0) * unit / 10)
    if re.search(r"\d", bare):
        return Price.fromstring(bare).amount
    if chinese := _CHINESE_NUMBER.search(bare):
        return _chinese(chinese.group())
    return _english(bare)


def _chinese(text: str) -> Decimal | None:
    try:
        return _tidy(Decimal(str(cn2an.cn2an(text, "smart"))))
    except (ValueError, InvalidOperation, KeyError):  # cn2an raises the last for nonsense such as 十百千
        return None


def _english(text: str) -> Decimal | None:
    words = text.replace("a hundred", "one hundred").replace("a thousand", "one thousand")
    try:
        return Decimal(text2num(words, "en"))
    except ValueError:  # more than number words
        digits = re.search(r"\d+(?:\.\d+)?", alpha2digit(words, "en"))
        return Decimal(digits.group()) if digits else None


def _within(bounds: tuple[int, int], value: Decimal) -> Decimal | None:
    return _tidy(value) if bounds[0] <= value <= bounds[1] else None


def _tidy(value: Decimal) -> Decimal:
    """Without trailing zeros, and never in exponent form."""
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value.normalize()
