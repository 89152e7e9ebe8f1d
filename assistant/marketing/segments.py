"""Shoppers in groups that a shop would speak to alike: by what they buy, and by where they are in their rhythm."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Literal, get_args

from assistant.profile import kept
from catalog.types import Interaction, Product

Rhythm = Literal["once", "regular", "due", "lapsing", "lost"]
RHYTHMS: tuple[Rhythm, ...] = get_args(Rhythm)
FEWEST = 5  # shoppers of a segment; fewer would be singled out, and are put with the others of their rhythm
MIXED = ""  # the department of those
# Times the usual days between orders that have passed: until then somebody is ...
_UNTIL: Mapping[Rhythm, float] = {"regular": 0.8, "due": 1.5, "lapsing": 3.0}


@dataclass(frozen=True, slots=True)
class Segment:
    """Shoppers who buy most in one department and are alike in rhythm.

    `apart` are the usual days between their orders, none for those who ordered once; `spends` is the usual price paid.
    """

    rhythm: Rhythm
    department: str
    shoppers: tuple[str, ...]
    apart: float | None
    spends: float

    @property
    def name(self) -> str:
        """Such as `due: Clothing`."""
        return f"{self.rhythm}: {self.department or 'various'}"


@dataclass(frozen=True, slots=True)
class _Buyer:
    rhythm: Rhythm
    department: str
    apart: float | None
    spends: float


def segments(
    history: Iterable[Interaction], products: Mapping[str, Product], now: datetime, language: str = ""
) -> list[Segment]:
    """The segments of everybody who bought something and kept it, the largest first."""
    by_shopper: dict[str, list[Interaction]] = {}
    for interaction in history:
        by_shopper.setdefault(interaction.shopper, []).append(interaction)
    buyers = {s: b for s, own in by_shopper.items() if (b := _buyer(own, products, now, language))}
    sizes = Counter((b.rhythm, b.department) for b in buyers.values())
    groups: dict[tuple[Rhythm, str], list[str]] = {}
    for shopper, buyer in buyers.items():
        large = sizes[buyer.rhythm, buyer.department] >= FEWEST
        groups.setdefault((buyer.rhythm, buyer.department if large else MIXED), []).append(shopper)
    found = [_segment(*key, own, buyers) for key, own in groups.items()]
    return sorted(found, key=lambda s: (-len(s.shoppers), s.name))


def rhythm_of(orders: Sequence[datetime], now: datetime) -> tuple[Rhythm, float | None]:
    """Where somebody is in their rhythm, and the usual days between their orders (ascending, one for each visit)."""
    if len(orders) < 2:
        return "once", None
    apart = max(1.0, median((b - a) / timedelta(days=1) for a, b in pairwise(orders)))
    passed = (now - orders[-1]) / timedelta(days=1) / apart
    return next((name for name, until in _UNTIL.items() if passed <= until), "lost"), apart


def _buyer(own: Sequence[Interaction], products: Mapping[str, Product], now: datetime, language: str) -> _Buyer | None:
    bought = [i for i in kept(own) if i.product in products]
    if not bought:
        return None
    orders = sorted({i.time.replace(hour=0, minute=0, second=0, microsecond=0) for i in bought})
    rhythm, apart = rhythm_of(orders, now)
    departments = Counter(_department(products[i.product], language) for i in bought)
    return _Buyer(
        rhythm, departments.most_common(1)[0][0], apart, float(median(products[i.product].price for i in bought))
    )


def _department(product: Product, language: str) -> str:
    """The widest category."""
    text = product.text(language) if language else next(iter(product.texts.values()))
    return text.category[0] if text.category else MIXED


def _segment(rhythm: Rhythm, department: str, shoppers: Sequence[str], buyers: Mapping[str, _Buyer]) -> Segment:
    apart = [a for s in shoppers if (a := buyers[s].apart) is not None]
    spends = median(buyers[s].spends for s in shoppers)
    return Segment(rhythm, department, tuple(sorted(shoppers)), median(apart) if apart else None, spends)
