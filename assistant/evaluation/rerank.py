"""How long does ranking 200 candidates for one shopper take? Hand-set weights -> the trained ranker.

Search gives the 200 beforehand: the time is that of features, models, trees and explanations.
"""

import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from assistant.profile import portrait_of
from assistant.ranking.ranker import Ranker
from assistant.state import DialogueState
from assistant.training.requests import two_words
from catalog.search import Search
from catalog.store import ProductStore
from catalog.types import Query

CANDIDATES = 200
SEED = 7


def run(
    store: ProductStore, search: Search, trained: Ranker, rounds: int, progress: Callable[[str], Any]
) -> list[dict[str, Any]]:
    """A row of milliseconds for each ranker, over `rounds` requests of known shoppers."""
    rng = random.Random(SEED)
    shoppers = sorted({i.shopper for i in store.histories()})
    products = list(store.all())
    times: dict[str, list[float]] = {"hand-set weights": [], "trained ranker": []}
    counts = []
    for number in range(1, rounds + 1):
        progress(f"request {number} of {rounds}")
        product = rng.choice(products)
        words = two_words(product.text(rng.choice(sorted(product.texts))).title, rng)
        candidates = search.search(Query(words, k=CANDIDATES))
        counts.append(len(candidates))
        taste = portrait_of(store, rng.choice(shoppers))
        for name, ranker in (("hand-set weights", Ranker()), ("trained ranker", trained)):
            started = time.perf_counter()
            ranker.rank(candidates, DialogueState(slots={"feature": tuple(words.split())}, text=words), taste)
            times[name].append((time.perf_counter() - started) * 1000)
    return [
        {"ranker": name, "requests": rounds, "candidates": round(float(np.mean(counts))),
         "ms_p50": round(float(np.percentile(found, 50)), 1), "ms_p95": round(float(np.percentile(found, 95)), 1)}
        for name, found in times.items()
    ]  # fmt: skip
