"""Accounts made to push a product: found by what they met, not by how they met it.

A shop has no list of its false accounts, but it can make some: `disguised` writes histories that are a real shopper's,
visit by visit, with other products in them, after the classic attacks (Mobasher et al., "Toward Trustworthy Recommender
Systems", 2007). A classifier learns to tell those from the shop's own, by figures of taste alone; then by the company
that an account keeps, since one false account pushes nothing: those who bought the same product are suspect together
(after target item analysis, Zhou et al., "Detection of abnormal profiles on group attacks", 2015).
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import normalize

from assistant.profile import AVERSE, kind_of
from assistant.ranking.behaviour import Floats
from catalog.types import Interaction, Product

Kind = Literal["random", "average", "bandwagon", "segment"]
KINDS: tuple[Kind, ...] = get_args(Kind)
POPULAR = 0.05  # share of the products that a bandwagon takes
GROUPS = 15  # false groups of each kind that the classifier learns from
SIZES = (2, 6)  # accounts of such a group
FEWEST = 60  # shoppers below whom nobody can be told from the others
ROUNDS = 3
DOUBTFUL = 0.5  # probability from which an account is no example of a real one any more
MADE_WEIGHT = 3.0  # of an account that is false for certain, beside one that may be
SUSPECT = 0.7  # probability from which an account is left out
NEIGHBOURS = 5
BLOCK = 1_000  # shoppers compared with all others at once
COPY = 0.9  # likeness to another account from which one is its copy ...
FEWEST_COPIED = 8  # ... if that are so many products
SEED = 23
TREES = {
    "objective": "binary", "learning_rate": 0.1, "num_leaves": 4, "min_data_in_leaf": 40, "lambda_l2": 1.0,
    "deterministic": True, "force_row_wise": True, "num_threads": 1, "seed": SEED, "verbosity": -1,
}  # fmt: skip
TREES_GROWN = 40


@dataclass(frozen=True)
class Shop:
    """What was done, by whom, with what: `vectors` (P, D) are of unit length, in the order of `products`."""

    history: Sequence[Interaction]
    products: Mapping[str, Product]
    vectors: Floats

    @cached_property
    def by_shopper(self) -> Mapping[str, list[Interaction]]:
        """Each shopper's part of the history."""
        found: dict[str, list[Interaction]] = {}
        for interaction in self.history:
            if interaction.product in self.products:
                found.setdefault(interaction.shopper, []).append(interaction)
        return found

    @cached_property
    def popularity(self) -> Counter[str]:
        """How many shoppers met each product."""
        return Counter(product for own in self.by_shopper.values() for product in {i.product for i in own})

    def joined(self, more: Iterable[Interaction]) -> "Shop":
        """The same with more history."""
        return replace(self, history=[*self.history, *more])


def suspects(shop: Shop, kinds: Sequence[Kind] = KINDS) -> dict[str, str]:
    """Shopper -> why their history is that of a false account. `kinds` are the attacks learned from."""
    if len(shop.by_shopper) < FEWEST:
        return {}
    rng = random.Random(SEED)
    made = _made(shop, kinds, rng)
    taught = shop.joined(made)
    names, rows = figures(taught)
    false = {i.shopper for i in made}
    labels = np.array([name in false for name in names])
    found, doubtful = np.zeros(len(names), dtype=np.float32), np.zeros(len(names), dtype=bool)
    for _ in range(ROUNDS):
        alone = _probabilities(rows, labels, doubtful)
        together = np.column_stack([rows, alone, _company(taught, names, np.maximum(alone, found))])
        found = _probabilities(together, labels, doubtful)
        doubtful |= (found >= DOUBTFUL) & ~labels
    chance: dict[str, float] = dict(zip(names, found.tolist(), strict=True))
    buyers = _buyers(shop, chance)
    return {
        name: f"{chance[name]:.0%} likely to be made up, to push {_pushed(buyers, name)}"
        for name in shop.by_shopper
        if chance[name] >= SUSPECT
    } | {
        name: f"met the very products that another account met, and bought {_pushed(buyers, name)}"
        for name in copies(shop)
    }


def copies(shop: Shop) -> list[str]:
    """Accounts that met the very products that another one met, and not few."""
    met = _met(shop)
    best, _ = _likeness(met, _often(shop)).T
    pairs = zip(shop.by_shopper, met, best, strict=True)
    return [name for name, own, alike in pairs if alike > COPY and len(own) > FEWEST_COPIED]


def disguised(shop: Shop, kind: Kind, target: str, count: int, rng: random.Random, name: str) -> list[Interaction]:
    """Histories of `count` false accounts, each that of a real shopper with other products, and the target bought."""
    fillers, weights = _fillers(shop, kind, target)
    models = sorted(shop.by_shopper)
    made: list[Interaction] = []
    for number in range(count):
        model = [i for i in shop.by_shopper[rng.choice(models)] if i.kind not in AVERSE]
        others = list(dict.fromkeys(i.product for i in model))
        drawn = _distinct(fillers, weights, len(others), rng)
        bought = list(dict.fromkeys(i.product for i in model if i.kind == "purchase")) or others
        taken = dict(zip(others, drawn, strict=True)) | {bought[-1]: target}
        for interaction in model:
            product = taken[interaction.product]
            value = 5.0 if interaction.kind == "rating" and product == target else interaction.value
            made.append(replace(interaction, shopper=f"{name}-{number}", product=product, value=value, session=""))
    return made


def figures(shop: Shop) -> tuple[list[str], Floats]:
    """Shoppers, and what their taste is like (S, F); nothing of when or how often they came."""
    often, kinds = _often(shop), [kind_of(p) for p in shop.products.values()]
    met, bought = _met(shop), _met(shop, ("purchase",))
    rows = [[*_taste(shop.vectors, m, b, often, kinds)] for m, b in zip(met, bought, strict=True)]
    return list(shop.by_shopper), np.column_stack([np.array(rows, dtype=np.float32), _likeness(met, often)])


def _often(shop: Shop) -> Floats:
    """How many shoppers met each product (P,), as a logarithm."""
    return np.asarray(np.log1p([shop.popularity[p] for p in shop.products]))


def _met(shop: Shop, kinds: Sequence[str] = ()) -> list[Any]:
    """The places of the products that each shopper met, in such ways if there are any named."""
    places = {product: at for at, product in enumerate(shop.products)}
    return [
        np.array(sorted({places[i.product] for i in own if not kinds or i.kind in kinds}), dtype=int)
        for own in shop.by_shopper.values()
    ]


def _taste(vectors: Floats, met: Any, bought: Any, often: Any, kinds: Sequence[str]) -> Iterable[float]:
    """How well the products of one shopper go together, and how popular they are."""
    near = vectors[met] @ vectors[met].T  # (M, M)
    np.fill_diagonal(near, 0.0)
    best = near.max(axis=1) if len(met) > 1 else np.zeros(1)
    own = best[np.isin(met, bought)] if len(bought) else best
    count = Counter(kinds[p] for p in met)
    yield from (best.mean(), best.min(), own.mean(), own.min(), near.sum() / max(1, len(met) * (len(met) - 1)))
    yield from (len(count) / len(met), max(count.values()) / len(met), np.log(len(met)))
    yield from (often[met].mean(), often[met].std(), often[met].min(), often[met].max())


def _likeness(met: Sequence[Any], often: Any) -> Floats:
    """How like each shopper is to the nearest others (S, 2): by products that few meet, best and mean of a few."""
    rows = np.repeat(np.arange(len(met)), [len(own) for own in met])
    columns = np.concatenate(met)
    bags = normalize(csr_matrix((1 / (1 + often[columns]), (rows, columns)), shape=(len(met), len(often))))
    best = np.zeros((len(met), NEIGHBOURS), dtype=np.float32)
    for start in range(0, len(met), BLOCK):
        near = (bags[start : start + BLOCK] @ bags.T).toarray()  # (block, S)
        near[np.arange(len(near)), np.arange(start, start + len(near))] = 0.0
        best[start : start + BLOCK] = -np.sort(np.partition(-near, NEIGHBOURS, axis=1)[:, :NEIGHBOURS], axis=1)
    return np.column_stack([best[:, 0], best.mean(axis=1)])


def _company(shop: Shop, names: Sequence[str], alone: Floats) -> Floats:
    """(S, 2): of the product whose other buyers are most suspect, how suspect they are in all and in the mean."""
    buyers = _buyers(shop, dict(zip(names, alone.tolist(), strict=True)))
    rows = []
    for name in names:
        own = [buyers[p] for p in _bought(shop.by_shopper[name])]
        sums = [(sum(b.values()) - b[name], (sum(b.values()) - b[name]) / max(1, len(b) - 1)) for b in own]
        rows.append((max((s for s, _ in sums), default=0.0), max((m for s, m in sums if s > 1), default=0.0)))
    return np.array(rows, dtype=np.float32)


def _probabilities(rows: Floats, labels: Any, doubtful: Any) -> Floats:
    """How likely each row is of the labelled ones, as told by trees that have not seen it, nor any doubtful one."""
    import lightgbm

    found = np.zeros(len(rows), dtype=np.float32)
    folds = StratifiedKFold(5, shuffle=True, random_state=SEED)
    for known, asked in folds.split(rows, labels):
        known = known[~doubtful[known]]
        weights = np.where(labels[known], MADE_WEIGHT, 1.0)
        model = lightgbm.train(TREES, lightgbm.Dataset(rows[known], labels[known], weight=weights), TREES_GROWN)
        found[asked] = model.predict(rows[asked], num_threads=1)
    return found


def _made(shop: Shop, kinds: Sequence[Kind], rng: random.Random) -> list[Interaction]:
    """False accounts of all kinds to learn from."""
    few = sorted(shop.products)
    found: list[Interaction] = []
    for kind in kinds:
        for group in range(GROUPS):
            found += disguised(shop, kind, rng.choice(few), rng.randint(*SIZES), rng, f"made-{kind}-{group}")
    return found


def _fillers(shop: Shop, kind: Kind, target: str) -> tuple[list[str], list[float]]:
    """Products that an attack hides behind, with how often each is taken."""
    counts = shop.popularity
    known = [p for p in shop.products if p != target]
    if kind == "random":
        return known, [1.0] * len(known)
    if kind == "bandwagon":
        known = [p for p, _ in counts.most_common(max(30, round(POPULAR * len(known)))) if p != target]
    if kind == "segment":
        own = kind_of(shop.products[target])
        known = [p for p in known if kind_of(shop.products[p]) == own] or known
    return known, [counts[p] + 0.1 for p in known]


def _distinct(values: Sequence[str], weights: Sequence[float], count: int, rng: random.Random) -> list[str]:
    """Values drawn by weight, each once while there are enough."""
    keys = sorted(range(len(values)), key=lambda at: -(rng.random() ** (1 / weights[at])))
    return [values[keys[n % len(keys)]] for n in range(count)]


def _buyers(shop: Shop, chance: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Product -> how suspect each of those is who bought it."""
    buyers: dict[str, dict[str, float]] = {}
    for name, own in shop.by_shopper.items():
        for product in _bought(own):
            buyers.setdefault(product, {})[name] = chance[name]
    return buyers


def _pushed(buyers: Mapping[str, Mapping[str, float]], name: str) -> str:
    """The product that an account would be there to push: of those that it bought, the one with the most suspect buyers."""
    bought = (known for known in buyers.items() if name in known[1])
    return max(bought, key=lambda known: sum(known[1].values()) ** 2 / len(known[1]), default=("nothing bought", {}))[0]


def _bought(history: Iterable[Interaction]) -> set[str]:
    return {i.product for i in history if i.kind == "purchase"}
