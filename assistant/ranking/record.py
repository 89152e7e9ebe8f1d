"""What the features take from a product, worked out once: the store hands out products that never change."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from assistant.profile import kind_of
from catalog.amounts import plain
from catalog.enrich import pleased
from catalog.facets import key
from catalog.lexical import document_words
from catalog.types import Product

PRIOR_RATING, PRIOR_REVIEWS = 4.0, 5  # a product with few reviews is taken to be about average
MOST_RECORDS = 20_000
_WRITTEN = re.compile(r"[\u4e00-\u9fff]|[^\W_\u4e00-\u9fff]+")
_records: dict[int, tuple[Product, "Record"]] = {}  # by identity: a product cannot be hashed


@dataclass(frozen=True, slots=True)
class Record:
    """A product as the features see it.

    `words` is all of it, as keys, for looking words up in with `stands_in`; `goodness` is the rating with a
    prior, from 3 stars (0) to 5 (1); `reviews` the logarithm of 1 + their number; `praise` the share of buyers
    who are pleased, NaN if none speaks; `log_price` is NaN for what costs nothing; `sizes` are those in stock.
    """

    words: str
    kind: str
    colors: tuple[str, ...]
    sizes: frozenset[str]
    goodness: float
    reviews: float
    praise: float
    log_price: float


def record(product: Product) -> Record:
    """The record of a product, kept until there are `MOST_RECORDS`."""
    kept = _records.get(id(product))
    if kept is not None and kept[0] is product:
        return kept[1]
    found = Record(
        words=_words(product),
        kind=kind_of(product),
        colors=product.values("color"),
        sizes=frozenset(v.size for v in product.variants if v.stock > 0),
        goodness=_goodness(product),
        reviews=math.log1p(product.review_count),
        praise=pleased(product.opinions) if product.opinions else math.nan,
        log_price=math.log(product.price) if product.price > 0 else math.nan,
    )
    if len(_records) >= MOST_RECORDS:
        _records.clear()
    _records[id(product)] = product, found
    return found


def folded(text: str) -> str:
    """A text in the form that `stands_in` searches."""
    return f" {key(text)} "


def stands_in(word: str, text: str) -> bool:
    """Whether `word` stands in a text made by `folded`."""
    wanted = _wanted(word)
    return bool(wanted) and wanted in text


@lru_cache(maxsize=MOST_RECORDS)
def stems(text: str) -> frozenset[str]:
    """The words of a text, Chinese ones cut apart, as the lexical index has them."""
    return frozenset(document_words(text).split())


@lru_cache(maxsize=MOST_RECORDS)
def as_written(text: str) -> Mapping[str, int]:
    """The words of a text as they are written, of Chinese the characters, each once, with their places."""
    return {word: place for place, word in enumerate(dict.fromkeys(_WRITTEN.findall(plain(text))))}


def _words(product: Product) -> str:
    parts = [
        product.brand,
        *(a.value for a in product.attributes),
        *(v.size for v in product.variants if v.stock > 0),
        *(p for t in product.texts.values() for p in (t.title, t.description, *t.category)),
    ]
    return folded(" ".join(parts))


def _goodness(product: Product) -> float:
    rating = (product.rating * product.review_count + PRIOR_RATING * PRIOR_REVIEWS) / (
        product.review_count + PRIOR_REVIEWS
    )
    return min(1.0, max(0.0, (rating - 3) / 2))


@lru_cache(maxsize=MOST_RECORDS)
def _wanted(word: str) -> str:
    """What to look for: between blanks unless it is Chinese, which has none."""
    found = key(word).strip()
    return found if not found or any(c >= "\u4e00" for c in found) else f" {found} "
