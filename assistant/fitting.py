"""The size to take of a product, for a shopper, with the reasons: body, what they say, kept and sent back; other buyers."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from assistant.phrases import phrase
from assistant.profile import kept, kind_of
from assistant.sizing import UNKNOWN, Advice, Scale, Worn, advise, believe, cut_of, place_of_body, scale_of, worn_as
from assistant.types import Fact
from catalog.amounts import normalize_size
from catalog.fit import FITS, SILENCE, Fit, FitStore, Voices, chart_of
from catalog.store import ProductStore
from catalog.types import ChartSize, Interaction, Language, Product

FEWEST_VOICES = 2  # buyers whose word on the cut is told
Facts = Mapping[str, Fact]
Closet = Mapping[
    tuple[str, ...], Sequence[tuple[str, Worn]]
]  # scale -> sizes as the feed spells them, and how they fitted


@dataclass(frozen=True)
class Fitted:
    """What is advised for one product, and what it rests on.

    `body` is empty without facts that count, `kept`, `small` and `large` count the shopper's own sizes.
    """

    product: Product
    advice: Advice
    voices: Voices = SILENCE
    body: tuple[tuple[str, float], ...] = ()
    said: str = ""
    own: Mapping[tuple[str, Fit], int] | None = None


class FittingRoom:
    """Advises on sizes from the shop's charts, the shopper's facts and history, and other buyers."""

    def __init__(self, fits: FitStore, products: ProductStore) -> None:
        self._fits = fits
        self._products = products

    def fit(self, products: Sequence[Product], shopper: str, facts: Facts) -> list[Fitted]:
        """An advice for each product, in order; `UNKNOWN` for what has no sizes."""
        if not any(sizes_of(p) for p in products):
            return [Fitted(p, UNKNOWN) for p in products]
        charts = self._fits.charts()
        sized = [i for i in self._products.history(shopper) if i.size]
        taken = [i for i in sized if i.kind == "return"] + kept(sized)
        bought = self._usable(shopper, taken)
        voices = self._fits.voices([*bought, *(p.external_id for p in products)])
        closet = closet_of(taken, bought, charts, voices)
        return [fitted(p, charts, facts, closet, voices) for p in products]

    def _usable(self, shopper: str, taken: Sequence[Interaction]) -> dict[str, Product]:
        """What the shopper took, without the kinds whose sizes are to be forgotten."""
        forgotten = self._products.forgotten(shopper)
        bought = self._products.by_external_id(i.product for i in taken)
        return {i: p for i, p in bought.items() if f"size:{kind_of(p)}" not in forgotten}


def closet_of(
    taken: Sequence[Interaction],
    bought: Mapping[str, Product],
    charts: Sequence[ChartSize],
    voices: Mapping[str, Voices],
) -> Closet:
    """The sizes kept and sent back of `bought` products, by the scale that they stand on."""
    known = {i: (_scale(p, charts)[1].system, cut_of(voices.get(i, SILENCE))) for i, p in bought.items()}
    closet: defaultdict[tuple[str, ...], list[tuple[str, Worn]]] = defaultdict(list)
    for one in taken:
        if (fit := worn_as(one.kind, one.value)) and one.product in known:
            system, cut = known[one.product]
            closet[system].append((one.size, Worn(normalize_size(one.size), fit, cut)))
    return closet


def fitted(
    product: Product, charts: Sequence[ChartSize], facts: Facts, closet: Closet, voices: Mapping[str, Voices]
) -> Fitted:
    """The advice for one product by what is given."""
    if not (sizes := sizes_of(product)):
        return Fitted(product, UNKNOWN)
    chart, scale = _scale(product, charts)
    own = closet.get(scale.system, ())
    height, weight = (_number(facts, name) for name in ("height_cm", "weight_kg"))
    place = place_of_body(chart, scale, height, weight)
    said = next((s for name in ("size", "shoe_size") if (s := _said(facts, name)) in scale.places), "")
    heard = voices.get(product.external_id, SILENCE)
    belief = believe(place, scale.places.get(said), [worn for _, worn in own], scale)
    measures = (("height_cm", height), ("weight_kg", weight)) if place is not None else ()
    return Fitted(
        product, advise(belief, scale, cut_of(heard), sizes), heard,
        tuple((name, value) for name, value in measures if value), said, Counter((size, worn.fit) for size, worn in own),
    )  # fmt: skip


def sizes_of(product: Product) -> dict[str, str]:
    """Canonical spelling -> the feed's, of the sizes that a product comes in, in the feed's order; none for one size."""
    sizes = {normalize_size(v.size): v.size for v in product.variants if v.size}
    return sizes if len(sizes) > 1 else {}


def size_line(found: Fitted, language: Language) -> str:
    """What is told of a product's size when it is asked about."""
    name, advice = found.product.text(language).title, found.advice
    shown = sizes_of(found.product)
    if not shown:
        return phrase("size_none", language, name=name)
    reasons = list(_reasons(found, language))
    if not advice.size:
        known = found.body or found.said or found.own
        return phrase("size_unsure" if known else "size_unknown", language, name=name, why=_because(reasons, language))
    sold_out = [shown[s] for s in (advice.size, advice.other) if s and not _there(found.product, s)]
    reasons += [phrase("size_gone", language, size=size) for size in sold_out]
    if not advice.sure:
        size = shown[advice.size]
        return phrase("size_likely", language, name=name, size=size, why=_because(reasons, language))
    if advice.other:
        both = {"size": shown[advice.size], "other": shown[advice.other]}
        return phrase("size_between", language, name=name, why=_because(reasons, language), **both)
    reasons.insert(0, phrase("size_sure", language, percent=f"{advice.confidence:.0%}".removesuffix("%")))
    return phrase("size_take", language, name=name, size=shown[advice.size], why=_because(reasons, language))


def size_on_card(found: Fitted, language: Language) -> str:
    """The short word on a product's card, empty where nothing is known."""
    advice, shown = found.advice, sizes_of(found.product)
    if not advice.sure:
        return ""
    sold_out = "" if _there(found.product, advice.size) else phrase("size_gone", language, size=shown[advice.size])
    if advice.other:
        word = phrase("size_card_between", language, size=shown[advice.size], other=shown[advice.other])
    else:
        word = phrase("size_card", language, size=shown[advice.size])
    return " · ".join(filter(None, (word, sold_out)))


def _reasons(found: Fitted, language: Language) -> Iterator[str]:
    if found.body:
        units = {"height_cm": "cm", "weight_kg": "kg"}
        body = " / ".join(f"{value:g} {units[name]}" for name, value in found.body)
        yield phrase("size_by_body", language, body=body)
    if found.said:
        yield phrase("size_by_said", language, size=sizes_of(found.product).get(found.said, found.said.upper()))
    for (size, fit), count in (found.own or {}).items():
        name = "kept" if fit == "right" else fit
        yield phrase(f"size_by_{name}", language, size=size, count=count)
    yield from _cut(found.voices, language)


def _cut(voices: Voices, language: Language) -> Iterator[str]:
    """How most buyers who speak of it find the size, and of what part they complain."""
    counts: dict[Fit, int] = {fit: voices.count(fit) for fit in FITS}
    fit = max(counts, key=counts.__getitem__)
    if counts[fit] < FEWEST_VOICES or 2 * counts[fit] <= sum(counts.values()):
        return
    said = phrase(f"cut_{fit}", language, count=counts[fit], of=sum(counts.values()))
    part = max(voices.parts, key=voices.parts.__getitem__, default="")
    if fit != "right" and part and voices.parts[part] >= FEWEST_VOICES:
        where = phrase("cut_part", language, count=voices.parts[part], part=phrase(f"part_{part}", language))
        said += f" ({where})" if language == "en" else f"（{where}）"
    yield said


def _because(reasons: Sequence[str], language: Language) -> str:
    if not reasons:
        return ""
    return f" ({'; '.join(reasons)})" if language == "en" else f"（{'；'.join(reasons)}）"


def _scale(product: Product, charts: Sequence[ChartSize]) -> tuple[tuple[ChartSize, ...], Scale]:
    """The chart that holds for a product, if it has the product's sizes, and the scale of these."""
    sizes, chart = sizes_of(product), chart_of(product, charts)
    if chart and set(sizes) <= {normalize_size(line.size) for line in chart}:
        return chart, scale_of([line.size for line in chart])
    kind = next(iter(product.texts.values())).category[:2]
    return (), scale_of(list(sizes), "/".join(kind))


def _there(product: Product, size: str) -> bool:
    return any(v.stock > 0 and normalize_size(v.size) == size for v in product.variants)


def _number(facts: Facts, name: str) -> float | None:
    try:
        return float(facts[name].value)
    except (KeyError, TypeError, ValueError):
        return None


def _said(facts: Facts, name: str) -> str:
    value = facts[name].value if name in facts else ""
    return normalize_size(f"{value:g}" if isinstance(value, float) else str(value))
