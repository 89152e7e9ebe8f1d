"""What do 200 likes teach? Orders alone -> likes as they come -> likes weighed by their place.

A young shop has a few orders. Simulated shoppers ask for what real ones bought next, look at place k of the
answer with chance 1/k, and like what they want if they see it. The trees learn from orders and likes; nDCG@10
is that on requests for the last orders, which nothing was learned from.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from assistant.drawing import draw_curves
from assistant.evaluation.requests import hold_out
from assistant.ranking.blend import Blend, Lists
from assistant.training.feedback import examined, weight
from assistant.training.ranker import Data, RankerRecipe, collect, cut_time, fit_blend, fit_models, mean_ndcg
from assistant.training.ranker import requests_after as requests_of
from assistant.training.requests import write_requests
from catalog.search import Search

ORDERS = 60  # lists of a young shop
LIKES = (0, 25, 50, 100, 200)
LOOKED_AT = 10  # places of an answer that anybody looks at
SEEDS = (1, 2, 3)
Progress = Callable[[str], Any]


def run(data: Data, search: Search, recipe: RankerRecipe, most: int, progress: Progress) -> list[dict[str, Any]]:
    """A row for each number of likes: nDCG@10 with every like alike, and with likes weighed by their place."""
    known, held = hold_out(data, recipe.seed)
    cut = cut_time(known.history, recipe)
    models, _ = fit_models(known, known.before(cut), recipe, progress)

    def lists_of(requests: Sequence[Any]) -> Lists:
        return collect(requests, known, lambda request, taste: search.search(request.query), models)

    requests = requests_of(cut, known, recipe)
    progress(f"features of {len(requests)} requests")
    lists = lists_of(requests)
    rng = random.Random(recipe.seed)
    tests = lists_of(list(write_requests(rng.sample(held, min(most, len(held))), data.products, recipe.styles, rng)))
    found = []
    for seed in SEEDS:
        progress(f"likes of simulated shoppers, run {seed} of {len(SEEDS)}")
        found.append(_curve(lists, tests, recipe, seed))
    return [
        {"likes": likes, **{way: round(mean(curve[way][at] for curve in found), 4) for way in ("alike", "weighed")}}
        for at, likes in enumerate(LIKES)
    ]


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """The curve as a picture."""
    lines = {"likes alike": "#999", "likes weighed": "#36c"}
    told = [{"likes": r["likes"], "likes alike": r["alike"], "likes weighed": r["weighed"]} for r in rows]
    draw_curves(told, "likes", lines, path, xlabel="likes in chats", ylabel="nDCG@10 on the last orders")


def _curve(lists: Lists, tests: Lists, recipe: RankerRecipe, seed: int) -> dict[str, list[float]]:
    rng = random.Random(seed)
    order = rng.sample(range(len(lists.sizes)), len(lists.sizes))
    orders = _chosen(lists, order[:ORDERS])
    first, _ = fit_blend(orders, recipe)
    liked, weights = _likes(lists, order[ORDERS:], first, rng)
    curve: dict[str, list[float]] = {"alike": [], "weighed": []}
    for likes in LIKES:
        for way, counts in (("alike", [1.0] * likes), ("weighed", weights[:likes])):
            more = _chosen(lists, liked[:likes], counts)
            blend = fit_blend(more + orders, recipe)[0] if likes else first
            curve[way].append(mean_ndcg(blend.score(tests.rows), tests))
    return curve


def _likes(lists: Lists, others: Sequence[int], blend: Blend, rng: random.Random) -> tuple[list[int], list[float]]:
    """The lists in which the wanted product was seen and liked, and what each like weighs."""
    liked: list[int] = []
    weights: list[float] = []
    for at in others:
        own = lists.part(at, at + 1)
        scores = blend.score(own.rows)
        place = 1 + int((scores > scores[own.gains.argmax()]).sum())
        if place <= LOOKED_AT and rng.random() < examined(place):
            liked.append(at)
            weights.append(weight(place))
        if len(liked) == max(LIKES):
            break
    return liked, weights


def _chosen(lists: Lists, places: Sequence[int], weights: Sequence[float] = ()) -> Lists:
    chosen = lists.part(0, 0)
    for at in places:
        chosen = chosen + lists.part(at, at + 1)
    return Lists(chosen.rows, chosen.gains, chosen.sizes, list(weights) or [1.0] * len(places))
