"""Is the size right that a shopper is told to take? The size bought last -> the chart alone -> ours, by what is known.

The sample shop's simulated bodies take a product of every kind with sizes that they have not bought yet. Ours may say
that it does not know, or name two neighbours: `answered` is the share of all questions that got one size, `right` the
share of these that fit best, `of two` the same where two were named. A shopper of place 3.4 whose body says M (3) and
who takes a coat that is cut half a step small (-0.5) is best off with L: 3.4 + 0.5 is nearer to 4.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from assistant.fitting import Fitted, closet_of, fitted, sizes_of
from assistant.profile import kept
from assistant.sizing import place_of_body, scale_of
from assistant.types import Fact
from catalog.amounts import normalize_size
from catalog.fit import SILENCE, Voices, chart_of, counted, listened
from catalog.sample.bodies import Body, best_size
from catalog.sample.build import build_bodies, build_history, build_products, build_tastes, scales
from catalog.types import ChartSize, Interaction, Product


@dataclass(frozen=True)
class Case:
    """A shopper before a product: what is known of both, and the size that fits best."""

    product: Product
    body: Body
    taken: Sequence[Interaction]
    said: Mapping[str, Fact]
    right: str


def run(charts: Sequence[ChartSize], progress: Callable[[str], Any]) -> list[dict[str, Any]]:
    """A row for each way of telling a size and each that is known."""
    progress("building the sample shop")
    products = {p.external_id: p for p in build_products()}
    tastes = build_tastes()
    history = build_history(list(products.values()), tastes)
    cases = list(_cases(products, history))
    reviews = {i: listened({}, (r.text for r in p.reviews)) for i, p in products.items()}
    worn = counted((i.product, i.kind, i.value) for i in history if i.size)
    voices = {i: replace(told, worn=worn.get(i, {})) for i, told in reviews.items()}

    def ours(
        known: Callable[[Case], tuple[Mapping[str, Fact], Sequence[Interaction]]], heard: Mapping[str, Voices]
    ) -> Callable[[Case], Fitted]:
        def way(case: Case) -> Fitted:
            facts, taken = known(case)
            bought = {i.product: products[i.product] for i in taken}
            return fitted(case.product, charts, facts, closet_of(taken, bought, charts, heard), heard)

        return way

    silent = dict.fromkeys(products, SILENCE)
    ways: dict[str, Callable[[Case], Sequence[str]]] = {
        "the size bought last": _last,
        "chart, height and weight": lambda case: _by_chart(case, charts),
        "ours, height and weight": _told(ours(lambda c: (_measures(c.body), ()), voices)),
        "ours, what was bought and sent back": _told(ours(lambda c: ({}, c.taken), voices)),
        "ours, both": _told(ours(lambda c: (_measures(c.body), c.taken), voices)),
        "ours, both and the size they say": _told(ours(lambda c: ({**_measures(c.body), **c.said}, c.taken), voices)),
        "the same, deaf to other buyers": _told(ours(lambda c: ({**_measures(c.body), **c.said}, c.taken), silent)),
        "ours, nothing known": _told(ours(lambda c: ({}, ()), voices)),
    }
    return [_row(name, way, cases, progress) for name, way in ways.items()]


def _row(
    name: str, way: Callable[[Case], Sequence[str]], cases: Sequence[Case], progress: Callable[[str], Any]
) -> dict[str, Any]:
    progress(name)
    answers = [(way(case), case.right) for case in cases]
    one = [right in told for told, right in answers if len(told) == 1]
    two = [right in told for told, right in answers if len(told) == 2]
    return {
        "known": name,
        "questions": len(cases),
        "answered": round(len(one) / len(cases), 3),
        "right": round(sum(one) / len(one), 3) if one else None,
        "two named": round(len(two) / len(cases), 3),
        "of two": round(sum(two) / len(two), 3) if two else None,
    }


def _cases(products: Mapping[str, Product], history: Sequence[Interaction]) -> Iterator[Case]:
    """Every sample shopper before one product of each kind with sizes that they have not bought."""
    rng = random.Random(7)
    tastes = build_tastes()
    bodies, own = build_bodies(tastes), defaultdict(list)
    for one in history:
        if one.size:
            own[one.shopper].append(one)
    for taste in tastes:
        mine = own[taste.shopper]
        taken = [*(i for i in mine if i.kind == "return"), *kept(mine)]
        facts = {"size": Fact(taste.clothes_size, ""), "shoe_size": Fact(taste.shoe_size, "")}
        for kind, (scale, sizes) in scales().items():
            bought = {i.product for i in mine}
            product = rng.choice([p for i, p in products.items() if i.startswith(f"{kind}-") and i not in bought])
            body = bodies[taste.shopper]
            yield Case(product, body, taken, facts, normalize_size(best_size(body, product, scale, sizes)))


def _told(way: Callable[[Case], Fitted]) -> Callable[[Case], Sequence[str]]:
    def sizes(case: Case) -> Sequence[str]:
        advice = way(case).advice
        return [s for s in (advice.size, advice.other) if s and advice.sure]

    return sizes


def _last(case: Case) -> Sequence[str]:
    """The size of the last purchase of a product that comes in the same sizes."""
    there = sizes_of(case.product)
    fitting = [normalize_size(i.size) for i in case.taken if i.kind == "purchase" and normalize_size(i.size) in there]
    return fitting[-1:]


def _by_chart(case: Case, charts: Sequence[ChartSize]) -> Sequence[str]:
    """The size whose middle is nearest to the body."""
    if not (chart := chart_of(case.product, charts)):
        return ()
    scale = scale_of([line.size for line in chart])
    body = place_of_body(chart, scale, case.body.height, case.body.weight)
    return () if body is None else [min(scale.places, key=lambda size: abs(scale.places[size] - body[0]))]


def _measures(body: Body) -> dict[str, Fact]:
    return {"height_cm": Fact(body.height, ""), "weight_kg": Fact(body.weight, "")}
