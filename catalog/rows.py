"""A product as the rows of its tables, and back."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any

from sqlalchemy import Row

from catalog.amounts import normalize_size
from catalog.facets import Vocabulary, facet_values
from catalog.lexical import document_words
from catalog.schema import AttributeRow, FacetRow, OpinionRow, ProductTextRow, ReviewRow, VariantRow
from catalog.types import Attribute, Opinion, Product, ProductText, Review, Variant

CHILDREN = (ProductTextRow, AttributeRow, VariantRow, FacetRow, ReviewRow)  # what a feed says, apart from the product


def embedding_texts(product: Product) -> tuple[str, ...]:
    """What is embedded of a product, one text per language: title, kind, attributes, description."""
    return tuple(
        ". ".join(
            filter(
                None,
                (
                    t.title,
                    " ".join(t.category[-1:]),
                    ", ".join(a.value for a in product.attributes if a.language == language),
                    t.description[:200],
                ),
            )
        )
        for language, t in sorted(product.texts.items())
    )


def vector_hash(texts: Sequence[str]) -> str:
    """The key that a product's embedding is cached under."""
    return hashlib.sha256("\x1e".join(texts).encode()).hexdigest()


def content_hash(product: Product) -> str:
    """Changes when anything that the feed says of the product does."""
    said = fields(product)
    del said["opinions"]
    return hashlib.sha256(json.dumps(said, default=_plain, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def product_row(product: Product, digest: str) -> dict[str, Any]:
    return {
        "external_id": product.external_id,
        "content_hash": digest,
        "vector_hash": vector_hash(embedding_texts(product)),
        "brand": product.brand,
        "price": product.price,
        "currency": product.currency,
        "rating": product.rating,
        "review_count": product.review_count,
        "stock": product.stock,
        "image": product.image,
        "picture_hash": "",
        "url": product.url,
        "created": product.created,
    }


def child_rows(product: Product, vocabulary: Vocabulary) -> dict[Any, list[dict[str, Any]]]:
    return {
        ProductTextRow: [
            {"language": lang, "title": t.title, "description": t.description, "category": list(t.category)}
            for lang, t in product.texts.items()
        ],
        AttributeRow: [{"position": n, **fields(a)} for n, a in enumerate(product.attributes)],
        VariantRow: [
            {"position": n, "size_key": normalize_size(v.size), **fields(v)} for n, v in enumerate(product.variants)
        ],
        FacetRow: [{"facet": f, "value": v} for f, v in sorted(facet_values(product, vocabulary))],
        ReviewRow: [{"position": n, **fields(r)} for n, r in enumerate(product.reviews)],
    }


def _plain(value: Any) -> Any:
    """What JSON has no form for: a part of a product by its fields, anything else in words."""
    return fields(value) if is_dataclass(value) else str(value)


def fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def searched_text(product: Product) -> tuple[str, str]:
    """The words that full text search looks through: of the titles, and of everything else."""
    texts = product.texts.values()
    body = [
        product.brand,
        *(a.value for a in product.attributes),
        *(c for t in texts for c in t.category),
        *(t.description for t in texts),
    ]
    return document_words(" ".join(t.title for t in texts)), document_words(" ".join(body))


def to_product(row: Row[Any], children: Mapping[Any, Mapping[int, list[Row[Any]]]]) -> Product:
    def of(table: Any) -> list[Row[Any]]:
        return children.get(table, {}).get(row.id, [])

    return Product(
        external_id=row.external_id,
        price=row.price,
        currency=row.currency,
        texts={t.language: ProductText(t.title, t.description, tuple(t.category)) for t in of(ProductTextRow)},
        brand=row.brand,
        attributes=tuple(Attribute(a.name, a.value, a.language, a.span, a.confidence) for a in of(AttributeRow)),
        variants=tuple(Variant(v.sku, v.size, v.color, v.stock, v.price) for v in of(VariantRow)),
        reviews=tuple(Review(r.author, r.rating, r.text, r.language, r.created) for r in of(ReviewRow)),
        rating=row.rating,
        review_count=row.review_count,
        stock=row.stock,
        image=row.image,
        url=row.url,
        created=row.created,
        opinions=tuple(
            Opinion(o.aspect, o.good, o.bad) for o in sorted(of(OpinionRow), key=lambda o: -(o.good + o.bad))
        ),
    )
