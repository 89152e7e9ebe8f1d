"""Is the audience of a product the right one? The busiest shoppers -> those who buy its kind -> ours.

Each shopper's last order is held out. For a product of one, all shoppers are put in order, and the place of who bought it
counts: the share of the others behind them (AUC; .5 is chance), and whether they are in the first tenth. Of 300 shoppers, a
buyer in place 31 has .9 and is just not in the first tenth.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from statistics import mean
from typing import Any

from assistant.evaluation.requests import hold_out
from assistant.marketing.audience import audience
from assistant.profile import COUNTED, kind_of, portrait
from assistant.training.ranker import Data, RankerRecipe, fit_models

FIRST = 0.1
Progress = Callable[[str], Any]


def run(data: Data, recipe: RankerRecipe, most: int, progress: Progress) -> list[dict[str, Any]]:
    """A row for each way of putting shoppers in order."""
    known, held = hold_out(data, recipe.seed)
    progress("models of everything but the last orders")
    models, _ = fit_models(known, known.history, recipe, progress)
    portraits = {s: portrait(own[-COUNTED:], data.products) for s, own in known.by_shopper.items()}
    places: dict[str, list[float]] = {}
    for purchase, _ in random.Random(recipe.seed).sample(held, min(most, len(held))):
        asked = {s: p for s, p in portraits.items() if purchase.product not in p.times}
        if purchase.shopper not in asked:
            continue  # they have it: nobody asks them
        kind = kind_of(data.products[purchase.product])
        ways = {
            "the busiest": _order({s: len(p.met) for s, p in asked.items()}),
            "who buys its kind": _order({s: p.kinds.get(kind, 0.0) for s, p in asked.items()}),
            "ours": [p.shopper for p in audience(data.products[purchase.product], asked, models)],
        }
        for way, order in ways.items():
            if purchase.shopper in order:
                places.setdefault(way, []).append(order.index(purchase.shopper) / max(1, len(order) - 1))
    return [
        {
            "order": way,
            "purchases": len(found),
            "AUC": round(1 - mean(found), 3),
            "in the first tenth": round(mean(place < FIRST for place in found), 3),
        }
        for way, found in places.items()
    ]


def _order(amounts: Mapping[str, float]) -> Sequence[str]:
    """Shoppers, first who has most; of equals by lot."""
    lots = random.Random(0)
    return sorted(amounts, key=lambda shopper: (-amounts[shopper], lots.random()))
