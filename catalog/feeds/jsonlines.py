"""JSON Lines of schema.org `Product` (https://schema.org/Product), one object a line.

Texts in more than one language are language-tagged objects, as JSON-LD writes them:
`"name": {"en": "Red scarf", "zh": "红色围巾"}`. A plain string is in the language it is written in.
`write` gives a catalog out in the same form.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from catalog.feeds.source import (
    BadValue,
    FeedOptions,
    Reject,
    clean,
    instant,
    language_of,
    open_text,
    path_of,
    price,
    rating,
    whole,
)
from catalog.types import Attribute, Product, ProductText, Review, Variant

_PLAIN_ATTRIBUTES = ("color", "material", "size", "pattern")


def read(path: Path, options: FeedOptions) -> Iterator[Product | Reject]:
    """One product a line; blank lines are passed over."""
    with open_text(path, options.encoding) as text:
        for number, line in enumerate(text, start=1):
            if not line.strip():
                continue
            raw: Any = {}
            try:
                raw = json.loads(line, parse_float=Decimal)
                if not isinstance(raw, dict):
                    raise BadValue("", f"expected an object, found {type(raw).__name__}")
                yield _product(raw, options)
            except json.JSONDecodeError as error:
                yield Reject(str(path), number, "", f"not JSON: {error.msg}", {"line": line[:200]})
            except BadValue as error:
                values = raw if isinstance(raw, dict) else {}
                yield Reject(str(path), number, error.column, error.reason, values)


def write(products: Iterable[Product], text: TextIO) -> int:
    """Write products one a line, readable by `read`; return how many."""
    count = 0
    for product in products:
        text.write(json.dumps(_to_json(product), ensure_ascii=False, default=str) + "\n")
        count += 1
    return count


def _product(raw: Mapping[str, Any], options: FeedOptions) -> Product:
    external_id = clean(raw.get("sku") or raw.get("productID") or raw.get("@id"))
    if not external_id:
        raise BadValue("sku", "missing")
    offer = _first(raw.get("offers")) or {}
    currency = clean(offer.get("priceCurrency")) or options.currency
    amount, currency = price(offer.get("price", offer.get("lowPrice")), "offers.price", currency)
    reviews = tuple(_review(r) for r in _list(raw.get("review")))
    rated = raw.get("aggregateRating") or _aggregate(reviews)
    variants = tuple(_variant(v, amount) for v in _list(raw.get("hasVariant")))
    return Product(
        external_id=external_id,
        price=amount,
        currency=currency,
        texts=_texts(raw),
        brand=clean(_name(raw.get("brand"))),
        attributes=tuple(_attributes(raw)),
        variants=variants,
        reviews=reviews,
        rating=rating(rated.get("ratingValue"), "aggregateRating.ratingValue"),
        review_count=whole(rated.get("reviewCount"), "aggregateRating.reviewCount"),
        stock=sum(v.stock for v in variants) if variants else _stock(offer),
        image=clean(_first(raw.get("image"))),
        url=clean(raw.get("url")),
        created=instant(raw.get("releaseDate"), "releaseDate"),
    )


def _texts(raw: Mapping[str, Any]) -> dict[str, ProductText]:
    names = _by_language(raw.get("name"))
    if not any(names.values()):
        raise BadValue("name", "missing")
    descriptions = _by_language(raw.get("description"))
    category = raw.get("category")
    return {
        language: ProductText(
            name,
            descriptions.get(language, ""),
            path_of(category.get(language) if isinstance(category, Mapping) else category),
        )
        for language, name in names.items()
        if name
    }


def _by_language(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(language): clean(text) for language, text in value.items()}
    text = clean(value)
    return {language_of(text): text}


def _attributes(raw: Mapping[str, Any]) -> Iterator[Attribute]:
    for name in _PLAIN_ATTRIBUTES:
        for value in _list(raw.get(name)):
            yield Attribute(name, clean(value))
    for entry in _list(raw.get("additionalProperty")):
        name, value = clean(_name(entry)), entry.get("value") if isinstance(entry, Mapping) else None
        if not name or value is None:
            raise BadValue("additionalProperty", f"{entry!r} lacks a name or a value")
        if isinstance(value, Mapping):
            yield from (Attribute(name, clean(v), str(lang)) for lang, v in value.items())
        else:
            yield Attribute(name, clean(value))


def _variant(raw: Mapping[str, Any], product_price: Decimal) -> Variant:
    offer = _first(raw.get("offers")) or {}
    amount = price(offer["price"], "hasVariant.offers.price", "")[0] if "price" in offer else product_price
    return Variant(
        clean(raw.get("sku")), clean(raw.get("size")), clean(raw.get("color")), _stock(offer),
        None if amount == product_price else amount,
    )  # fmt: skip


def _stock(offer: Mapping[str, Any]) -> int:
    level = offer.get("inventoryLevel")
    if level is not None:
        return whole(level.get("value") if isinstance(level, Mapping) else level, "inventoryLevel")
    return 0 if "OutOfStock" in str(offer.get("availability", "")) else 1


def _review(raw: Mapping[str, Any]) -> Review:
    value = (raw.get("reviewRating") or {}).get("ratingValue")
    text = clean(raw.get("reviewBody"))
    return Review(
        clean(_name(raw.get("author"))), round(rating(value, "review.ratingValue")), text,
        str(raw.get("inLanguage") or language_of(text)), instant(raw.get("datePublished"), "review.datePublished"),
    )  # fmt: skip


def _aggregate(reviews: tuple[Review, ...]) -> dict[str, Any]:
    if not reviews:
        return {}
    mean = sum(r.rating for r in reviews) / len(reviews)
    return {"ratingValue": round(mean, 2), "reviewCount": len(reviews)}


def _to_json(product: Product) -> dict[str, Any]:
    texts = product.texts
    properties: dict[tuple[str, int], dict[str, str]] = {}
    for attribute in product.named:
        # The n-th value of a name in one language goes with the n-th in the others.
        position = sum(name == attribute.name and attribute.language in v for (name, _), v in properties.items())
        properties.setdefault((attribute.name, position), {})[attribute.language] = attribute.value
    return {
        "@type": "Product",
        "sku": product.external_id,
        "name": {lang: t.title for lang, t in texts.items()},
        "description": {lang: t.description for lang, t in texts.items()},
        "category": {lang: list(t.category) for lang, t in texts.items()},
        "brand": product.brand,
        "offers": {
            "price": f"{product.price:f}", "priceCurrency": product.currency, "inventoryLevel": product.stock,
        },
        "aggregateRating": {"ratingValue": product.rating, "reviewCount": product.review_count},
        "additionalProperty": [
            {"name": name, "value": values.get("", values)} for (name, _), values in properties.items()
        ],
        "hasVariant": [_variant_json(v) for v in product.variants],
        "review": [_review_json(r) for r in product.reviews],
        "image": product.image,
        "url": product.url,
        **({"releaseDate": product.created.isoformat()} if product.created else {}),
    }  # fmt: skip


def _variant_json(variant: Variant) -> dict[str, Any]:
    offer: dict[str, Any] = {"inventoryLevel": variant.stock}
    if variant.price is not None:
        offer["price"] = f"{variant.price:f}"
    return {"sku": variant.sku, "size": variant.size, "color": variant.color, "offers": offer}


def _review_json(review: Review) -> dict[str, Any]:
    return {
        "author": review.author, "reviewRating": {"ratingValue": review.rating}, "reviewBody": review.text,
        "inLanguage": review.language,
        **({"datePublished": review.created.isoformat()} if review.created else {}),
    }  # fmt: skip


def _list(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def _first(value: Any) -> Any:
    return next(iter(_list(value)), None)


def _name(value: Any) -> Any:
    return value.get("name") if isinstance(value, Mapping) else value
