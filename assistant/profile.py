"""What a shop knows of a shopper from what they did, in a form that ranking and explaining use."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median

from catalog.store import ProductStore
from catalog.types import Interaction, Product

# How much one interaction says about taste, by kind.
WEIGHTS = {"view": 0.2, "click": 0.3, "cart": 1.0, "purchase": 2.0, "rating": 1.0, "like": 1.5, "dislike": -2.0}

REMEMBERED = 200  # latest interactions that a portrait is drawn from


@dataclass(frozen=True, slots=True)
class Portrait:
    """Counts over a shopper's history. Keys of `kinds`, `brands` and `colors` are as the feed has them.

    `spent` is the usual price paid per kind of product; `bought` and `disliked` hold product ids,
    `sequence` those met, earliest first, without the disliked ones.
    """

    kinds: Mapping[str, float] = field(default_factory=dict)
    brands: Mapping[str, float] = field(default_factory=dict)
    colors: Mapping[str, float] = field(default_factory=dict)
    brand_purchases: Mapping[str, int] = field(default_factory=dict)
    spent: Mapping[str, Decimal] = field(default_factory=dict)
    bought: frozenset[str] = frozenset()
    disliked: frozenset[str] = frozenset()
    sequence: tuple[str, ...] = ()


def kind_of(product: Product) -> str:
    """The narrowest category in the product's first language."""
    category = next(iter(product.texts.values())).category
    return category[-1] if category else ""


def portrait(history: Sequence[Interaction], products: Mapping[str, Product]) -> Portrait:
    """The portrait that `history`, in any order, draws; interactions with products not given are passed over."""
    kinds: Counter[str] = Counter()
    brands: Counter[str] = Counter()
    colors: Counter[str] = Counter()
    purchases: Counter[str] = Counter()
    paid: dict[str, list[Decimal]] = {}
    for interaction in history:
        product = products.get(interaction.product)
        if product is None:
            continue
        weight = WEIGHTS[interaction.kind]
        if interaction.kind == "rating":
            weight *= (interaction.value - 3) / 2  # five stars speak for it, one against
        kinds[kind_of(product)] += weight  # type: ignore[assignment]
        brands[product.brand] += weight  # type: ignore[assignment]
        for color in product.values("color"):
            colors[color] += weight  # type: ignore[assignment]
        if interaction.kind == "purchase":
            purchases[product.brand] += 1
            paid.setdefault(kind_of(product), []).append(product.price)
    return Portrait(
        kinds={k: v for k, v in kinds.most_common() if k and v > 0},
        brands={k: v for k, v in brands.most_common() if k and v > 0},
        colors={k: v for k, v in colors.most_common() if k and v > 0},
        brand_purchases=dict(purchases),
        spent={k: Decimal(median(prices)) for k, prices in paid.items()},
        bought=frozenset(i.product for i in history if i.kind == "purchase"),
        disliked=frozenset(i.product for i in history if i.kind == "dislike"),
        sequence=_sequence(history),
    )


def portrait_of(products: ProductStore, shopper: str) -> Portrait:
    """What the shop knows of the shopper from history."""
    history = products.history(shopper, REMEMBERED)
    return portrait(history, products.by_external_id(i.product for i in history))


def _sequence(history: Sequence[Interaction]) -> tuple[str, ...]:
    """A view, a click and a purchase of one product in a row are one meeting."""
    met = [i.product for i in sorted(history, key=lambda i: i.time) if i.kind != "dislike"]
    return tuple(product for product, before in zip(met, ["", *met], strict=False) if product != before)
