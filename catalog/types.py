"""The vocabulary of the shop: frozen values without identity in any database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
InteractionKind = Literal["view", "click", "dwell", "cart", "purchase", "rating", "like", "dislike", "return"]

# Facets are the properties that a filter can ask for. Each product has any number of
# (facet, canonical value) pairs; see `catalog.facets`.
FACETS = ("department", "category", "brand", "color", "material", "size")


@dataclass(frozen=True, slots=True)
class ProductText:
    """A product in one language. `category` runs from the department to the narrowest kind."""

    title: str
    description: str = ""
    category: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attribute:
    """One property of a product, as the feed words it (`language` is empty for both).

    `span` is where it stands in the product's texts if it was found there (`catalog.attributes`), with a `confidence`
    from 0 to 1; what the feed names has no span.
    """

    name: str
    value: str
    language: str = ""
    span: str = ""
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Variant:
    """One thing that can be put in a cart. `price` is None where it is the product's."""

    sku: str
    size: str = ""
    color: str = ""
    stock: int = 0
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """What one buyer wrote; `rating` is 1 to 5."""

    author: str
    rating: int
    text: str
    language: str = ""
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What one review says. `good` and `bad` are aspects, `tags` words of its text."""

    polarity: str
    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """An attribute that a text says: its name, the very words, and how sure the reader is, 0 to 1."""

    name: str
    span: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Opinion:
    """What buyers say of one aspect of a product: how many praise and how many blame it.

    Buyers are counted by how far they are to be trusted, so that the numbers need not be whole.
    """

    aspect: str
    good: float
    bad: float


@dataclass(frozen=True, slots=True)
class Product:
    """A product as a feed describes it.

    `price` is exact, in `currency` (ISO 4217). `rating` is 0 to 5, 0 with no `review_count`.
    `stock` counts all variants. `created` is UTC. `opinions` are read out of reviews, no part of a feed.
    """

    external_id: str
    price: Decimal
    currency: str
    texts: Mapping[str, ProductText]
    brand: str = ""
    attributes: tuple[Attribute, ...] = ()
    variants: tuple[Variant, ...] = ()
    reviews: tuple[Review, ...] = ()
    rating: float = 0.0
    review_count: int = 0
    stock: int = 0
    image: str = ""
    url: str = ""
    created: datetime | None = None
    opinions: tuple[Opinion, ...] = ()

    def text(self, language: str) -> ProductText:
        """The text in `language`, or in the first language that there is."""
        return self.texts.get(language) or next(iter(self.texts.values()))

    @property
    def named(self) -> tuple[Attribute, ...]:
        """The attributes that the feed names, without those found in texts."""
        return tuple(a for a in self.attributes if not a.span)

    def named_values(self, name: str, language: str) -> tuple[str, ...]:
        """Values of one attribute that the feed names in `language`, with those that have no language."""
        return tuple(a.value for a in self.named if a.name == name and a.language in ("", language))

    def values(self, name: str, language: str = "") -> tuple[str, ...]:
        """Values of one attribute in `language`, with those that have no language."""
        return tuple(
            a.value for a in self.attributes if a.name == name and (not language or a.language in ("", language))
        )


@dataclass(frozen=True, slots=True)
class Interaction:
    """What a shopper did with a product. `value` is a rating (1 to 5), the seconds of a dwell, or a quantity; of a
    return it is -1 if the size was too small, 1 if it was too large, and 0 if it was sent back for another reason.

    `session` is the conversation in which it happened, if it was one, and `position` the place, from 1, at
    which the product was shown there; 0 if it was not. `size` is that of what was bought, if it has one.
    """

    shopper: str
    product: str
    kind: InteractionKind
    time: datetime
    value: float = 1.0
    session: str = ""
    position: int = 0
    size: str = ""


@dataclass(frozen=True, slots=True)
class ChartSize:
    """A line of a size chart: whom a `size` of the goods in a `category` suits; an empty `brand` is any.

    `height` (cm) and `weight` (kg) are the least and the most, None where the chart does not say.
    """

    category: str
    size: str
    brand: str = ""
    height: tuple[float, float] | None = None
    weight: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """What a product must satisfy, in the shopper's own words; every field is a hard limit.

    `include` and `exclude` map a facet to words of which one must, or none may, hold.
    Prices are in the shop's currency.
    """

    include: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    price_min: Decimal | None = None
    price_max: Decimal | None = None
    rating_min: float | None = None
    in_stock: bool = True


@dataclass(frozen=True, slots=True)
class Query:
    """`text` ranks, `filters` decide; at most `k` candidates come back."""

    text: str
    filters: Filters = Filters()
    k: int = 200


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product that passed every filter. Ranks start at 1, None if that list lacks it.

    `score` is the fused score, higher is better, comparable within one search only.
    """

    product: Product
    lexical_rank: int | None
    dense_rank: int | None
    score: float


@dataclass(frozen=True, slots=True)
class Relaxation:
    """A limit that would have to give for something to be found.

    `limit` is `price_max`, `price_min`, `rating_min`, `color`, `exclude.material`, ...;
    `words` is what it said; `found` products pass without it, `nearest` is the value that
    the closest of them has (a price, a rating), None for facets.
    """

    limit: str
    words: tuple[str, ...]
    found: int
    nearest: Decimal | None = None
