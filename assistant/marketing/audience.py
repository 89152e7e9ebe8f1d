"""Who would like this product: every shopper's taste, by the models that rank their picks, against one product."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from assistant.phrases import money, phrase
from assistant.profile import Portrait, kind_of
from assistant.ranking.behaviour import Floats, Ints
from assistant.ranking.recommenders import Recommenders
from catalog.types import Language, Product

BATCH = 256  # shoppers scored at once
AGAIN = 0.1  # share of its buyers who bought a product again from which those who have it are asked as well
NEAR = Decimal("0.25")  # how far off the usual price, beside it, a price may be to be a reason


@dataclass(frozen=True, slots=True)
class Prospect:
    """A shopper who would like the product better than `liking`, in [0, 1], of all products."""

    shopper: str
    liking: float


def audience(product: str, portraits: Mapping[str, Portrait], models: Recommenders) -> list[Prospect]:
    """Shoppers by how much they would like a product, first who would most.

    Left out are who has it already, unless it is bought again and again, who dislikes it, and who has no history.
    """
    again = models.again[models.places[product]] >= AGAIN
    asked = [
        shopper
        for shopper, own in portraits.items()
        if own.sequence and product not in own.disliked and (again or product not in own.times)
    ]
    found: list[Prospect] = []
    for start in range(0, len(asked), BATCH):
        batch = asked[start : start + BATCH]
        found += _liked(product, batch, [portraits[shopper] for shopper in batch], models)
    return sorted(found, key=lambda p: (-p.liking, p.shopper))


def _liked(
    product: str, shoppers: Sequence[str], portraits: Sequence[Portrait], models: Recommenders
) -> Iterator[Prospect]:
    at = models.places[product]
    histories: list[Ints] = [np.array([models.places[p] for p in own.sequence if p in models.places], dtype=np.int64) for own in portraits]  # fmt: skip
    shares = np.mean([_share_below(scores, at) for scores in _scores(histories, models)], axis=0)
    for shopper, share in zip(shoppers, shares, strict=True):
        yield Prospect(shopper, round(float(share), 4))


def _scores(histories: Sequence[Ints], models: Recommenders) -> Iterator[Floats]:
    """(B, P) of each model of taste."""
    yield models.neighbours.score(histories)
    yield models.factors.score(histories)
    yield models.content.score(histories)
    if models.sequence is not None:
        yield models.sequence.score(histories)


def _share_below(scores: Floats, at: int) -> Floats:
    """The share of all products that score less than one (B,); of those that score alike, half."""
    own = scores[:, at : at + 1]
    below: Floats = (scores < own).mean(axis=1) + 0.5 * (scores == own).mean(axis=1)
    return below


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


def allowed(shoppers: Collection[str], silent: Collection[str], visitor: str) -> list[str]:
    """Those who may be written to: known by the shop, and none who wants no messages."""
    return [s for s in shoppers if s not in silent and not s.startswith(visitor)]
