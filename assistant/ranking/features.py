"""The features that a pick is scored by, the same ones for training and for serving."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from assistant.aspects import asked_aspects, opinions_of, pleased
from assistant.profile import Portrait, kind_of
from assistant.ranking.behaviour import Floats
from assistant.state import DialogueState
from catalog.amounts import plain
from catalog.facets import key
from catalog.lexical import document_words
from catalog.types import Candidate, Product

PRIOR_RATING, PRIOR_REVIEWS = 4.0, 5  # a product with few reviews is taken to be about average
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
_WRITTEN = re.compile(r"[\u4e00-\u9fff]|[^\W_\u4e00-\u9fff]+")
_COLUMN = {name: at for at, name in enumerate(NAMES)}
MOST_RECORDS = 20_000
_records: dict[int, tuple[Product, str]] = {}  # by identity: a product cannot be hashed


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
    best = max((c.score for c in candidates), default=0.0)
    asked, aspects = context.state.query().text or context.state.text, _asked(context.state)
    for row, candidate in zip(rows, candidates, strict=True):
        of_title = _of_title(candidate.product, asked, context.state)
        names, values = zip(*_of(candidate, context, best, aspects), *of_title, strict=True)
        row[[_COLUMN[name] for name in names]] = values
    for name, scores in context.models.items():
        rows[:, _COLUMN[name]] = scores
    return rows


def evidence(product: Product, context: Context) -> dict[str, tuple[str, ...]]:
    """Reason -> the words, of the shopper or the record, that speak for the product."""
    portrait, named = context.portrait, _reference_price(product, context)
    met = tuple(w for _, w, holds in _wishes(product, context) if holds)
    bought = portrait.brand_purchases.get(product.brand, 0)
    reason = context.because(product.external_id)
    before = next((p for p in portrait.met if p.external_id == reason), None)
    found = {
        "wishes": met,
        "rating": (f"{product.rating:.1f}", str(product.review_count)) if product.review_count else (),
        "opinion": _most_spoken(product, context.state),
        "price": (f"{named:f}",) if named else (),
        "brand": (product.brand, str(bought)) if bought and product.brand in portrait.brands else (),
        "color": tuple(c for c in product.values("color") if c in portrait.colors),
        "history": (before.text(context.state.language).title,) if before else (),
        "kind": (kind_of(product),) if kind_of(product) in portrait.kinds else (),
    }
    return {reason: words for reason, words in found.items() if words}


def record_text(product: Product) -> str:
    """All words of a product's record, as keys, for looking words up in.

    Kept for the products that the store hands out again and again, of which none changes.
    """
    kept = _records.get(id(product))
    if kept is not None and kept[0] is product:
        return kept[1]
    parts = [
        product.brand,
        *(a.value for a in product.attributes),
        *(v.size for v in product.variants if v.stock > 0),
        *(p for t in product.texts.values() for p in (t.title, t.description, *t.category)),
    ]
    text = f" {key(' '.join(parts))} "
    if len(_records) >= MOST_RECORDS:
        _records.clear()
    _records[id(product)] = product, text
    return text


def stands_in(word: str, text: str) -> bool:
    """Whether `word` stands in a text made by `record_text`."""
    wanted = _wanted(word)
    return bool(wanted) and wanted in text


def _of(candidate: Candidate, context: Context, best: float, aspects: frozenset[str]) -> list[tuple[str, float]]:
    product, portrait = candidate.product, context.portrait
    goodness = _goodness(product)
    kind = kind_of(product)
    found = [
        ("text", candidate.score / best if best else 0.0),
        ("lexical", 1 / candidate.lexical_rank if candidate.lexical_rank else 0.0),
        ("dense", 1 / candidate.dense_rank if candidate.dense_rank else 0.0),
        ("rating", goodness),
        ("reviews", math.log1p(product.review_count)),
        ("reassurance", goodness if context.state.mood < SAFE_MOOD else 0.0),
        ("brand", context.shares["brand"].get(product.brand, 0.0)),
        ("kind", context.shares["kind"].get(kind, 0.0)),
        ("new_kind", float(bool(portrait.kinds) and kind not in portrait.kinds)),
        ("color", max((context.shares["color"].get(c, 0.0) for c in product.values("color")), default=0.0)),
        ("bought", float(product.external_id in portrait.times)),
        ("times", math.log1p(portrait.times.get(product.external_id, 0))),
        ("disliked", float(product.external_id in portrait.disliked)),
    ]
    if product.opinions:
        found.append(("praise", pleased(product.opinions)))
    if aspects:
        found.append(("opinion", pleased(opinions_of(product, aspects))))
    wishes = _wishes(product, context)
    if wishes:
        found.append(("wishes", sum(holds for _, _, holds in wishes) / len(wishes)))
    for name in {name for name, _, _ in wishes}:
        own = [holds for other, _, holds in wishes if other == name]
        found.append((f"wish_{name}", sum(own) / len(own)))
    if named := _named_price(context.state):
        found.append(("price", _nearness(product, named)))
    if usual := portrait.spent.get(kind):
        found.append(("usual_price", _nearness(product, usual)))
    said = context.state.profile.get("size")
    if size := str(said.value) if said else portrait.sizes.get(kind):
        found.append(("own_size", float(any(v.size == size and v.stock > 0 for v in product.variants))))
    if context.now and (last := portrait.last.get(product.external_id)):
        found.append(("since", math.log1p((context.now - last).total_seconds() / 86_400)))
    return found


def _of_title(product: Product, request: str, state: DialogueState) -> list[tuple[str, float]]:
    """How much of what was asked the title names, by stems and as written, and how much of the title was asked for.

    Where it has all words as written: whether in that order, and how many others stand between them.
    """
    text = product.text(state.language).title
    asked, title = _cut(request), _cut(text)
    if not asked or not title:
        return []
    common = set(asked) & set(title)
    written, words = _as_written(request), _as_written(text)
    places = [words.index(word) for word in written if word in words]
    found = [
        ("named", len(common) / len(set(asked))),
        ("coverage", len(common) / len(set(title))),
        ("exact", len(places) / max(1, len(written))),
        ("ordered", 0.0),
    ]
    if places and len(places) == len(written):
        found[-1] = ("ordered", float(places == sorted(places)))
        found.append(("apart", float(max(places) - min(places) + 1 - len(places))))
    return found


def _goodness(product: Product) -> float:
    """The rating with a prior, from 3 stars (0) to 5 (1)."""
    rating = (product.rating * product.review_count + PRIOR_RATING * PRIOR_REVIEWS) / (
        product.review_count + PRIOR_REVIEWS
    )
    return min(1.0, max(0.0, (rating - 3) / 2))


def _wishes(product: Product, context: Context) -> list[tuple[str, str, bool]]:
    """(slot, word, whether the record bears it out) of everything wished."""
    text = record_text(product) if context.wishes else ""
    return [(name, word, stands_in(word, text)) for name, word in context.wishes]


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


def _reference_price(product: Product, context: Context) -> Any:
    """The price that was named, else what the shopper usually pays for the kind."""
    return _named_price(context.state) or context.portrait.spent.get(kind_of(product))


def _nearness(product: Product, reference: Any) -> float:
    """1 at the reference price, 1/2 at half or double of it."""
    if product.price <= 0 or reference <= 0:
        return 0.0
    return math.exp(-abs(math.log(float(product.price) / float(reference))))


def _shares(counts: Mapping[str, float]) -> dict[str, float]:
    most = max(counts.values(), default=0.0)
    return {name: count / most for name, count in counts.items()} if most else {}


def slot_words(value: Any) -> tuple[str, ...]:
    """The words of a slot, which has one, several or none."""
    if not value:
        return ()
    return (value,) if isinstance(value, str) else tuple(map(str, value))


@lru_cache(maxsize=20_000)
def _cut(text: str) -> tuple[str, ...]:
    """The words of a text, Chinese ones cut apart, as the lexical index has them."""
    return tuple(document_words(text).split())


@lru_cache(maxsize=20_000)
def _as_written(text: str) -> tuple[str, ...]:
    """The words of a text as they are written, of Chinese the characters, each once."""
    return tuple(dict.fromkeys(_WRITTEN.findall(plain(text))))


@lru_cache(maxsize=20_000)
def _wanted(word: str) -> str:
    """What to look for: between blanks unless it is Chinese, which has none."""
    found = key(word).strip()
    return found if not found or any(c >= "\u4e00" for c in found) else f" {found} "
