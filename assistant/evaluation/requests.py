"""Is a request answered better for knowing who asks? Search alone -> history alone -> our blend.

Each shopper's last order is the test: one of its products, drawn by seed, is the target, the request is
made from the target's own words, and nothing of the visit is known. Everything else trains. For "hanging
heart" of a shopper who buys white things, a system that puts the white heart second has nDCG@10 .63.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from assistant.profile import Portrait
from assistant.ranking.behaviour import Floats
from assistant.ranking.blend import WEIGHTS, Blend, Lists, Weighted
from assistant.ranking.features import MODELS, NAMES, OF_TASTE, features
from assistant.ranking.metrics import summary
from assistant.ranking.ranker import diverse, sameness
from assistant.ranking.recommenders import Recommenders
from assistant.training.ranker import (
    Data,
    RankerRecipe,
    collect,
    context_of,
    cut_time,
    fit_blend,
    fit_models,
    load_data,
    requests_after,
    taste_of,
)
from assistant.training.requests import Request, visits, write_requests
from catalog.embedding import Embedder, embed_products
from catalog.feeds import orders
from catalog.feeds.source import FeedError, FeedOptions, Reject, csv_rows, open_text
from catalog.feeds.table import resolve_columns
from catalog.schema import open_database
from catalog.search import Search
from catalog.store import ProductStore
from catalog.types import Candidate, Interaction, Product, ProductText

POOL = 100  # best products of each model that history alone chooses from
LISTS_OF_HISTORY = 4_000  # that history alone learns from: its pools are long, and it knows too little to learn more
OURS = "ours, blend"
DIVERSITIES = (0.3, 0.6)
MISSED = 1_000_000  # the place of a target that a system does not have
Progress = Callable[[str], Any]
ITEM_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "product": orders.COLUMNS["product"],
    "title": ("description", "title", "name", "item_text", "商品名"),
    "price": ("unitprice", "unit_price", "price", "价格"),
}
# The features in which the request has no part.
OF_HISTORY = (*MODELS, "rating", "reviews", "praise", "brand", "kind", "new_kind", "color", "bought", "times", "since",
              "disliked", "usual_price")  # fmt: skip


@dataclass(frozen=True)
class HeldOut:
    """What was learned without each shopper's last order, and requests for those orders.

    `early` are the models that the trees of `blend` were taught with, on `requests`; `late` are those of all of `known`.
    """

    known: Data
    early: Recommenders
    requests: Sequence[Request]
    blend: Blend
    late: Recommenders
    tests: Sequence[Request]


def learn_held_out(data: Data, search: Search, recipe: RankerRecipe, most: int, progress: Progress) -> HeldOut:
    """Models and trees for requests of at most `most` shoppers."""
    known, held = hold_out(data, recipe.seed)
    cut = cut_time(known.history, recipe)
    progress("models of what happened before the cut")
    early, _ = fit_models(known, known.before(cut), recipe, progress)
    requests = requests_after(cut, known, recipe)
    progress(f"features of {len(requests)} requests")
    blend, _ = fit_blend(collect(requests, known, lambda request, _: search.search(request.query), early), recipe)
    progress("models of everything but the last orders")
    late, _ = fit_models(known, known.history, recipe, progress)
    rng = random.Random(recipe.seed)
    tests = list(write_requests(rng.sample(held, min(most, len(held))), data.products, recipe.styles, rng))
    return HeldOut(known, early, requests, blend, late, tests)


def run(data: Data, search: Search, recipe: RankerRecipe, most: int, progress: Progress) -> list[dict[str, Any]]:
    """A row of measures for each system over at most `most` shoppers, ours last."""
    learned = learn_held_out(data, search, recipe, most, progress)
    known, early, late, tests = learned.known, learned.early, learned.late, learned.tests
    latest = learned.requests[-LISTS_OF_HISTORY:]
    without_request, _ = fit_blend(_history_only(collect(latest, known, _pool(early, data), early)), recipe, OF_HISTORY)
    pool = _pool(late, data)
    places: dict[str, list[int]] = {}
    alike: dict[str, list[float]] = {}
    violations = 0
    for number, request in enumerate(tests, start=1):
        progress(f"requests: {number} of {len(tests)}")
        taste = taste_of(request, known)
        found = search.search(request.query)
        ranked = _rankings(request, taste, found, pool(request, taste), late, learned.blend, without_request)
        for system, order in ranked.items():
            places.setdefault(system, []).append(order.index(request.target) + 1 if request.target in order else MISSED)
            alike.setdefault(system, []).append(sameness([data.products[p] for p in order[:10]]))
        violations += _violations(request, ranked[OURS], data)
    return [
        {"system": system, "requests": len(tests), **summary(np.array(found_at)),
         "sameness@10": round(mean(alike[system]), 3), "violations": violations if system == OURS else None}
        for system, found_at in places.items()
    ]  # fmt: skip


def shop_of_orders(path: Path, columns: Mapping[str, str], database: str, embedder: Embedder) -> tuple[Data, Search]:
    """A shop made of nothing but a table of order lines with item texts and prices.

    Raises `FeedError` where the table lacks a column.
    """
    titles: dict[str, str] = {}
    prices: dict[str, list[Decimal]] = {}
    names: dict[str, str] = {}
    with open_text(path) as text:
        for number, row in csv_rows(text):
            names = names or _item_columns(row, columns, path)
            item, title = row[names["product"]].strip(), row[names["title"]].strip()
            if item and title:
                titles.setdefault(item, title)
                prices.setdefault(item, []).append(_price(row[names["price"]], path, number))
    store = ProductStore(open_database(database))
    store.upsert(
        Product(item, median(prices[item]), "GBP", {"en": ProductText(title)}, stock=1)
        for item, title in titles.items()
    )
    embed_products(store, embedder)
    ours = {field: column for field, column in columns.items() if field in orders.COLUMNS}
    read = orders.read(path, FeedOptions(columns=ours))
    history = [row for row in read if not isinstance(row, Reject) and row.product in titles]
    data = load_data(store, embedder.name)
    return replace(data, history=sorted(history, key=lambda i: i.time)), Search(store, embedder)


def _price(text: str, path: Path, line: int) -> Decimal:
    try:
        return Decimal(text.strip() or 0)
    except InvalidOperation:
        raise FeedError(f"{path}, line {line}: {text!r} is no price") from None


def _item_columns(row: Mapping[str, str], columns: Mapping[str, str], path: Path) -> dict[str, str]:
    ours = {field: column for field, column in columns.items() if field in ITEM_COLUMNS}
    names = resolve_columns(row, ITEM_COLUMNS, FeedOptions(columns=ours), path)
    if missing := [field for field in ITEM_COLUMNS if field not in names]:
        raise FeedError(f"{path}: no column for {', '.join(missing)}; name it with --map")
    return names


def hold_out(data: Data, seed: int) -> tuple[Data, list[tuple[Interaction, datetime]]]:
    """Everything before each shopper's last order, and (a purchase of that order, when its visit began).

    The shopper of a single order has no history to know, and is not asked.
    """
    rng = random.Random(seed)
    held: list[tuple[Interaction, datetime]] = []
    kept: list[Interaction] = []
    for history in data.by_shopper.values():
        began = visits(history)
        orders = [at for at, i in enumerate(history) if i.kind == "purchase"]
        if not orders or began[orders[-1]] == began[orders[0]]:
            kept += history
            continue
        last = began[orders[-1]]
        target = rng.choice([at for at in orders if began[at] == last])
        held.append((history[target], last))
        kept += [i for i in history if i.time < last]
    return replace(data, history=sorted(kept, key=lambda i: i.time)), held


def _rankings(
    request: Request,
    taste: Portrait,
    found: Sequence[Candidate],
    pool: Sequence[Candidate],
    models: Recommenders,
    blend: Blend,
    without_request: Blend,
) -> dict[str, list[str]]:
    """System -> product ids, best first."""
    ids = [c.product.external_id for c in found]
    lexical = sorted((c for c in found if c.lexical_rank), key=lambda c: c.lexical_rank or 0)
    rows = features(found, context_of(request, taste, models, found))
    history = features(pool, context_of(request, taste, models, pool))[:, _columns(OF_HISTORY)]
    whole = models.scores(taste.sequence, models.products, request.time)
    return {
        "popularity": _order(models.products, whole["popularity"]),
        **{f"history: {name}": _order(models.products, whole[name]) for name in OF_TASTE if name in whole},
        "history alone": _order([c.product.external_id for c in pool], without_request.score(history)),
        "search: words alone": [c.product.external_id for c in lexical],
        "search alone": ids,
        "hand-set weights": _order(ids, Weighted(WEIGHTS).score(rows)),
        **{f"ours, diversity {d}": _diversified(found, blend.score(rows), d) for d in DIVERSITIES},
        OURS: _order(ids, blend.score(rows)),
    }


def _diversified(found: Sequence[Candidate], scores: Floats, diversity: float) -> list[str]:
    products = [c.product for c in found]
    order = diverse(np.argsort(-scores, kind="stable"), scores, products, diversity)
    return [products[at].external_id for at in order]


def _pool(models: Recommenders, data: Data) -> Callable[[Request, Portrait], list[Candidate]]:
    """What history alone chooses from: the best of each model, in stock."""

    def pool(request: Request, taste: Portrait) -> list[Candidate]:
        scores = models.scores(taste.sequence, models.products, request.time)
        best = {models.products[at] for one in scores.values() for at in np.argsort(-one)[:POOL]}
        products = (data.products[p] for p in sorted(best))
        return [Candidate(p, None, None, 0.0) for p in products if p.stock > 0]

    return pool


def _history_only(lists: Lists) -> Lists:
    return replace(lists, rows=lists.rows[:, _columns(OF_HISTORY)])


def _columns(names: Sequence[str]) -> list[int]:
    return [NAMES.index(name) for name in names]


def _order(ids: Sequence[str], scores: Floats) -> list[str]:
    return [ids[at] for at in np.argsort(-scores, kind="stable")]


def _violations(request: Request, order: Sequence[str], data: Data) -> int:
    """How many of the first ten break a limit of the request or are sold out."""
    filters = request.query.filters
    shown = [data.products[product] for product in order[:10]]
    return sum(p.stock <= 0 or (filters.price_max is not None and p.price > filters.price_max) for p in shown)
