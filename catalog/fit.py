"""How goods turn out to fit: what reviews say of it, what came back and why, and the shop's size charts.

A voice is a buyer who took the size they always take. Words tell it of reviews (`fit.yaml`), the reason of orders
that came back.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from sqlalchemy import Engine, delete, insert, select

from catalog.amounts import plain
from catalog.facets import is_chinese, key
from catalog.schema import ChartSizeRow, InteractionRow, ProductRow, ReviewRow
from catalog.tables import load_table
from catalog.types import ChartSize, Product

Fit = Literal["small", "right", "large"]
FITS: tuple[Fit, ...] = ("small", "large", "right")  # in the order in which words are looked for
BY_VALUE: Mapping[float, Fit] = {-1.0: "small", 1.0: "large"}  # of a return
# What takes a word back: "not too tight", 不紧, 一点也不大.
_DENIED = re.compile(
    r"(?:\bnot(?: \w+)?|n't(?: \w+)?|\bno|never|\bwithout being)\s*$|[不没无][会是算至觉得怎么太很]{0,3}$"
)


@dataclass(frozen=True)
class Voices:
    """How many buyers found a product small, right and large: by what they kept and sent back, and by their words.

    `parts` counts of what part reviews complain.
    """

    worn: Mapping[Fit, int] = field(default_factory=dict)
    told: Mapping[Fit, int] = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=dict)

    def count(self, fit: Fit) -> int:
        return self.worn.get(fit, 0) + self.told.get(fit, 0)


SILENCE = Voices()


def fit_said(text: str) -> Fit | None:
    """What a review says of the size, nothing where it says nothing or both.

    >>> fit_said("They run small, go up a size."), fit_said("版型好看，尺码标准。"), fit_said("not too tight at all")
    ('small', 'right', None)
    """
    said = plain(text)
    found = {fit for fit in FITS for m in _patterns()[fit].finditer(said) if not _DENIED.search(said[: m.start()])}
    wrong = found - {"right"}
    return None if len(wrong) > 1 else next(iter(wrong or found), None)


def parts_said(text: str) -> frozenset[str]:
    """The parts of the body that a review speaks of."""
    said = plain(text)
    return frozenset(name for name in _words()["parts"] if _patterns()[name].search(said))


def asks_size(text: str) -> bool:
    """Whether a question is about sizes."""
    return bool(_patterns()["asks"].search(plain(text)))


def return_value(reason: str) -> float:
    """The value of a return by the reason given: -1 too small, 1 too large, 0 any other."""
    reasons = _words()["reasons"]
    name = plain(reason)
    return -1.0 if name in reasons["small"] else 1.0 if name in reasons["large"] else 0.0


def chart_of(product: Product, charts: Sequence[ChartSize]) -> tuple[ChartSize, ...]:
    """The lines of the chart that holds for a product: of its brand before any, of its kind before its department."""
    places = {key(name): depth for text in product.texts.values() for depth, name in enumerate(text.category)}
    brands = {key(part) for part in (product.brand, *product.brand.split(" "))}
    found: defaultdict[tuple[bool, int], list[ChartSize]] = defaultdict(list)
    for line in charts:
        depth = places.get(key(line.category))
        if depth is not None and (not line.brand or key(line.brand) in brands):
            found[bool(line.brand), depth].append(line)
    return tuple(found[max(found)]) if found else ()


class FitStore:
    """Reads and writes what is known of sizes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def set_charts(self, lines: Sequence[ChartSize]) -> None:
        """Keep these lines in place of all before."""
        with self._engine.begin() as connection:
            connection.execute(delete(ChartSizeRow))
            if lines:
                connection.execute(insert(ChartSizeRow), [_row(n, line) for n, line in enumerate(lines)])

    def charts(self) -> tuple[ChartSize, ...]:
        """All lines, in the order in which they were imported."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(ChartSizeRow.__table__).order_by(ChartSizeRow.position))
            return tuple(
                ChartSize(r.category, r.size, r.brand, _ends(r.height_min, r.height_max), _ends(r.weight_min, r.weight_max))
                for r in rows
            )  # fmt: skip

    def voices(self, products: Sequence[str]) -> dict[str, Voices]:
        """How each product turned out to fit, by the shop's own ids."""
        reviews: defaultdict[str, list[str]] = defaultdict(list)
        bought = (
            select(ProductRow.external_id, InteractionRow.kind, InteractionRow.value)
            .join(InteractionRow, InteractionRow.product_id == ProductRow.id)
            .where(ProductRow.external_id.in_(products), InteractionRow.kind.in_(("purchase", "return")))
            .where(InteractionRow.size != "")
        )
        written = (
            select(ProductRow.external_id, ReviewRow.text)
            .join(ReviewRow, ReviewRow.product_id == ProductRow.id)
            .where(ProductRow.external_id.in_(products))
        )
        with self._engine.connect() as connection:
            worn = counted((product, kind, value) for product, kind, value in connection.execute(bought))
            for product, text in connection.execute(written):
                reviews[product].append(text)
        return {p: listened(worn.get(p, {}), reviews[p]) for p in products}


def listened(worn: Mapping[Fit, int], reviews: Iterable[str]) -> Voices:
    """What was kept and sent back, and what reviews say, as one."""
    told: Counter[Fit] = Counter()
    parts: Counter[str] = Counter()
    for text in reviews:
        if fit := fit_said(text):
            told[fit] += 1
            if fit != "right":
                parts.update(parts_said(text))
    return Voices(worn, told, parts)


def counted(taken: Iterable[tuple[str, str, float]]) -> dict[str, dict[Fit, int]]:
    """How products, sold and sent back, fitted: what was sold counts as right until it comes back.

    `taken` holds product, kind (purchase or return) and value.
    """
    worn: defaultdict[str, Counter[Fit]] = defaultdict(Counter)
    for product, kind, value in taken:
        worn[product]["right"] += 1 if kind == "purchase" else -1
        if kind == "return" and (fit := BY_VALUE.get(value)):
            worn[product][fit] += 1
    return {product: {fit: max(0, count) for fit, count in fits.items()} for product, fits in worn.items()}


def _row(position: int, line: ChartSize) -> dict[str, Any]:
    low, high = line.height or (None, None)
    least, most = line.weight or (None, None)
    return {
        "position": position, "category": line.category, "brand": line.brand, "size": line.size,
        "height_min": low, "height_max": high, "weight_min": least, "weight_max": most,
    }  # fmt: skip


def _ends(low: float | None, high: float | None) -> tuple[float, float] | None:
    return None if low is None or high is None else (low, high)


def _words() -> Mapping[str, Any]:
    words: Mapping[str, Any] = load_table("fit.yaml", "catalog")
    return words


@cache
def _patterns() -> Mapping[str, re.Pattern[str]]:
    """What fits, parts and questions are spoken of by, longest words first."""
    spoken = {**{name: _words()[name] for name in (*FITS, "asks")}, **_words()["parts"]}
    return {name: _any_of([w for of in words.values() for w in of]) for name, words in spoken.items()}


def _any_of(words: Sequence[str]) -> re.Pattern[str]:
    whole = (re.escape(w) if is_chinese(w) else rf"\b{re.escape(w)}\b" for w in sorted(words, key=len, reverse=True))
    return re.compile("|".join(whole))
