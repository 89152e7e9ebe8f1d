"""The sample shoppers' bodies, how the sample shop's goods are cut, and what follows for what was bought and sent back.

A body has a place on each scale of sizes; a product fits in the size at most half a step away from it, as it is cut.
Height and weight follow from the place, give or take how people are built.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from catalog.fit import Fit, listened
from catalog.types import Interaction, Product

SEED = 20_26_09
HEIGHT_SPREAD = 4.0  # centimetres among people of one size
BUILD_SPREAD = 0.02  # of the weight that a size goes with
CUT_BY_REVIEWS = 0.8  # steps that a product runs small or large of which all reviews say so
CUT_SPREAD = 0.15  # steps by which it differs beside
SAYS_WHY = 0.8  # share of returns with a reason
# Middle of height (cm) and weight (kg) by clothes size, from XS.
CLOTHES = ((152.5, 41.5), (158.5, 47.5), (164, 54), (170, 61.5), (176, 70), (183, 81))
TROUSERS_OF_CLOTHES = 7 / 5  # a step of letters is more than one of inches


@dataclass(frozen=True)
class Body:
    """A shopper's height (cm), weight (kg), and place on each scale, in steps from its least size."""

    height: float
    weight: float
    places: Mapping[str, float]


def body_of(shopper: str, clothes: int, shoes: int) -> Body:
    """A body whose usual clothes and shoe sizes, counted from the least, are these."""
    rng = random.Random(f"{SEED} {shopper}")
    place = clothes + rng.uniform(-0.5, 0.5)
    height, weight = (_between(place, [size[n] for size in CLOTHES]) for n in (0, 1))
    taller = rng.gauss(0, HEIGHT_SPREAD)
    own = height + taller
    built = weight * own / height * rng.gauss(1, BUILD_SPREAD)  # as much girth, on another length
    return Body(
        round(own), round(built, 1),
        {
            "clothes": place,
            "trousers": place * TROUSERS_OF_CLOTHES + rng.gauss(0, 0.3),
            "shoes": shoes + rng.uniform(-0.5, 0.5),
        },
    )  # fmt: skip


def cut_of(product: Product) -> float:
    """How many steps larger a product is than its label: as its reviews have it, and a little by chance."""
    told = listened({}, (review.text for review in product.reviews)).told
    voices = sum(told.values())
    leaning = (told.get("large", 0) - told.get("small", 0)) / voices if voices else 0.0
    return CUT_BY_REVIEWS * leaning + random.Random(f"{SEED} {product.external_id}").gauss(0, CUT_SPREAD)


def fit_of(body: Body, product: Product, scale: str, size: int) -> Fit:
    """How a size, counted from the least, fits."""
    distance = body.places[scale] - size - cut_of(product)
    return "small" if distance > 0.5 else "large" if distance < -0.5 else "right"


def best_size(body: Body, product: Product, scale: str, sizes: Sequence[str]) -> str:
    """The size that is least off."""
    wanted = body.places[scale] - cut_of(product)
    return sizes[min(range(len(sizes)), key=lambda n: abs(n - wanted))]


def sized(
    history: Iterable[Interaction],
    bodies: Mapping[str, Body],
    products: Mapping[str, Product],
    scales: Mapping[str, tuple[str, Sequence[str]]],
) -> Iterator[Interaction]:
    """The history with the size of what was bought, which is the shopper's usual one, and with what did not fit sent back.

    `scales` has for each kind of product the scale's name and its sizes.
    """
    for one in history:
        scale = scales.get(one.product.rpartition("-")[0])
        if one.kind != "purchase" or scale is None:
            yield one
            continue
        name, sizes = scale
        body = bodies[one.shopper]
        size = min(range(len(sizes)), key=lambda n: abs(n - body.places[name]))
        fit = fit_of(body, products[one.product], name, size)
        yield replace(one, size=sizes[size])
        if fit != "right":
            says = random.Random(f"{SEED} {one.shopper} {one.product} {one.time}").random() < SAYS_WHY
            value = {"small": -1.0, "large": 1.0}[fit] if says else 0.0
            yield replace(one, kind="return", time=one.time + timedelta(days=7), value=value, size=sizes[size])


def _between(place: float, values: Sequence[float]) -> float:
    """The value at a place between whole ones, going on evenly beyond them."""
    low = min(max(int(place // 1), 0), len(values) - 2)
    return values[low] + (place - low) * (values[low + 1] - values[low])
