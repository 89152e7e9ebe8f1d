"""The recipe of a shop's ranker: models of behaviour, then trees that blend them with what is asked.

Time is cut once. The models see what happened before the cut; the trees learn from the purchases after
it, each with the history that its shopper had by then, so that no feature knows what comes after its
target. The models that are kept are trained anew on everything.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from assistant.profile import COUNTED, Portrait, portrait
from assistant.ranking.behaviour import Behaviour, Floats
from assistant.ranking.blend import Blend, Lists, RankerError
from assistant.ranking.collaborative import Trends
from assistant.ranking.features import NAMES, Context, features
from assistant.ranking.metrics import ndcg, places
from assistant.ranking.recommenders import Recommenders, save
from assistant.ranking.sequence import SequenceRecipe
from assistant.training.content import STEPS, ContentWeights, fit_content
from assistant.training.outliers import outliers
from assistant.training.ranker_card import describe_ranker
from assistant.training.requests import Request, Style, visits, write_requests
from assistant.training.sequence import Curve, train_sequence
from assistant.training.sequence_network import SequenceNetwork
from assistant.training.shilling import Shop, suspects
from catalog.embedding import product_vectors
from catalog.search import Search
from catalog.store import ProductStore
from catalog.types import Candidate, Interaction, Product

FEWEST = 50  # lists that trees can learn anything from
Report = Callable[[str], Any]
CandidatesOf = Callable[[Request, Portrait], Sequence[Candidate]]


@dataclass(frozen=True)
class RankerRecipe:
    """Every hyper-parameter of a ranker's training."""

    cut: float = 0.6  # share of the purchases, the earliest, that the models learn from before the trees do ...
    latest_cut: float = 0.9  # ... more where there are plenty, so that the models are not stale
    validation: float = 0.25  # share of the lists, the latest, that decide how many trees there are
    most_lists: int = 16_000
    styles: tuple[Style, ...] = ("words", "slots", "slots")
    seed: int = 7
    content_steps: int = STEPS
    sequence: SequenceRecipe = field(default_factory=lambda: SequenceRecipe(dim=32, batch=64, epochs=60, patience=6))


@dataclass(frozen=True)
class Data:
    """What a ranker learns from: `history` earliest first, `vectors` (P, D) of the catalog's products.

    `left_out` has the shoppers whose history is not among it, and why.
    """

    history: Sequence[Interaction]
    products: Mapping[str, Product]
    vectors: Floats
    left_out: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def by_shopper(self) -> Mapping[str, Sequence[Interaction]]:
        """Each shopper's part of the history."""
        found: dict[str, list[Interaction]] = {}
        for interaction in self.history:
            found.setdefault(interaction.shopper, []).append(interaction)
        return found

    def before(self, time: datetime) -> Sequence[Interaction]:
        """What happened before `time`."""
        return [i for i in self.history if i.time < time]


def load_data(store: ProductStore, embedding_model: str) -> Data:
    """All that a shop's database holds but for what is `screened` out; a product without a vector has one of zeros."""
    products = {p.external_id: p for p in store.all()}
    known = product_vectors(store, embedding_model)
    width = len(next(iter(known.values()), np.zeros(1)))
    rows = [known.get(product, np.zeros(width, dtype=np.float32)) for product in products]
    history = store.histories()
    vectors = np.stack(rows) if rows else np.zeros((0, width), dtype=np.float32)
    return screened(history, products, vectors)


def screened(history: Sequence[Interaction], products: Mapping[str, Product], vectors: Floats) -> Data:
    """What a ranker learns from, without robots and accounts made to push a product."""
    odd = outliers(history)
    people = [i for i in history if i.shopper not in odd]
    false = suspects(Shop(people, products, vectors))
    return Data([i for i in people if i.shopper not in false], products, vectors, {**odd, **false})


@dataclass(frozen=True)
class Start:
    """What the models go on from, such as what a federation of shops learned; None is a beginning from nothing."""

    content: ContentWeights | None = None
    sequence: Mapping[str, Floats] | None = None


def train_ranker(
    data: Data,
    search: Search,
    out: Path,
    recipe: RankerRecipe,
    report: Report,
    feedback: Sequence[Request] = (),
    start: Start = Start(),
) -> dict[str, Any]:
    """Train, validate and write a ranker to `out`; what was learned in chats counts as purchases do.

    The models that are kept go on from `start`. Those that the trees learn beside do not: it may know what comes after.
    Raises `RankerError` where there are too few purchases.
    """
    cut = cut_time(data.history, recipe)
    report("models of what happened before the cut")
    early, curve = fit_models(data, data.before(cut), recipe, report, out / "run" / "before the cut")
    told = [r for r in feedback if r.time >= cut]
    requests = sorted([*requests_after(cut, data, recipe), *told], key=lambda r: r.time)
    report(f"features of {len(requests)} requests, {len(told)} of them from chats")
    lists = collect(requests, data, lambda request, taste: search.search(request.query), early)
    blend, score = fit_blend(lists, recipe)
    report("models of everything")
    final, _ = fit_models(data, data.history, recipe, report, out / "run" / "everything", start)
    facts = {
        "trained": datetime.now(UTC).isoformat(timespec="seconds"),
        "recipe": asdict(recipe),
        "interactions": len(data.history),
        "lists": len(lists.sizes),
        "feedback": len(told),
        "shoppers left out": len(data.left_out),
        "validation nDCG@10": score,
        "curve": curve,
    }
    save(out, final, blend, facts)
    describe_ranker(out, facts)
    return facts


def cut_time(history: Sequence[Interaction], recipe: RankerRecipe) -> datetime:
    """The time at which models end and trees begin: twice as many purchases as lists wanted come after it, if it can be.

    Raises `RankerError` for too few purchases.
    """
    times = sorted(i.time for i in history if i.kind == "purchase")
    if len(times) < 2 * FEWEST:
        raise RankerError(f"{len(times)} purchases are too few to train a ranker: import at least {2 * FEWEST}")
    share = min(recipe.latest_cut, max(recipe.cut, 1 - 2 * recipe.most_lists / len(times)))
    return times[int(len(times) * share)]


def fit_models(
    data: Data,
    history: Sequence[Interaction],
    recipe: RankerRecipe,
    report: Report,
    folder: Path | None = None,
    start: Start = Start(),
) -> tuple[Recommenders, Curve]:
    """Models of `history`; the sequence model keeps the epoch that best foresees each shopper's last product.

    With a `folder` for logs and checkpoints, training that was cut off is gone on with.
    """
    behaviour = Behaviour.met(history, list(data.products))
    meetings = behaviour.meetings()
    sequences = meetings.sequences()
    known = [s for s, one in enumerate(sequences) if len(one) > 2]
    held = [sequences[s][:-1] for s in known]
    targets = np.array([sequences[s][-1] for s in known])

    def validate(model: SequenceNetwork) -> float:
        return float(ndcg(places(model.score(held), targets)).mean()) if known else 0.0

    early = meetings.without_last(1)
    sequence, curve = train_sequence(early, data.vectors, recipe.sequence, validate, report, folder, start.sequence)
    everything = Behaviour.met(data.history, list(data.products))
    content = fit_content(behaviour, data.vectors, steps=recipe.content_steps, start=start.content)
    return Recommenders.fit(behaviour, content, Trends.fit(everything), sequence.learned()), curve


def requests_after(cut: datetime, data: Data, recipe: RankerRecipe) -> list[Request]:
    """Requests for purchases whose visits began after the cut, earliest first; at most `recipe.most_lists`."""
    later = [
        (interaction, began)
        for history in data.by_shopper.values()
        for interaction, began in zip(history, visits(history), strict=True)
        if interaction.kind == "purchase" and began >= cut
    ]
    rng = random.Random(recipe.seed)
    chosen = sorted(rng.sample(later, min(len(later), recipe.most_lists)), key=lambda pair: pair[1])
    return list(write_requests(chosen, data.products, recipe.styles, rng))


def collect(requests: Sequence[Request], data: Data, candidates_of: CandidatesOf, models: Recommenders) -> Lists:
    """A list of candidates for each request whose target is among them."""
    rows, gains, sizes, weights = [], [], [], []
    for request in requests:
        taste = taste_of(request, data)
        candidates = [
            c for c in candidates_of(request, taste) if not request.shown or c.product.external_id in request.shown
        ]
        right = np.array([_is_right(c.product.external_id, request) for c in candidates])
        if right.any() and not right.all():
            rows.append(features(candidates, context_of(request, taste, models, candidates)))
            gains.append(right.astype(np.float32))
            sizes.append(len(candidates))
            weights.append(request.weight)
    if not sizes:
        raise RankerError("what was bought is found for no request at all")
    return Lists(np.concatenate(rows), np.concatenate(gains), sizes, weights)


def _is_right(product: str, request: Request) -> bool:
    return product not in request.disliked if request.shown else product == request.target


def taste_of(request: Request, data: Data) -> Portrait:
    """What was known of the shopper when the request was made: nothing that is as late as the request."""
    earlier = [i for i in data.by_shopper.get(request.shopper, ()) if i.time < request.time]
    return portrait(earlier[-COUNTED:], data.products)


def context_of(request: Request, taste: Portrait, models: Recommenders, candidates: Sequence[Candidate]) -> Context:
    """What the candidates of a request are scored against."""
    scores = models.scores(taste.sequence, [c.product.external_id for c in candidates], request.time)
    return Context(request.state, taste, request.time, scores)


def fit_blend(lists: Lists, recipe: RankerRecipe, names: Sequence[str] = NAMES) -> tuple[Blend, float]:
    """Trees learned from the earlier lists, and their nDCG@10 on the later ones.

    Raises `RankerError` for fewer than `FEWEST` lists.
    """
    if len(lists.sizes) < FEWEST:
        raise RankerError(f"what was bought is found for {len(lists.sizes)} requests only; {FEWEST} are needed")
    cut = int(len(lists.sizes) * (1 - recipe.validation))
    train, valid = lists.part(0, cut), lists.part(cut, len(lists.sizes))
    blend = Blend.fit(names, train, valid)
    return blend, round(mean_ndcg(blend.score(valid.rows), valid), 4)


def mean_ndcg(scores: Floats, lists: Lists) -> float:
    """nDCG@10 of the lists ordered by `scores` (N,)."""
    ends = np.cumsum(lists.sizes)
    found = [
        places(scores[end - size : end][None], np.array([int(lists.gains[end - size : end].argmax())]))
        for end, size in zip(ends, lists.sizes, strict=True)
    ]
    return float(ndcg(np.concatenate(found)).mean())
