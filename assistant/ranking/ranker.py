"""Candidates to recommendations: what was said, what was done, one score, and why."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from assistant.profile import Portrait
from assistant.ranking.behaviour import Floats
from assistant.ranking.blend import WEIGHTS, Scorer, Weighted
from assistant.ranking.exposure import NO_FLOOR, ExposureFloor
from assistant.ranking.features import NAMES, REASONS, Context, evidence, features
from assistant.state import DialogueState
from assistant.types import Contribution, Recommendation
from catalog.tracing import tracer
from catalog.types import Candidate, Product

if TYPE_CHECKING:
    from assistant.ranking.recommenders import Recommenders

EXPLAINED = 12  # best candidates whose scores are taken apart; no more are ever shown at once
# Sorting by price or date is done among the candidates that fit, not among all 200.
FITTING_SHARE = 0.6
MANIFEST = "manifest.json"  # of a folder with a trained ranker, written last
BASE = "base"  # what every score starts from: the mean of the best of its list
_REASONS = tuple(dict.fromkeys(REASONS.values()))
_GATHERED = np.array([[REASONS[name] == reason for reason in _REASONS] for name in NAMES], dtype=np.float32)  # (F, R)
_SORT_KEYS: dict[str, Any] = {
    "price_asc": lambda p: p.price,
    "price_desc": lambda p: -p.price,
    "rating": lambda p: -p.rating,
    "newest": lambda p: -(p.created.timestamp() if p.created else 0),
    "popular": lambda p: -p.review_count,
}


class Ranker:
    """Ranks by a scorer over the features. Without models and a trained scorer, by hand-set weights.

    `diversity` in [0, 1] is how much likeness to what stands above counts against a candidate (MMR,
    Carbonell & Goldstein, 1998); 0 leaves the order as it is. `floor` is what small brands get at least, unless a sort was asked for.
    """

    def __init__(
        self,
        scorer: Scorer | None = None,
        recommenders: "Recommenders | None" = None,
        diversity: float = 0.0,
        floor: ExposureFloor = NO_FLOOR,
    ) -> None:
        self._scorer = scorer or Weighted(WEIGHTS)
        self._recommenders = recommenders
        self._diversity = diversity
        self._floor = floor

    @tracer.start_as_current_span("rank")
    def rank(self, candidates: Sequence[Candidate], state: DialogueState, portrait: Portrait) -> list[Recommendation]:
        """Candidates best first; the first `EXPLAINED` have contributions, which add up to their scores.

        A sort that was asked for decides among the good fits.
        """
        if not candidates:
            return []
        context, rows, scores, order = self._ordered(candidates, state, portrait)
        best = order[:EXPLAINED]
        parts = self._scorer.parts(rows[best])
        explained = _explained([candidates[at].product for at in best], parts, parts, context)
        return explained + [Recommendation(candidates[at].product, float(scores[at])) for at in order[EXPLAINED:]]

    def explain(
        self, candidates: Sequence[Candidate], state: DialogueState, portrait: Portrait, product: str
    ) -> tuple[int, Recommendation]:
        """The place of one of the candidates, from 1, and its recommendation with contributions."""
        context, rows, _, order = self._ordered(candidates, state, portrait)
        place = next(n for n, at in enumerate(order) if candidates[at].product.external_id == product)
        parts, best = self._scorer.parts(rows[order[place : place + 1]]), self._scorer.parts(rows[order[:EXPLAINED]])
        return place + 1, _explained([candidates[order[place]].product], parts, best, context)[0]

    def alike(self, candidates: Sequence[Candidate], product: Product) -> list[Candidate]:
        """Candidates by their likeness to a product; as they are where no models know it."""
        if self._recommenders is None:
            return list(candidates)
        near = self._recommenders.likeness(product.external_id, [c.product.external_id for c in candidates])
        return [candidates[at] for at in np.argsort(-near, kind="stable")]

    def bought_with(self, product: str, k: int) -> list[str]:
        """Ids of what shoppers of a product took as well, at most `k`."""
        return self._recommenders.bought_with(product, k) if self._recommenders else []

    def _ordered(
        self, candidates: Sequence[Candidate], state: DialogueState, portrait: Portrait
    ) -> tuple[Context, Floats, Floats, Any]:
        """(context, feature rows, scores, places of the candidates in `candidates`, best first)."""
        context = self._context(candidates, state, portrait)
        rows = features(candidates, context)
        scores = self._scorer.score(rows)
        order = np.argsort(-scores, kind="stable")
        products = [c.product for c in candidates]
        if wanted := _SORT_KEYS.get(state.slots.get("sort", "")):
            order = _sorted(order, rows, products, wanted)
        elif self._diversity:
            order = diverse(order, scores, products, self._diversity)
        if self._floor.share and not wanted:
            order = self._floor.applied(order, fits_of(rows), products, EXPLAINED)
        return context, rows, scores, order

    def _context(self, candidates: Sequence[Candidate], state: DialogueState, portrait: Portrait) -> Context:
        """What the candidates are scored against, with the scores of the models that there are."""
        now = datetime.now(UTC)
        if self._recommenders is None:
            return Context(state, portrait, now)
        ids = [c.product.external_id for c in candidates]
        models, history = self._recommenders, portrait.sequence
        known_until = min(now, datetime.fromtimestamp(models.trends.latest + 1, UTC))
        return Context(
            state,
            portrait,
            now,
            models.scores(history, ids, known_until),
            lambda product: models.because(history, product),
        )


def _explained(products: Sequence[Product], parts: Floats, best: Floats, context: Context) -> list[Recommendation]:
    """Products with `parts` (N, F + 1) of their scores, beside the mean of the `best` (B, F + 1) of the list.

    What these have alike explains nobody's place among them.
    """
    if len(best) > 1:
        usual = best.mean(axis=0)
        parts = parts - usual
        parts[:, -1] = usual.sum()
    return [_recommendation(product, part, context) for product, part in zip(products, parts, strict=True)]


def _recommendation(product: Product, parts: Floats, context: Context) -> Recommendation:
    """The parts of a score gathered by what they are evidence of, greatest first."""
    gathered = zip((*_REASONS, BASE), (*(parts[:-1] @ _GATHERED).tolist(), float(parts[-1])), strict=True)
    words = evidence(product, context)
    found = [Contribution(name, value, words.get(name, ())) for name, value in gathered if value]
    found.sort(key=lambda c: -abs(c.value))
    return Recommendation(product, sum(c.value for c in found), tuple(found))


def _sorted(order: Any, rows: Floats, products: Sequence[Product], by: Any) -> Any:
    """The good fits by a key, the others behind them as they were."""
    fits = fits_of(rows)
    good = sorted((at for at in order if fits[at]), key=lambda at: by(products[at]))
    return np.array([*good, *(at for at in order if not fits[at])])


def fits_of(rows: Floats) -> Any:
    """Which candidates (N,) answer the request about as well as the best does."""
    fit = np.nan_to_num(rows[:, [NAMES.index("text"), NAMES.index("wishes")]]).sum(axis=1)
    return fit >= FITTING_SHARE * fit.max()


def diverse(order: Any, scores: Floats, products: Sequence[Product], diversity: float) -> Any:
    """Maximal marginal relevance over the first candidates: kind, brand and colour make products alike."""
    spread = float(scores.std()) or 1.0
    pool: list[int] = list(order[: 3 * EXPLAINED])
    chosen: list[int] = []
    traits = [_traits(p) for p in products]
    while pool and len(chosen) < EXPLAINED:
        best = max(
            pool,
            key=lambda at: (
                (1 - diversity) * scores[at] / spread
                - diversity * max((_alike(traits[at], traits[other]) for other in chosen), default=0.0)
            ),
        )
        chosen.append(best)
        pool.remove(best)
    moved = set(chosen)
    return np.array([*chosen, *(at for at in order if at not in moved)])


def sameness(products: Sequence[Product]) -> float:
    """How alike the products of a list are, from 0 to 1: the mean over all pairs."""
    traits = [_traits(p) for p in products]
    pairs = [_alike(one, other) for one, other in combinations(traits, 2)]
    return sum(pairs) / len(pairs) if pairs else 0.0


def _traits(product: Product) -> frozenset[tuple[str, str]]:
    category = next(iter(product.texts.values())).category
    return frozenset(
        [("brand", product.brand), *(("kind", c) for c in category), *(("color", c) for c in product.values("color"))]
    )


def _alike(one: frozenset[Any], other: frozenset[Any]) -> float:
    return len(one & other) / max(1, len(one | other))
