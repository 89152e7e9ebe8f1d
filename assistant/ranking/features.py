"""The features that a pick is scored by, each in [0, 1] with the words that speak for it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.profile import Portrait, kind_of
from assistant.state import DialogueState
from catalog.facets import key
from catalog.types import Candidate, Product

PRIOR_RATING, PRIOR_REVIEWS = 4.0, 5  # a product with few reviews is taken to be about average
SAFE_MOOD = -0.3  # below this mood, well rated products count for more
_WISHES = ("feature", "style", "occasion", "recipient", "color", "material", "brand", "size")


@dataclass(frozen=True, slots=True)
class Feature:
    """One number and its evidence, in the shopper's or the record's own words."""

    value: float
    evidence: tuple[str, ...] = ()


def features(
    candidate: Candidate, state: DialogueState, portrait: Portrait, best_score: float, most_reviews: int
) -> dict[str, Feature]:
    """The feature vector of one candidate; `best_score` and `most_reviews` are those of the list."""
    product = candidate.product
    rating = (product.rating * product.review_count + PRIOR_RATING * PRIOR_REVIEWS) / (
        product.review_count + PRIOR_REVIEWS
    )
    goodness = min(1.0, max(0.0, (rating - 3) / 2))
    return {
        "text": Feature(candidate.score / best_score if best_score else 0.0),
        "wishes": _wishes(product, state),
        "price": _price_fit(product, state, portrait),
        "rating": Feature(goodness, (f"{product.rating:.1f}", str(product.review_count))),
        "popularity": Feature(math.log1p(product.review_count) / math.log1p(max(most_reviews, 1))),
        "brand": _share(portrait.brands, product.brand, portrait.brand_purchases.get(product.brand, 0)),
        "kind": _share(portrait.kinds, kind_of(product), 0),
        "color": _best_share(portrait.colors, product.values("color")),
        "reassurance": Feature(goodness if state.mood < SAFE_MOOD else 0.0),
        "bought": Feature(float(product.external_id in portrait.bought)),
        "disliked": Feature(float(product.external_id in portrait.disliked)),
    }


def record_text(product: Product) -> str:
    """All words of a product's record, as keys, for looking words up in."""
    parts = [
        product.brand,
        *(a.value for a in product.attributes),
        *(v.size for v in product.variants if v.stock > 0),
        *(p for t in product.texts.values() for p in (t.title, t.description, *t.category)),
    ]
    return f" {key(' '.join(parts))} "


def stands_in(word: str, text: str) -> bool:
    """Whether `word` stands in a text made by `record_text`."""
    wanted = key(word)
    if not wanted:
        return False
    return wanted in text if any(c >= "\u4e00" for c in wanted) else f" {wanted} " in text


def wished_words(slots: Mapping[str, Any]) -> tuple[str, ...]:
    """The words of the slots that a product's record can bear out."""
    found: list[str] = []
    for name in _WISHES:
        value = slots.get(name) or ()
        found += [value] if isinstance(value, str) else map(str, value)
    return tuple(found)


def _wishes(product: Product, state: DialogueState) -> Feature:
    words = wished_words(state.slots)
    if not words:
        return Feature(0.0)
    text = record_text(product)
    met = tuple(w for w in words if stands_in(w, text))
    return Feature(len(met) / len(words), met)


def _price_fit(product: Product, state: DialogueState, portrait: Portrait) -> Feature:
    """Near the price that was named, else near what the shopper usually pays for the kind."""
    named = state.slots.get("price_about") or state.slots.get("price_max")
    usual = portrait.spent.get(kind_of(product))
    reference = named or usual
    if not reference or product.price <= 0:
        return Feature(0.0)
    distance = abs(math.log(float(product.price) / float(reference)))
    return Feature(math.exp(-distance), (f"{reference:f}",))


def _share(counts: Mapping[str, float], name: str, purchases: int) -> Feature:
    most = max(counts.values(), default=0.0)
    if not most or name not in counts:
        return Feature(0.0)
    return Feature(counts[name] / most, (name, str(purchases)) if purchases else ())


def _best_share(counts: Mapping[str, float], names: Sequence[str]) -> Feature:
    return max((_share(counts, n, 0) for n in names), key=lambda f: f.value, default=Feature(0.0))
