"""Scores candidates by a weighted sum of features; the parts are the explanation.

The weights are set by hand.
"""

from collections.abc import Sequence
from typing import Any

from assistant.profile import Portrait
from assistant.ranking.features import features
from assistant.state import DialogueState
from assistant.types import Contribution, Recommendation
from catalog.types import Candidate, Product

WEIGHTS = {
    "text": 1.0,
    "wishes": 1.2,
    "price": 0.3,
    "rating": 0.5,
    "popularity": 0.1,
    "brand": 0.5,
    "kind": 0.2,
    "color": 0.25,
    "reassurance": 0.5,
    "bought": -0.6,
    "disliked": -5.0,
}
# Sorting by price or date is done among the candidates that fit, not among all 200.
FITTING_SHARE = 0.6
_SORT_KEYS: dict[str, Any] = {
    "price_asc": lambda p: p.price,
    "price_desc": lambda p: -p.price,
    "rating": lambda p: -p.rating,
    "newest": lambda p: -(p.created.timestamp() if p.created else 0),
    "popular": lambda p: -p.review_count,
}


def rank(candidates: Sequence[Candidate], state: DialogueState, portrait: Portrait) -> list[Recommendation]:
    """Candidates best first, with exact contributions; a sort that was asked for decides among the good fits."""
    best = max((c.score for c in candidates), default=0.0)
    most = max((c.product.review_count for c in candidates), default=0)
    scored = sorted((_score(c, state, portrait, best, most) for c in candidates), key=lambda r: -r.score)
    order = state.slots.get("sort")
    return _sorted(scored, order) if order in _SORT_KEYS else scored


def _score(candidate: Candidate, state: DialogueState, portrait: Portrait, best: float, most: int) -> Recommendation:
    parts = [
        Contribution(name, WEIGHTS[name] * feature.value, feature.evidence)
        for name, feature in features(candidate, state, portrait, best, most).items()
    ]
    parts.sort(key=lambda c: -abs(c.value))
    return Recommendation(candidate.product, sum(c.value for c in parts), tuple(parts))


def _sorted(scored: list[Recommendation], order: str) -> list[Recommendation]:
    if not scored:
        return []
    least = scored[0].score * FITTING_SHARE
    fitting = [r for r in scored if r.score >= least]
    by = _SORT_KEYS[order]

    def product_key(recommendation: Recommendation) -> Any:
        product: Product = recommendation.product
        return by(product)

    return sorted(fitting, key=product_key) + scored[len(fitting) :]
