"""A shop of a dozen products, small enough that right answers can be seen."""

from dataclasses import replace
from decimal import Decimal

from catalog.types import Attribute, Product, ProductText, Variant


def product(
    external_id: str, title: str, price: str, kind: str, *, brand: str = "Acme", stock: int = 5, rating: float = 4.0,
    sizes: tuple[str, ...] = (), **attributes: str,
) -> Product:  # fmt: skip
    return Product(
        external_id=external_id,
        price=Decimal(price),
        currency="CNY",
        texts={"en": ProductText(title, f"A {title.lower()} from {brand}.", ("Clothing", kind))},
        brand=brand,
        attributes=tuple(Attribute(n, v, "en") for n, v in attributes.items()),
        variants=tuple(Variant(f"{external_id}-{s}", size=s, stock=stock) for s in sizes),
        rating=rating,
        review_count=10,
        stock=stock * max(1, len(sizes)),
    )


def chinese(base: Product, title: str, kind: str) -> Product:
    """The same product with a Chinese text beside the English one."""
    return replace(base, texts={**base.texts, "zh": ProductText(title, f"{title}。", ("服装", kind))})


PRODUCTS = (
    product("red-scarf", "Red wool scarf", "89", "scarf", color="red", material="wool"),
    product("blue-scarf", "Blue silk scarf", "129", "scarf", color="blue", material="silk"),
    product("navy-scarf", "Navy cotton scarf", "59", "scarf", color="navy", material="cotton"),
    product("red-dress", "Red summer dress", "199", "dress", color="red", material="linen", brand="Lune"),
    product("black-dress", "Black evening dress", "499", "dress", color="black", material="silk", brand="Lune"),
    product("trail", "Trail running shoes", "399", "running shoes", color="blue", feature="waterproof", sizes=("41", "42"), brand="Velora"),
    product("road", "Road running shoes", "299", "running shoes", color="red", sizes=("40",), brand="Velora"),
    product("sold-out", "White running shoes", "99", "running shoes", color="white", stock=0, sizes=("42",)),
    product("bag", "Leather backpack", "359", "backpack", color="brown", material="leather"),
    product("canvas-bag", "Canvas backpack", "159", "backpack", color="green", material="canvas"),
    product("choc", "Sugar-free chocolate", "29", "chocolate", feature="sugar-free"),
    chinese(product("jacket", "Rain jacket", "599", "jacket", color="yellow", feature="waterproof"), "防水冲锋衣", "冲锋衣"),
)  # fmt: skip
