"""Who would like this product: how much each shopper has had to do with its kind, and with what goes with it.

What goes with it is told by the neighbours of products (`assistant.ranking.collaborative`), beside all other products. The
other models that rank a shopper's picks tell less of who among many shoppers takes one product (`daogou evaluate audience`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from assistant.phrases import money, phrase
from assistant.profile import Portrait, kind_of
from assistant.ranking.behaviour import Floats, Ints
from assistant.ranking.recommenders import Recommenders
from catalog.types import Language, Product

BATCH = 256  # shoppers scored at once
NEIGHBOURS_WEIGHT = 0.5  # of a deviation, beside the logarithm of what was met of the kind
AGAIN = 0.1  # share of its buyers who bought a product again from which those who have it are asked as well
NEAR = Decimal("0.25")  # how far off the usual price, beside it, a price may be to be a reason


@dataclass(frozen=True, slots=True)
class Prospect:
    """A shopper who would like the product more than the share `liking`, in [0, 1], of the others asked."""

    shopper: str
    liking: float


def audience(product: Product, portraits: Mapping[str, Portrait], models: Recommenders) -> list[Prospect]:
    """Shoppers by how much they would like a product, first who would most.

    Left out are who has it already, unless it is bought again and again, who dislikes it, and who has no history.
    """
    name, kind = product.external_id, kind_of(product)
    again = models.again[models.places[name]] >= AGAIN
    asked = [
        shopper
        for shopper, own in portraits.items()
        if own.sequence and name not in own.disliked and (again or name not in own.times)
    ]
    met = np.array([portraits[shopper].kinds.get(kind, 0.0) for shopper in asked])
    goes_with = [
        value
        for start in range(0, len(asked), BATCH)
        for value in _standing(name, [portraits[s].sequence for s in asked[start : start + BATCH]], models)
    ]
    scores = np.log1p(met) + NEIGHBOURS_WEIGHT * np.array(goes_with)
    order = np.argsort(-scores, kind="stable")
    return [Prospect(asked[at], round(1 - (place + 1) / len(order), 4)) for place, at in enumerate(order)]


def _standing(product: str, histories: Sequence[Sequence[str]], models: Recommenders) -> Floats:
    """How much more of a history's neighbours speak for a product than for others (B,), in deviations of those."""
    met: list[Ints] = [np.array([models.places[p] for p in h if p in models.places], dtype=np.int64) for h in histories]
    scores = models.neighbours.score(met)
    spread = np.maximum(scores.std(axis=1), 1e-9)
    return np.asarray((scores[:, models.places[product]] - scores.mean(axis=1)) / spread)


def reasons(
    product: Product, portrait: Portrait, models: Recommenders, names: Mapping[str, Product], language: Language
) -> list[str]:
    """What in a shopper's history speaks for a product, in words."""
    kind, brand = kind_of(product), product.brand
    found = []
    if kind in portrait.kinds:
        found.append(phrase("audience_kind", language, kind=kind_of(product, language)))
    if brand and (count := portrait.brand_purchases.get(brand, 0)):
        found.append(phrase("audience_brand", language, brand=brand, count=count))
    usual = portrait.spent.get(kind)
    if usual and abs(product.price - usual) <= usual * NEAR:
        found.append(phrase("audience_price", language, price=money(usual, product.currency)))
    before = models.because(portrait.sequence, product.external_id)
    if before is not None and before in names:
        found.append(phrase("audience_before", language, product=names[before].text(language).title))
    return found
