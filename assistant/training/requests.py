"""Requests as shoppers would have put them, made from what they bought next."""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from assistant.state import DialogueState
from catalog.types import Interaction, Language, Product, Query

Style = Literal["words", "slots"]
VISIT_GAP = timedelta(minutes=30)  # without any interaction, after which a new visit begins
_WORD = re.compile(r"[^\W\d_]{3,}|[\u4e00-\u9fff]{2,}")
_CANDIDATES = 200
_DETAILS = ("color", "feature", "material")


@dataclass(frozen=True)
class Request:
    """What `shopper` asked for at `time`, when the visit began in which they bought `target`.

    `weight` is how much it counts in learning. With `shown`, only those products are compared, and `disliked`
    are the wrong ones.
    """

    shopper: str
    time: datetime
    query: Query
    state: DialogueState
    target: str
    weight: float = 1.0
    shown: frozenset[str] = frozenset()
    disliked: frozenset[str] = frozenset()


def write_requests(
    purchases: Sequence[tuple[Interaction, datetime]],
    products: Mapping[str, Product],
    styles: Sequence[Style],
    rng: random.Random,
) -> Iterator[Request]:
    """A request for each (purchase, beginning of its visit).

    It is made of two words of the product's title, or of its kind with some of its properties.
    """
    for purchase, began in purchases:
        product = products.get(purchase.product)
        if product is None:
            continue
        language: Any = rng.choice(sorted(product.texts))
        style = rng.choice(styles)
        slots = _slots(product, language, rng) if style == "slots" else {}
        words = "" if slots else two_words(product.text(language).title, rng)
        if not slots and not words:
            continue
        state = DialogueState(language=language, intent="find", slots=slots, text=words)
        query = state.query(_CANDIDATES) if slots else Query(words, k=_CANDIDATES)
        yield Request(purchase.shopper, began, query, state, purchase.product)


def visits(history: Sequence[Interaction]) -> list[datetime]:
    """For each of one shopper's interactions, earliest first, when the visit began that it belongs to."""
    began: list[datetime] = []
    for at, interaction in enumerate(history):
        goes_on = at > 0 and interaction.time - history[at - 1].time <= VISIT_GAP
        began.append(began[-1] if goes_on else interaction.time)
    return began


def two_words(title: str, rng: random.Random) -> str:
    """Two different words of a title, in its order."""
    words = list(dict.fromkeys(_WORD.findall(title)))
    chosen = sorted(rng.sample(range(len(words)), min(2, len(words))))
    return " ".join(words[at] for at in chosen)


def _slots(product: Product, language: Language, rng: random.Random) -> dict[str, Any]:
    """The kind, often a property, sometimes a price that is no lower than the product's."""
    category = product.text(language).category
    if not category:
        return {}
    slots: dict[str, Any] = {"category": category[-1]}
    detail = rng.choice(_DETAILS)
    values = product.values(detail, language)
    if values and rng.random() < 0.4:
        slots[detail] = (rng.choice(values),)
    if rng.random() < 0.4:
        limit = product.price * Decimal(round(rng.uniform(1.05, 1.7), 2))
        slots["price_max"] = (limit / 10).to_integral_value() * 10 + 10
    return slots
