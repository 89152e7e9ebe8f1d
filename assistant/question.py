"""The question worth asking next: the one whose answer is expected to tell most about what is wanted.

For every property not yet spoken of, the expected information is the entropy of the candidates less that
which is left after the answer (Lindley, "On a Measure of the Information Provided by an Experiment", 1956).
A candidate is as likely to be the one as its place says; whose record lacks the property does not mind, and
an answer of that kind tells nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from assistant.offers import offer
from assistant.phrases import money, phrase
from assistant.profile import kind_of
from assistant.state import DialogueState
from assistant.types import LIST_SLOTS, PRICE_SLOTS, QuickReply, Recommendation
from catalog.types import Language, Product

ORDER = ("price", "color", "brand", "material", "feature", "occasion", "style")  # what a form would ask, in turn
MOST_OFFERS = 4  # answers offered as buttons
LEAST_INFORMATION = 0.5  # bits, below which no question is worth a shopper's time
_FLATNESS = 10  # places that are about as likely as the first
_BANDS = 3  # of prices


@dataclass(frozen=True)
class Question:
    """What to ask, with the commonest answers. `information` is expected, in bits."""

    slot: str
    text: str
    offers: tuple[QuickReply, ...]
    information: float


def next_question(ranked: Sequence[Recommendation], state: DialogueState) -> Question | None:
    """The most telling question about candidates, best first; None if none is worth it."""
    products = [r.product for r in ranked]
    chances = likelihood(len(products))
    best: tuple[float, str, Mapping[str, Any]] | None = None
    for slot in ("category", *ORDER):
        if slot in state.asked or spoken_of(slot, state):
            continue
        answers = answers_about(slot, products, state.language)
        gained = information([a.keys() for a in answers], chances)
        if gained >= LEAST_INFORMATION and (best is None or gained > best[0]):
            best = gained, slot, _commonest(answers, chances)
    if best is None:
        return None
    gained, slot, common = best
    offers = tuple(offer(text, state.language, **slots) for text, slots in common.items())
    return Question(slot, phrase(f"ask_{slot}", state.language), offers, gained)


def likelihood(count: int) -> list[float]:
    """How likely each of `count` candidates, best first, is the one wanted; they sum to 1."""
    weights = [1 / (_FLATNESS + place) for place in range(count)]
    return [w / sum(weights) for w in weights]


def spoken_of(slot: str, state: DialogueState) -> bool:
    """Whether the shopper has said something about a property already."""
    if slot == "price":
        return any(name in state.slots for name in PRICE_SLOTS)
    return slot != "category" and (slot in state.slots or slot in state.exclude)


def answers_about(slot: str, products: Sequence[Product], language: Language) -> list[dict[str, dict[str, Any]]]:
    """For each product the answers that lead to it: words -> the slots that they fill."""
    if slot == "price":
        return _price_bands(products, language)
    if slot == "category":
        named: list[tuple[str, ...]] = [(kind_of(p, language),) for p in products]
    elif slot == "brand":
        named = [(p.brand,) for p in products]
    else:
        named = [tuple(dict.fromkeys(p.values(slot, language))) for p in products]
    return [{w: {slot: [w] if slot in LIST_SLOTS else w} for w in words if w} for words in named]


def information(answers: Sequence[Any], chances: Sequence[float]) -> float:
    """Expected bits that an answer tells: `answers` has the possible ones of each candidate, all as likely.

    >>> information([["red"], ["red"], ["blue"], ["blue"]], [0.25] * 4)
    1.0
    >>> information([["red"], ["red"], [], []], [0.25] * 4)
    0.5
    """
    before = _entropy(chances)
    carriers: dict[str, list[int]] = {}
    for at, possible in enumerate(answers):
        for word in possible:
            carriers.setdefault(word, []).append(at)
    told = 0.0
    for having in carriers.values():
        mass = sum(chances[at] / len(answers[at]) for at in having)
        total = sum(chances[at] for at in having)
        told += mass * (before - _entropy([chances[at] / total for at in having]))
    return told


def _entropy(chances: Sequence[float]) -> float:
    return -sum(p * math.log2(p) for p in chances if p > 0)


def _commonest(answers: Sequence[Mapping[str, Any]], chances: Sequence[float]) -> dict[str, Any]:
    mass: dict[str, float] = {}
    slots: dict[str, Any] = {}
    for possible, chance in zip(answers, chances, strict=True):
        for words, filled in possible.items():
            mass[words] = mass.get(words, 0.0) + chance / len(possible)
            slots[words] = filled
    return {words: slots[words] for words in sorted(mass, key=lambda w: -mass[w])[:MOST_OFFERS]}


def _price_bands(products: Sequence[Product], language: Language) -> list[dict[str, dict[str, Any]]]:
    """Up to, between and from: limits at round prices that split the products about evenly."""
    prices = sorted(p.price for p in products)
    limits = sorted({_rounded(prices[len(prices) * n // _BANDS]) for n in range(1, _BANDS)}) if prices else []
    if not limits or limits[0] <= 0:
        return [{} for _ in products]
    bands = []
    for product in products:
        low = max((x for x in limits if x <= product.price), default=None)
        high = min((x for x in limits if x > product.price), default=None)
        slots = {name: str(x) for name, x in (("price_min", low), ("price_max", high)) if x is not None}
        told = {name: money(Decimal(x), product.currency) for name, x in slots.items()}
        key = "_".join(["band", *slots])
        bands.append({phrase(key, language, **told): slots})
    return bands


def _rounded(price: Decimal) -> Decimal:
    """To one figure, as people name prices: 10, 20, 300."""
    scale = Decimal(10) ** max(0, price.adjusted())
    return (price / scale).to_integral_value() * scale
