"""What a shop knows of a shopper from what they did, in a form that ranking and explaining use."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from statistics import median

from catalog.store import ProductStore
from catalog.types import Interaction, Product

# How much one interaction says about taste, by kind.
WEIGHTS = {
    "view": 0.2, "click": 0.3, "dwell": 0.3, "cart": 1.0, "purchase": 2.0, "rating": 1.0, "like": 1.5, "dislike": -2.0,
    "return": -1.0,
}  # fmt: skip
AVERSE = ("dislike", "return")  # of a product that is not met by this
LONG_LOOK = 30.0  # seconds at which a dwell counts in full
REMEMBERED = 200  # latest interactions that taste is drawn from
COUNTED = 2_000  # latest interactions that repeat purchases are counted in
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Portrait:
    """Counts over a shopper's history. Keys of `kinds`, `brands` and `colors` are as the feed has them.

    `spent` is the usual price paid per kind of product and `sizes` the usual size bought; `times` counts the
    purchases of a product that were kept and `last` is when the latest was; `disliked` holds product ids, `met` the products met,
    earliest first, without the disliked ones.
    """

    kinds: Mapping[str, float] = field(default_factory=dict)
    brands: Mapping[str, float] = field(default_factory=dict)
    colors: Mapping[str, float] = field(default_factory=dict)
    brand_purchases: Mapping[str, int] = field(default_factory=dict)
    spent: Mapping[str, Decimal] = field(default_factory=dict)
    sizes: Mapping[str, str] = field(default_factory=dict)
    times: Mapping[str, int] = field(default_factory=dict)
    last: Mapping[str, datetime] = field(default_factory=dict)
    disliked: frozenset[str] = NOTHING
    met: tuple[Product, ...] = ()

    @property
    def sequence(self) -> tuple[str, ...]:
        """The ids of the products met, earliest first."""
        return tuple(product.external_id for product in self.met)


def weight_of(interaction: Interaction) -> float:
    """How much an interaction says about taste: five stars speak for a product, one against it, a wrong size nothing."""
    weight = WEIGHTS[interaction.kind]
    if interaction.kind == "return" and interaction.value:
        return 0.0
    if interaction.kind == "rating":
        return weight * (interaction.value - 3) / 2
    if interaction.kind == "dwell":
        return weight * min(1.0, interaction.value / LONG_LOOK)
    return weight


def kind_of(product: Product, language: str = "") -> str:
    """The narrowest category, in the product's first language unless one is named."""
    text = product.text(language) if language else next(iter(product.texts.values()))
    return text.category[-1] if text.category else ""


def portrait(
    history: Sequence[Interaction], products: Mapping[str, Product], forgotten: frozenset[str] = NOTHING
) -> Portrait:
    """The portrait that `history`, in any order, draws, without what is `forgotten` (`brand:Northfell`).

    Interactions with products not given are passed over.
    """
    kinds: Counter[str] = Counter()
    brands: Counter[str] = Counter()
    colors: Counter[str] = Counter()
    purchases: Counter[str] = Counter()
    paid: dict[str, list[Decimal]] = {}
    sizes: dict[str, Counter[str]] = {}
    history = sorted(history, key=lambda i: i.time)
    for interaction in history[-REMEMBERED:]:
        product = products.get(interaction.product)
        if product is None:
            continue
        weight = weight_of(interaction)
        kinds[kind_of(product)] += weight  # type: ignore[assignment]
        brands[product.brand] += weight  # type: ignore[assignment]
        for color in product.values("color"):
            colors[color] += weight  # type: ignore[assignment]
        if interaction.kind == "purchase":
            purchases[product.brand] += 1
            paid.setdefault(kind_of(product), []).append(product.price)
    bought = kept(history)
    for interaction in bought[-REMEMBERED:]:
        if interaction.size and interaction.product in products:
            sizes.setdefault(kind_of(products[interaction.product]), Counter())[interaction.size] += 1

    def usable(facet: str, counts: Counter[str]) -> dict[str, float]:
        return {k: v for k, v in counts.most_common() if k and v > 0 and f"{facet}:{k}" not in forgotten}

    return Portrait(
        kinds=usable("kind", kinds),
        brands=usable("brand", brands),
        colors=usable("color", colors),
        brand_purchases=dict(purchases),
        spent={k: Decimal(median(prices)) for k, prices in paid.items() if f"price:{k}" not in forgotten},
        sizes={k: c.most_common(1)[0][0] for k, c in sizes.items() if f"size:{k}" not in forgotten},
        times=Counter(i.product for i in bought),
        last={i.product: i.time for i in bought},
        disliked=frozenset(i.product for i in history if i.kind == "dislike"),
        met=_met(history[-REMEMBERED:], products),
    )


def kept(history: Iterable[Interaction]) -> list[Interaction]:
    """The purchases that did not come back."""
    history = list(history)
    back = {(i.product, i.size) for i in history if i.kind == "return"}
    return [i for i in history if i.kind == "purchase" and (i.product, i.size) not in back]


def portrait_of(products: ProductStore, shopper: str) -> Portrait:
    """What the shop knows of the shopper from history, and may use."""
    history = products.history(shopper, COUNTED)
    known = products.by_external_id(i.product for i in history[:REMEMBERED])
    return portrait(history, known, products.forgotten(shopper))


def _met(history: Sequence[Interaction], products: Mapping[str, Product]) -> tuple[Product, ...]:
    """A view, a click and a purchase of one product in a row are one meeting."""
    met = [i.product for i in history if i.kind not in AVERSE and i.product in products]
    return tuple(products[one] for one, before in zip(met, ["", *met], strict=False) if one != before)
