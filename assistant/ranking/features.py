"""The features that a pick is scored by, the same ones for training and for serving."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np

from assistant.aspects import asked_aspects, opinions_of
from assistant.profile import Portrait
from assistant.ranking.behaviour import Floats
from assistant.ranking.record import Record, as_written, record, stands_in, stems
from assistant.state import DialogueState
from catalog.enrich import pleased
from catalog.types import Candidate, Product

SAFE_MOOD = -0.3  # below this mood, well rated products count for more
WISHES = ("color", "material", "brand", "size", "feature", "style", "occasion", "recipient")
OF_TASTE = ("sequence", "neighbours", "factors", "content")  # models that need a history
MODELS = (*OF_TASTE, "popularity", "lately", "sold", "again")
# Feature -> what it is evidence of: the parts that a score is explained by.
REASONS: Mapping[str, str] = {
    "text": "words", "lexical": "words", "dense": "words", "named": "words", "coverage": "words",
    "exact": "words", "ordered": "words", "apart": "words",
    "wishes": "wishes", **{f"wish_{name}": "wishes" for name in WISHES},
    "price": "price", "usual_price": "price",
    "rating": "rating", "reviews": "rating", "praise": "rating", "opinion": "opinion", "reassurance": "mood",
    "brand": "brand", "kind": "kind", "color": "color", "own_size": "size",
    "bought": "bought", "times": "bought", "since": "bought", "again": "bought", "disliked": "disliked", "new_kind": "kind",
    "sequence": "history", "neighbours": "history", "factors": "history", "content": "history",
    "popularity": "popularity", "lately": "popularity", "sold": "popularity",
}  # fmt: skip
NAMES = tuple(REASONS)
_COLUMN = {name: at for at, name in enumerate(NAMES)}
Column = tuple[str, Any]  # the name of a feature with its value for each candidate (N,)


@dataclass(frozen=True)
class Context:
    """What a list of candidates is scored against.

    `now` is when it is asked for. `models` maps a name of `MODELS` to one score for each candidate (N,);
    `because` names the product of the shopper's history that speaks most for a candidate.
    """

    state: DialogueState = field(default_factory=DialogueState)
    portrait: Portrait = field(default_factory=Portrait)
    now: datetime | None = None
    models: Mapping[str, Floats] = field(default_factory=dict)
    because: Callable[[str], str | None] = lambda product: None

    @cached_property
    def shares(self) -> Mapping[str, Mapping[str, float]]:
        """Brands, kinds and colours of the history, each beside the one met most."""
        own = {"brand": self.portrait.brands, "kind": self.portrait.kinds, "color": self.portrait.colors}
        return {facet: _shares(counts) for facet, counts in own.items()}

    @cached_property
    def wishes(self) -> tuple[tuple[str, str], ...]:
        """(slot, word) of everything wished."""
        return tuple((name, word) for name in WISHES for word in slot_words(self.state.slots.get(name)))


def features(candidates: Sequence[Candidate], context: Context) -> Floats:
    """One row for each candidate and one column for each of `NAMES` (N, F); NaN where there is nothing to say."""
    rows = np.full((len(candidates), len(NAMES)), np.nan, dtype=np.float32)
    products = [c.product for c in candidates]
    records = [record(p) for p in products]
    groups = (
        _of_search(candidates), _of_rating(products, records, context), _of_history(products, records, context),
        _of_wishes(records, context), _of_price(records, context), _of_titles(products, context.state),
        context.models.items(),
    )  # fmt: skip
    for group in groups:
        for name, values in group:
            rows[:, _COLUMN[name]] = values
    return rows


def evidence(product: Product, context: Context) -> dict[str, tuple[str, ...]]:
    """Reason -> the words, of the shopper or the record, that speak for the product."""
    portrait = context.portrait
    own = record(product)
    price = _named_price(context.state) or portrait.spent.get(own.kind)
    met = tuple(word for _, word in context.wishes if stands_in(word, own.words))
    bought = portrait.brand_purchases.get(product.brand, 0)
    reason = context.because(product.external_id)
    before = next((p for p in portrait.met if p.external_id == reason), None)
    found = {
        "wishes": met,
        "rating": (f"{product.rating:.1f}", str(product.review_count)) if product.review_count else (),
        "opinion": _most_spoken(product, context.state),
        "price": (f"{price:f}",) if price else (),
        "brand": (product.brand, str(bought)) if bought and product.brand in portrait.brands else (),
        "color": tuple(c for c in own.colors if c in portrait.colors),
        "history": (before.text(context.state.language).title,) if before else (),
        "kind": (own.kind,) if own.kind in portrait.kinds else (),
    }
    return {reason: words for reason, words in found.items() if words}


def _of_search(candidates: Sequence[Candidate]) -> Iterator[Column]:
    best = max((c.score for c in candidates), default=0.0) or 1.0
    yield "text", [c.score / best for c in candidates]
    yield "lexical", [1 / c.lexical_rank if c.lexical_rank else 0.0 for c in candidates]
    yield "dense", [1 / c.dense_rank if c.dense_rank else 0.0 for c in candidates]


def _of_rating(products: Sequence[Product], records: Sequence[Record], context: Context) -> Iterator[Column]:
    """What others think of the products; an upset shopper cares more for it."""
    goodness = [r.goodness for r in records]
    yield "rating", goodness
    yield "reassurance", goodness if context.state.mood < SAFE_MOOD else 0.0
    yield "reviews", [r.reviews for r in records]
    yield "praise", [r.praise for r in records]
    if aspects := _asked(context.state):
        yield "opinion", [pleased(opinions_of(p, aspects)) for p in products]


def _of_history(products: Sequence[Product], records: Sequence[Record], context: Context) -> Iterator[Column]:
    """What the shopper has met: brands, kinds and colours, and the very product."""
    portrait, ids = context.portrait, [p.external_id for p in products]
    brands, kinds, colors = (context.shares[facet] for facet in ("brand", "kind", "color"))
    yield "brand", [brands.get(p.brand, 0.0) for p in products]
    yield "kind", [kinds.get(r.kind, 0.0) for r in records]
    yield "new_kind", [r.kind not in kinds for r in records] if kinds else 0.0
    yield "color", [max([colors.get(c, 0.0) for c in r.colors], default=0.0) for r in records] if colors else 0.0
    yield "bought", [i in portrait.times for i in ids]
    yield "times", np.log1p([portrait.times.get(i, 0) for i in ids])
    yield "disliked", [i in portrait.disliked for i in ids]
    said = context.state.profile.get("size")
    if said or portrait.sizes:
        yield "own_size", [_in_stock(r, str(said.value) if said else portrait.sizes.get(r.kind)) for r in records]
    if context.now:
        yield "since", [_days_since(portrait.last.get(i), context.now) for i in ids]


def _of_wishes(records: Sequence[Record], context: Context) -> Iterator[Column]:
    """The share of what was wished that the records bear out, in all and slot by slot."""
    if not context.wishes or not records:
        return
    borne_out = np.array([[stands_in(word, r.words) for _, word in context.wishes] for r in records], dtype=np.float32)
    yield "wishes", borne_out.mean(axis=1)
    slots = [slot for slot, _ in context.wishes]
    for name in dict.fromkeys(slots):
        yield f"wish_{name}", borne_out[:, [slot == name for slot in slots]].mean(axis=1)


def _of_price(records: Sequence[Record], context: Context) -> Iterator[Column]:
    """Nearness to the price named and to what the shopper usually pays for the kind.

    1 at that price, 1/2 at half or double of it, 0 for what costs nothing.
    """
    prices = np.array([r.log_price for r in records])
    named, spent = _named_price(context.state), context.portrait.spent
    if named:
        yield "price", _nearness(prices, _log(named))
    if spent:
        usual = np.array([_log(spent.get(r.kind)) for r in records])
        yield "usual_price", np.where(np.isnan(usual), np.nan, _nearness(prices, usual))


def _of_titles(products: Sequence[Product], state: DialogueState) -> Iterator[Column]:
    """How much of what was asked the titles name, by stems and as written, and how much of the title was asked for.

    Where one has all words as written: whether in that order, and how many others stand between them.
    """
    request = state.query().text or state.text
    asked, written = stems(request), as_written(request)
    if asked and products:
        rows = [_of_title(asked, written, product.text(state.language).title) for product in products]
        yield from zip(("named", "coverage", "exact", "ordered", "apart"), zip(*rows, strict=True), strict=True)


def _of_title(asked: frozenset[str], written: Mapping[str, int], text: str) -> tuple[float, ...]:
    title, words = stems(text), as_written(text)
    if not title:
        return (math.nan,) * 5
    common = len(asked & title)
    places = [words[word] for word in written if word in words]
    parts = common / len(asked), common / len(title), len(places) / max(1, len(written))
    if not places or len(places) < len(written):
        return *parts, 0.0, math.nan
    return *parts, places == sorted(places), max(places) - min(places) + 1 - len(places)


def _asked(state: DialogueState) -> frozenset[str]:
    """The aspects of what buyers say that the wishes ask for."""
    return asked_aspects(word for name in WISHES for word in slot_words(state.slots.get(name)))


def _most_spoken(product: Product, state: DialogueState) -> tuple[str, ...]:
    """(aspect, buyers who praise it, buyers who speak of it) of what was asked for."""
    voices = opinions_of(product, _asked(state))
    if not voices:
        return ()
    most = max(voices, key=lambda o: o.good + o.bad)
    return most.aspect, f"{most.good:.0f}", f"{most.good + most.bad:.0f}"


def _named_price(state: DialogueState) -> Any:
    return state.slots.get("price_about") or state.slots.get("price_max")


def _nearness(prices: Floats, reference: Any) -> Any:
    return np.nan_to_num(np.exp(-np.abs(prices - reference)))


def _log(price: Any) -> float:
    return math.log(price) if price and price > 0 else math.nan


def _in_stock(product: Record, size: str | None) -> float:
    """Whether the size that the shopper takes can be had, NaN if none is known."""
    return size in product.sizes if size else math.nan


def _days_since(last: datetime | None, now: datetime) -> float:
    """log(1 + days) since a product was last met, NaN if never."""
    return math.log1p((now - last).total_seconds() / 86_400) if last else math.nan


def _shares(counts: Mapping[str, float]) -> dict[str, float]:
    most = max(counts.values(), default=0.0)
    return {name: count / most for name, count in counts.items()} if most else {}


def slot_words(value: Any) -> tuple[str, ...]:
    """The words of a slot, which has one, several or none."""
    if not value:
        return ()
    return (value,) if isinstance(value, str) else tuple(map(str, value))
