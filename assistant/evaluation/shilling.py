"""Can false accounts push a product into the picks? Trained on them all -> trained on what is left of them.

Each attack is a group of accounts with the histories of real shoppers, visit by visit, but other products (random ones,
those that the average shopper meets, the most popular, or those of the pushed product's kind), who buy what they push and
give it five stars, in the shop's history and as reviews on its page. Their size is a share of the shoppers. Hit rates are
those of the pushed product among the first ten of what real shoppers are shown: asked for its kind, and unasked.
A product in the first ten of 30 of 100 shoppers' lists, and of 10 before, has shifted by .2.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from assistant.profile import COUNTED, Portrait, kind_of, portrait
from assistant.ranking.behaviour import Behaviour
from assistant.ranking.blend import Blend
from assistant.ranking.collaborative import Trends
from assistant.ranking.features import Context, features
from assistant.ranking.recommenders import Recommenders
from assistant.state import DialogueState
from assistant.training.content import fit_content
from assistant.training.ranker import Data, RankerRecipe, collect, cut_time, fit_blend, requests_after, screened
from assistant.training.requests import Request
from assistant.training.shilling import KINDS, Kind, Shop, disguised
from catalog.search import Search
from catalog.types import Candidate, Interaction, Product, Query

SHARES = (0.01, 0.03, 0.05)  # of the shoppers
HIT = 10
POOL = 50  # best products of each model that are chosen from unasked
UNPOPULAR = 0.5  # the pushed product is one of this share of the catalog, the least met
Progress = Callable[[str], Any]


@dataclass(frozen=True)
class Attack:
    """Accounts that push a product."""

    kind: Kind
    target: str
    accounts: Sequence[Interaction]

    @property
    def names(self) -> frozenset[str]:
        """The false accounts."""
        return frozenset(i.shopper for i in self.accounts)


def run(data: Data, search: Search, shoppers: int, targets: int, seed: int, progress: Progress) -> list[dict[str, Any]]:
    """A row for each kind and size of attack, over `targets` pushed products each, and one for no attack at all."""
    rng = random.Random(seed)
    shop = Shop(data.history, data.products, data.vectors)
    blend = _blend(data, search, progress)
    chosen = rng.sample(sorted(shop.by_shopper), min(shoppers, len(shop.by_shopper)))
    asked = [portrait(shop.by_shopper[shopper][-COUNTED:], data.products) for shopper in chosen]
    rows = [{"attack": "none", "real left out": len(data.left_out)}]  # of the shop's own, before anything else
    calm = _models(data)
    every: list[Mapping[str, float]] = []
    for kind in KINDS:
        for share in SHARES:
            told = []
            for number in range(targets):
                progress(f"{kind}, {share:.0%}: product {number + 1} of {targets}")
                attack = _attack(shop, kind, share, rng)
                before = _hits(data, calm, blend, search, attack.target, asked)
                told.append(_measure(data, attack, before, blend, search, asked))
            every += told
            rows.append({"attack": kind, "of shoppers": share, **_mean(told)})
    return [*rows, {"attack": "all", **_mean(every)}]


def _attack(shop: Shop, kind: Kind, share: float, rng: random.Random) -> Attack:
    in_stock = [p for p in shop.products if shop.products[p].stock > 0]
    few = sorted(in_stock, key=lambda p: (shop.popularity[p], p))[: int(len(in_stock) * UNPOPULAR)]
    target, count = rng.choice(few), max(1, round(share * len(shop.by_shopper)))
    return Attack(kind, target, disguised(shop, kind, target, count, rng, "eve"))


def _measure(
    data: Data, attack: Attack, before: Mapping[str, float], blend: Blend, search: Search, asked: Sequence[Portrait]
) -> dict[str, float]:
    """The shift of the pushed product's hit rates without and with defence, and how well the accounts are found."""
    history = sorted([*data.history, *attack.accounts], key=lambda i: i.time)
    defended = _screened(data, history)
    found = frozenset(defended.left_out)
    right = len(found & attack.names)
    row = {"precision": right / len(found) if found else 1.0, "recall": right / len(attack.names)}
    open_to_all = replace(data, history=history)
    for way, trained, praise in (
        ("plain", open_to_all, attack.names), ("defended", defended, attack.names - found)
    ):  # fmt: skip
        seen = replace(trained, products=_praised(data.products, attack.target, len(praise)))
        after = _hits(seen, _models(seen), blend, search, attack.target, asked)
        row |= {f"{where}, {way}": after[where] - before[where] for where in before}
    return row


def _screened(data: Data, history: Sequence[Interaction]) -> Data:
    return screened(history, data.products, data.vectors)


def _praised(products: Mapping[str, Product], target: str, reviews: int) -> Mapping[str, Product]:
    """The catalog with so many more reviews of five stars for one product."""
    one = products[target]
    count = one.review_count + reviews
    rating = (one.rating * one.review_count + 5 * reviews) / max(1, count)
    return {**products, target: replace(one, rating=rating, review_count=count)}


def _models(data: Data) -> Recommenders:
    """What is learned from a history, but for the sequence model, whose training takes longer than all the rest."""
    behaviour = Behaviour.met(data.history, list(data.products))
    return Recommenders.fit(behaviour, fit_content(behaviour, data.vectors), Trends.fit(behaviour))


def _blend(data: Data, search: Search, progress: Progress) -> Blend:
    """Trees of a shop that nobody has attacked yet."""
    progress("trees")
    recipe = RankerRecipe()
    cut = cut_time(data.history, recipe)
    early = _models(replace(data, history=data.before(cut)))

    def found(request: Request, taste: Portrait) -> list[Candidate]:
        return search.search(request.query)

    return fit_blend(collect(requests_after(cut, data, recipe), data, found, early), recipe)[0]


def _hits(
    data: Data, models: Recommenders, blend: Blend, search: Search, target: str, asked: Sequence[Portrait]
) -> dict[str, float]:
    """The share of shoppers who see the target in the first ten: asked for its kind, and unasked."""
    kind = kind_of(data.products[target])
    of_kind = [replace(c, product=data.products[c.product.external_id]) for c in search.search(Query(kind))]
    state = DialogueState(slots={"category": (kind,)}, text=kind)
    now = data.history[-1].time
    hits = {"asked": 0, "unasked": 0}
    for taste in asked:
        scores = models.scores(taste.sequence, models.products, now)
        best = {models.products[at] for one in scores.values() for at in np.argsort(-np.nan_to_num(one))[:POOL]}
        unasked = [Candidate(data.products[p], None, None, 0.0) for p in sorted(best)]
        for where, candidates, own in (("asked", of_kind, state), ("unasked", unasked, DialogueState())):
            context = Context(own, taste, now)
            hits[where] += _place(candidates, context, models, blend, target) < HIT
    return {where: count / len(asked) for where, count in hits.items()}


def _place(candidates: Sequence[Candidate], context: Context, models: Recommenders, blend: Blend, target: str) -> int:
    """The target's place among candidates, from 0; behind all of them if it is none."""
    ids = [c.product.external_id for c in candidates]
    if target not in ids or context.now is None:
        return len(ids) + HIT
    known = models.scores(context.portrait.sequence, ids, context.now)
    scores = blend.score(features(candidates, replace(context, models=known)))
    return int((scores > scores[ids.index(target)]).sum())


def _mean(told: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([t[name] for t in told])), 3) for name in told[0]}
