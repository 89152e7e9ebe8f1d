"""Which size to take: a belief about the shopper's place on a scale of sizes, told by body, purchases and returns.

Sizes stand on a scale of whole steps (S 2, M 3, L 4). A shopper is at b, a product is cut o steps larger than its
label says, and size x fits where |b - x - o| is at most half a step; short of that it is small or large, by an ordered
probit. After Sembium et al., "Recommending Product Sizes to Customers", RecSys 2017, and "Bayesian Models for Product
Size Recommendations", WWW 2018, with the shop's chart as the prior of b; b and o are summed over a grid.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import erf, sqrt

import numpy as np
from numpy.typing import NDArray

from catalog.amounts import normalize_size
from catalog.fit import BY_VALUE, FITS, Fit, Voices
from catalog.types import ChartSize

LETTERS = ("xxxs", "xxs", "xs", "s", "m", "l", "xl", "xxl", "xxxl", "xxxxl")
GRID = np.arange(-4.0, 24.0, 0.05)  # places on a scale, in steps
BUILD_SPREAD = 0.03  # share of weight over height by which people of one girth differ ...
WEIGHT_SPREAD = 0.06  # ... and of weight, where the height is not known
LENGTH_SPREAD = 1.0  # steps that height alone leaves open
GIRTH = 0.75  # how much of a size is girth, which weight over height tells; the rest is length
TOLERANCE = 0.1  # steps by which shoppers differ in what they call fitting
SAID_SPREAD = 0.4  # steps around a size that a shopper says is theirs
CUT_SPREAD = 0.35  # steps by which products of a shop differ from their label
VOICE_SPREAD = 0.45  # steps by which a buyer of their usual size misses it
SURE = 0.80  # probability from which a size is advised ...
EITHER = 0.85  # ... from which one of two neighbours is ...
GUESS = 0.4  # ... and from which one is named that may be wrong
LEAST_CHANCE = 1e-4  # of an outcome: people mistake, and send back for somebody else
Belief = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """Sizes in order, with the place of each. Products of one `system` share a scale."""

    system: tuple[str, ...]
    places: Mapping[str, float]


@dataclass(frozen=True)
class Worn:
    """One size of a product of the same scale that the shopper took, how it fitted, and how the product is cut."""

    size: str
    fit: Fit
    cut: tuple[float, float]


@dataclass(frozen=True)
class Advice:
    """The size to take, the neighbour that might do as well, and how probable it is that the first is right.

    `size` is empty where nothing is known that tells, and no more than a guess where it is not `sure`; `other` is
    there where one of the two is sure enough to be right.
    """

    size: str = ""
    other: str = ""
    confidence: float = 0.0
    sure: bool = False


UNKNOWN = Advice()


def scale_of(sizes: Sequence[str], kind: str = "") -> Scale:
    """The scale of sizes in rising order. Letters are one scale everywhere, other sizes one for each list or `kind`.

    >>> scale_of(["S", "M", "L"]).places
    {'s': 3.0, 'm': 4.0, 'l': 5.0}
    """
    keys = list(dict.fromkeys(normalize_size(s) for s in sizes if s))
    if keys and all(k in LETTERS for k in keys):
        return Scale(("letters",), {k: float(LETTERS.index(k)) for k in keys})
    if keys and all(k.replace(".", "", 1).isdecimal() for k in keys):
        keys.sort(key=float)
    return Scale((kind, *keys), {k: float(n) for n, k in enumerate(keys)})


def cut_of(voices: Voices) -> tuple[float, float]:
    """How many steps larger a product is than its label, and how sure that is: mean and deviation."""
    steps = GRID[(GRID >= -2) & (GRID <= 2)]
    fits = _fits(-steps, VOICE_SPREAD)
    belief = _belief(_normal(steps, 0.0, CUT_SPREAD) + sum(voices.count(fit) * _log(fits[fit]) for fit in FITS))
    mean = float(belief @ steps)
    return mean, float(np.sqrt(belief @ (steps - mean) ** 2))


def place_of_body(
    chart: Sequence[ChartSize], scale: Scale, height: float | None, weight: float | None
) -> tuple[float, float] | None:
    """Where a body stands on the scale by the chart, mean and deviation; none where chart or body say nothing.

    A chart's sizes are made for bodies in the middle of their ranges. Girth goes with weight over height.
    """
    lines = [line for line in chart if normalize_size(line.size) in scale.places]
    at = [scale.places[normalize_size(line.size)] for line in lines]
    tall = [sum(line.height) / 2 for line in lines if line.height]
    heavy = [sum(line.weight) / 2 for line in lines if line.weight]
    length = _placed(height, tall, at)
    if height and weight and len(tall) == len(heavy) == len(lines):
        rounds = [w / h for w, h in zip(heavy, tall, strict=True)]
        girth, spread = _placed(weight / height, rounds, at), BUILD_SPREAD
    else:
        rounds = heavy
        girth, spread = _placed(weight, rounds, at), WEIGHT_SPREAD
    if girth is None:
        return None if length is None else (length, LENGTH_SPREAD)
    step = float(np.mean(np.diff(np.log(rounds))))  # from one size to the next, relative
    return girth if length is None else GIRTH * girth + (1 - GIRTH) * length, spread / step


def believe(body: tuple[float, float] | None, said: float | None, worn: Iterable[Worn], scale: Scale) -> Belief | None:
    """The belief about the shopper over `GRID` (G,), none where nothing is known of them.

    `body` is where the body stands, `said` where a size does that the shopper says is theirs.
    """
    belief, known = np.zeros_like(GRID), False
    for told in (body, None if said is None else (said, SAID_SPREAD)):
        if told is not None:
            belief, known = belief + _normal(GRID, *told), True
    for one in worn:
        if (at := scale.places.get(one.size)) is not None:
            mean, spread = one.cut
            fits = _fits(GRID - at - mean, float(np.hypot(TOLERANCE, spread)))
            belief, known = belief + _log(fits[one.fit]), True
    return _belief(belief) if known else None


def advise(belief: Belief | None, scale: Scale, cut: tuple[float, float], sizes: Iterable[str]) -> Advice:
    """The size to take among a product's `sizes`, all in canonical spelling."""
    there = [s for s in sizes if s in scale.places]
    if belief is None or not there:
        return UNKNOWN
    mean, spread = cut
    chances = {s: float(belief @ _fits(GRID - scale.places[s] - mean, max(spread, 0.05))["right"]) for s in there}
    best = max(chances, key=chances.__getitem__)
    if chances[best] >= SURE:
        return Advice(best, "", chances[best], True)
    near = [s for s in there if abs(scale.places[s] - scale.places[best]) == 1]
    other = max(near, key=chances.__getitem__, default="")
    if other and chances[best] + chances[other] >= EITHER:
        return Advice(best, other, chances[best], True)
    return Advice(best, "", chances[best]) if chances[best] >= GUESS else UNKNOWN


def worn_as(kind: str, value: float) -> Fit | None:
    """How a size fitted that was bought or sent back; none where it came back for another reason."""
    return "right" if kind == "purchase" else BY_VALUE.get(value)


def _fits(distance: Belief, spread: float) -> Mapping[Fit, Belief]:
    """Probability of each outcome where the shopper is `distance` steps above the size, give or take `spread`."""
    small, large = _below((distance - 0.5) / spread), _below((-distance - 0.5) / spread)
    return {"small": small, "large": large, "right": 1 - small - large}


def _below(at: Belief) -> Belief:
    """The standard normal distribution function; SciPy's would cost every process six megabytes."""
    return np.asarray(0.5 * (1 + _erf(at / sqrt(2))), dtype=np.float64)


_erf = np.vectorize(erf, otypes=[np.float64])


def _normal(at: Belief, mean: float, spread: float) -> Belief:
    """The logarithm of a normal density, but for a constant."""
    density: Belief = -0.5 * ((at - mean) / spread) ** 2
    return density


def _log(chances: Belief) -> Belief:
    """No single word makes anything impossible."""
    logs: Belief = np.log(np.maximum(chances, LEAST_CHANCE))
    return logs


def _belief(logs: Belief) -> Belief:
    """Probabilities of unnormalised logarithms."""
    chances = np.exp(logs - logs.max())
    belief: Belief = chances / chances.sum()
    return belief


def _placed(value: float | None, middles: Sequence[float], places: Sequence[float]) -> float | None:
    """Where a measure stands between the middles of sizes, going on evenly beyond them."""
    if not value or len(middles) != len(places) or len(middles) < 2 or any(np.diff(middles) <= 0):
        return None
    first, last = (middles[1] - middles[0]), (middles[-1] - middles[-2])
    if value < middles[0]:
        return places[0] + (value - middles[0]) / first
    if value > middles[-1]:
        return places[-1] + (value - middles[-1]) / last
    return float(np.interp(value, middles, places))
