"""Who is shown, and who is served? Search alone -> ours -> ours with a floor under what small brands are shown.

Requests are those of `daogou evaluate requests`: each shopper's last order. A group of products is shown in proportion if
its share of the exposure, 1 / log2(place + 1) of the first ten places, is its share of what was bought (Singh and Joachims,
"Fairness of Exposure in Rankings", 2018): a ratio of 1. A group of shoppers is served as well as others if what they bought
stands as high (nDCG@10) and is among the three that are shown (HR@3).
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from assistant.drawing import picture
from assistant.evaluation.requests import MISSED, learn_held_out
from assistant.profile import Portrait, kind_of
from assistant.ranking.exposure import NO_FLOOR, ExposureFloor, small_brands
from assistant.ranking.features import features
from assistant.ranking.metrics import hit_rate, ndcg
from assistant.ranking.ranker import fits_of
from assistant.training.ranker import Data, RankerRecipe, context_of, taste_of
from assistant.training.requests import Request
from catalog.search import Search
from catalog.types import Candidate, Product

FLOORS = (0.0, 0.1, 0.2, 0.3, 0.4)
PLACES = 10
SHOWN = 3
BRANDS = 8  # that are listed by name, those bought most
Progress = Callable[[str], Any]
Table = list[dict[str, Any]]


@dataclass(frozen=True)
class Asked:
    """A request with its candidates, as search has them, our order of them, and which of them fit."""

    request: Request
    taste: Portrait
    candidates: Sequence[Candidate]
    order: Any
    fits: Any

    def ranked(self, floor: ExposureFloor = NO_FLOOR) -> list[Product]:
        """Our order under a floor."""
        products = [c.product for c in self.candidates]
        return [products[at] for at in floor.applied(self.order, self.fits, products, PLACES)]


def run(data: Data, search: Search, recipe: RankerRecipe, most: int, progress: Progress) -> tuple[Table, Table, Table]:
    """Rows of groups of products, of groups of shoppers, and of floors."""
    known, asked = _ask(data, search, recipe, most, progress)
    small = small_brands(_reviews(data))
    groups = _product_groups(data.products, Counter(a.request.target for a in asked), small)
    found = [[c.product for c in a.candidates] for a in asked]
    ours = [a.ranked() for a in asked]
    exposure = {"search": _exposure(found), "ours": _exposure(ours)}
    bought = _shares(Counter(a.request.target for a in asked))
    products = [_product_row(name, own, bought, exposure) for name, own in groups.items()]
    shoppers = [_shopper_row(name, own) for name, own in _shopper_groups(asked, known).items()]
    floors = [_floor_row(asked, ExposureFloor(share, small), small) for share in FLOORS]
    free = floors[0]["nDCG@10"]
    return products, shoppers, [{**row, "cost": round(1 - row["nDCG@10"] / free, 4)} for row in floors]


def draw(products: Table, floors: Table, path: Path) -> None:
    """Exposure beside relevance for each group of products, and what a floor costs."""
    with picture(path, 11, 4.5, columns=2) as (_, (left, right)):
        names = [r["products"].split(" (")[0] for r in products]
        places = np.arange(len(names))
        for offset, (column, color) in enumerate((("of purchases", "#999"), ("shown, search", "#9bd"), ("shown, ours", "#36c"))):  # fmt: skip
            left.barh(places + 0.27 * (offset - 1), [r[column] for r in products], 0.27, color=color, label=column)
        left.set_yticks(places, [n.encode("ascii", "ignore").decode() or n for n in names])
        left.invert_yaxis()
        left.set(xlabel="share", title="what is bought, and what is shown")
        left.legend()
        right.plot([r["small brands shown"] for r in floors], [r["nDCG@10"] for r in floors], marker="o", color="#36c")
        for row in floors:
            right.annotate(f"{row['floor']:.1f}", (row["small brands shown"], row["nDCG@10"]), xytext=(4, 4), textcoords="offset points")  # fmt: skip
        right.locator_params(axis="x", nbins=5)
        right.set(xlabel="exposure of small brands", ylabel="nDCG@10", title="a floor under small brands")


def _ask(data: Data, search: Search, recipe: RankerRecipe, most: int, progress: Progress) -> tuple[Data, list[Asked]]:
    """What was known before the last orders, and requests for those as we answer them."""
    learned = learn_held_out(data, search, recipe, most, progress)
    asked = []
    for request in learned.tests:
        taste = taste_of(request, learned.known)
        candidates = search.search(request.query)
        rows = features(candidates, context_of(request, taste, learned.late, candidates))
        if len(rows):
            order = np.argsort(-learned.blend.score(rows), kind="stable")
            asked.append(Asked(request, taste, candidates, order, fits_of(rows)))
    return learned.known, asked


def _product_groups(
    products: Mapping[str, Product], bought: Counter[str], small: frozenset[str]
) -> dict[str, frozenset[str]]:
    """Name -> products: price bands within their kind, small and large brands, brands, and sellers where feeds name them."""
    kinds: dict[str, list[Any]] = {}
    for product in products.values():
        kinds.setdefault(kind_of(product), []).append(product.price)
    edges = {kind: np.quantile([float(p) for p in prices], [1 / 3, 2 / 3]) for kind, prices in kinds.items()}
    named: dict[str, set[str]] = {}
    brands = Counter({p.brand: 0 for p in products.values()})
    for target, count in bought.items():
        brands[products[target].brand] += count
    listed = {brand for brand, _ in brands.most_common(BRANDS)}
    for product in products.values():
        band = int(np.searchsorted(edges[kind_of(product)], float(product.price)))
        size = "small" if product.brand in small else "large"
        names = [("cheap", "middle price", "dear")[band], f"{size} brands", *(f"seller {s}" for s in product.values("seller"))]  # fmt: skip
        for name in [*names, product.brand] if product.brand in listed else names:
            named.setdefault(name, set()).add(product.external_id)
    order = ("cheap", "middle price", "dear", "small brands", "large brands")
    return {
        name: frozenset(named[name]) for name in [*(n for n in order if n in named), *sorted(set(named) - set(order))]
    }


def _exposure(lists: Sequence[Sequence[Product]]) -> Mapping[str, float]:
    """Product -> its share of all exposure."""
    seen: dict[str, float] = {}
    for ranked in lists:
        for place, product in enumerate(ranked[:PLACES], start=1):
            seen[product.external_id] = seen.get(product.external_id, 0.0) + 1 / np.log2(place + 1)
    return _shares(seen)


def _shares(counts: Mapping[str, float]) -> dict[str, float]:
    total = sum(counts.values()) or 1.0
    return {name: count / total for name, count in counts.items()}


def _product_row(
    name: str, own: frozenset[str], bought: Mapping[str, float], exposure: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    wanted = sum(bought.get(p, 0.0) for p in own)
    shown = {way: sum(by.get(p, 0.0) for p in own) for way, by in exposure.items()}
    return {
        "products": f"{name} ({len(own)})",
        "of purchases": round(wanted, 3),
        **{f"shown, {way}": round(share, 3) for way, share in shown.items()},
        **{f"ratio, {way}": round(share / wanted, 2) if wanted else None for way, share in shown.items()},
    }


def _shopper_groups(asked: Sequence[Asked], known: Data) -> dict[str, list[Asked]]:
    """Name -> requests, by what is known of who asks."""
    orders = {
        a.request.shopper: len({i.time.date() for i in known.by_shopper.get(a.request.shopper, ())}) for a in asked
    }
    spent = {a.request.shopper: mean([float(p) for p in a.taste.spent.values()] or [0.0]) for a in asked}
    usual_orders, usual_spent = median(orders.values()), median(spent.values())
    found: dict[str, list[Asked]] = {"all": list(asked)}
    for one in asked:
        shopper = one.request.shopper
        for name in (
            "came often" if orders[shopper] > usual_orders else "came seldom",
            "spends much" if spent[shopper] > usual_spent else "spends little",
            {"zh": "asks in Chinese", "en": "asks in English"}[one.request.state.language],
        ):  # fmt: skip
            found.setdefault(name, []).append(one)
    return {name: found[name] for name in ["all", *sorted(set(found) - {"all"})]}


def _shopper_row(name: str, asked: Sequence[Asked]) -> dict[str, Any]:
    row: dict[str, Any] = {"shoppers": name, "requests": len(asked)}
    for way, lists in (("search", [[c.product for c in a.candidates] for a in asked]), ("ours", [a.ranked() for a in asked])):  # fmt: skip
        places = _places(asked, lists)
        row |= {f"nDCG@10, {way}": round(float(ndcg(places).mean()), 3), f"HR@3, {way}": round(float(hit_rate(places, SHOWN).mean()), 3)}  # fmt: skip
    return row


def _floor_row(asked: Sequence[Asked], floor: ExposureFloor, small: frozenset[str]) -> dict[str, Any]:
    lists = [a.ranked(floor) for a in asked]
    places = _places(asked, lists)
    shown = sum(share for product, share in _exposure(lists).items() if product in _of_brands(lists, small))
    return {
        "floor": floor.share,
        "small brands shown": round(shown, 3),
        "nDCG@10": round(float(ndcg(places).mean()), 4),
        "HR@3": round(float(hit_rate(places, SHOWN).mean()), 4),
    }


def _of_brands(lists: Sequence[Sequence[Product]], brands: frozenset[str]) -> set[str]:
    return {p.external_id for ranked in lists for p in ranked if p.brand in brands}


def _places(asked: Sequence[Asked], lists: Sequence[Sequence[Product]]) -> Any:
    """The place of each request's target in its list."""
    found = []
    for one, ranked in zip(asked, lists, strict=True):
        ids = [p.external_id for p in ranked]
        found.append(ids.index(one.request.target) + 1 if one.request.target in ids else MISSED)
    return np.array(found)


def _reviews(data: Data) -> Mapping[str, int]:
    """Reviews by brand, as `ProductStore.reviews_by_brand` counts them."""
    counts: Counter[str] = Counter()
    for product in data.products.values():
        if product.brand:
            counts[product.brand] += product.review_count + 1
    return counts
