"""Writes the sample shop from its vocabulary: products, reviews, shoppers and their history.

Everything follows from `shop.yaml` and one seed, so that the same files come out every time:

    python -m catalog.sample.build
"""

import csv
import gzip
import io
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from catalog.feeds import jsonlines
from catalog.sample.bodies import Body, body_of, sized
from catalog.types import Attribute, Interaction, Product, ProductText, Review, Variant

SEED = 20_26
PER_TYPE = 20
SHOPPERS = 300
TODAY = datetime(2026, 11, 1, tzinfo=UTC)
HERE = Path(str(files("catalog.sample")))
_ASPECTS = {
    "shoes": "shoes", "tops": "clothes", "outerwear": "clothes", "bottoms": "clothes", "dresses": "clothes",
    "accessories": "clothes", "devices": "devices", "computing": "devices", "small": "devices",
    "audio": "audio", "drinks": "food", "pantry": "food", "restaurants": "dining", "hotels": "stay",
    "tours": "tour",
}  # fmt: skip
_OPENINGS = (
    ("{series} is a {type} for {use}.", "{series}系列{type}，适合{use}。"),
    ("Made for {use}: the {series} {type} by {brand}.", "{brand}{series}{type}，为{use}而做。"),
    ("A {type} that suits {use} and lasts.", "一款适合{use}、经久耐用的{type}。"),
)
_CLOSINGS = (
    ("Seven days to send it back.", "七天内可退。"),
    ("A favourite of returning customers.", "老顾客常回购。"),
    ("Carefully checked before it leaves us.", "出库前逐件检查。"),
)
_DINING_CLOSINGS = (
    ("Book a day ahead.", "请提前一天预订。"),
    ("Free to cancel until the day before.", "前一天可免费取消。"),
)
_SERVICES = ("restaurants", "hotels", "tours")
_NAMES = ("Lin", "Chen", "Wang", "Mei", "Anna", "Tom", "Ravi", "Sofia", "小鱼", "阿杰", "木子", "晴天", "老李", "Kim")


@dataclass(frozen=True)
class Taste:
    """What one sample shopper likes; histories are drawn from it. Weights are relative."""

    shopper: str
    types: Mapping[str, float]
    brands: tuple[str, ...]
    colors: tuple[str, ...]
    thrift: float  # 0 takes the dearest, 1 the cheapest
    clothes_size: str
    shoe_size: str


@cache
def vocabulary() -> Mapping[str, Any]:
    """`shop.yaml`."""
    data: Mapping[str, Any] = yaml.safe_load((HERE / "shop.yaml").read_text("utf-8"))
    return data


def build_products() -> list[Product]:
    """About 1,200 products, every text and attribute in both languages."""
    rng = random.Random(SEED)
    return [
        _product(rng, f"{name}-{n:02d}", color, spec)
        for name, spec in vocabulary()["types"].items()
        for n, color in enumerate(_colors(rng, spec), start=1)
    ]


def build_tastes() -> list[Taste]:
    """300 shoppers, each with a few kinds of product, brands and colours that they like."""
    rng = random.Random(SEED + 1)
    shop = vocabulary()
    tastes = []
    for n in range(1, SHOPPERS + 1):
        kinds = rng.sample(sorted(shop["types"]), 8)
        groups = {shop["types"][k]["brands"] for k in kinds}
        tastes.append(
            Taste(
                shopper=f"shopper-{n:03d}",
                types={k: round(rng.uniform(0.5, 3), 2) for k in kinds},
                brands=tuple(rng.choice(shop["brands"][g])[0] for g in sorted(groups)),
                colors=tuple(rng.sample(sorted(shop["colors"]), 3)),
                thrift=round(rng.random(), 2),
                clothes_size=rng.choice(shop["sizes"]["clothes"][1:5]),
                shoe_size=rng.choice(shop["sizes"]["shoes"][1:9]),
            )
        )
    return tastes


def build_history(products: Sequence[Product], tastes: Sequence[Taste]) -> list[Interaction]:
    """Views, carts, purchases and ratings over a year, as each shopper's taste would have them."""
    rng = random.Random(SEED + 2)
    by_type: dict[str, list[Product]] = {}
    for product in products:
        by_type.setdefault(product.external_id.rpartition("-")[0], []).append(product)
    history = [i for taste in tastes for i in _history(rng, taste, by_type)]
    return list(sized(history, build_bodies(tastes), {p.external_id: p for p in products}, scales()))


def build_bodies(tastes: Sequence[Taste]) -> dict[str, Body]:
    """The body of each sample shopper."""
    sizes = vocabulary()["sizes"]
    return {
        t.shopper: body_of(t.shopper, sizes["clothes"].index(t.clothes_size), sizes["shoes"].index(t.shoe_size))
        for t in tastes
    }


def scales() -> dict[str, tuple[str, list[str]]]:
    """For each kind of product that has sizes, the name of the scale and the sizes on it."""
    shop = vocabulary()
    return {kind: (t["sizes"], shop["sizes"][t["sizes"]]) for kind, t in shop["types"].items() if "sizes" in t}


def write(target: Path = HERE) -> None:
    """Write products, tastes, history and the products' vectors."""
    from catalog.embedding import EmbeddedEncoder, product_vector
    from catalog.rows import embedding_texts, vector_hash

    products, tastes = build_products(), build_tastes()
    text = io.StringIO()
    jsonlines.write(products, text)
    _gzip(target / "products.jsonl.gz", text.getvalue())
    lines = (json.dumps(asdict(t), ensure_ascii=False) + "\n" for t in tastes)
    (target / "tastes.jsonl").write_text("".join(lines), "utf-8")
    _gzip(target / "history.csv.gz", _history_csv(build_history(products, tastes)))
    encoder = EmbeddedEncoder()
    texts = [embedding_texts(p) for p in products]
    vectors = np.stack([product_vector(encoder, t) for t in texts]).astype(np.float16)
    np.savez(target / "vectors.npz", hashes=np.array([vector_hash(t) for t in texts]), vectors=vectors)
    write_picture_vectors(products, target / "picture_vectors.npz")


def write_picture_vectors(products: Sequence[Product], target: Path) -> None:
    """Write the vectors of the drawings, under the hashes of their files. Needs `daogou[test]`."""
    from catalog.pictures import EmbeddedPictureEncoder, picture_hash, shown_vectors
    from catalog.sample.pictures import draw, rasterised

    drawings = {picture_hash(svg.encode()): svg for svg in map(draw, products)}
    encoder = EmbeddedPictureEncoder()
    vectors = [shown_vectors(encoder, [rasterised(svg)])[0] for svg in drawings.values()]
    np.savez(target, hashes=np.array(list(drawings)), vectors=np.stack(vectors).astype(np.float16))


def _product(rng: random.Random, external_id: str, color: str, spec: Mapping[str, Any]) -> Product:
    shop = vocabulary()
    brand = rng.choice(shop["brands"][spec["brands"]])
    series = rng.choice(shop["series"])
    material = rng.choice(spec["materials"] or [""])
    features = _features(rng, spec["features"])
    use = rng.choice(spec["for"])
    choice = (brand, series, color, material, features, use)
    reviews = _reviews(rng, spec)
    stock, variants = _stock(rng, external_id, spec)
    return Product(
        external_id=external_id,
        price=_price(rng, spec["price"]),
        currency="CNY",
        texts={lang: _text(rng, lang, spec, choice) for lang in ("en", "zh")},
        brand=f"{brand[0]} {brand[1]}",
        attributes=tuple(_attributes(color, material, features, use)),
        variants=variants,
        reviews=reviews,
        rating=round(sum(r.rating for r in reviews) / len(reviews), 2),
        review_count=len(reviews),
        stock=stock,
        image=f"images/{external_id}.svg",
        created=TODAY - timedelta(days=rng.randint(1, 700)),
    )


def _colors(rng: random.Random, spec: Mapping[str, Any]) -> list[str]:
    """A colour per product of a type, each of its palette about equally often."""
    palette = vocabulary()["palettes"][spec["palette"]] or [""]
    colors = (palette * PER_TYPE)[:PER_TYPE]
    rng.shuffle(colors)
    return colors


def _text(rng: random.Random, lang: str, spec: Mapping[str, Any], choice: tuple[Any, ...]) -> ProductText:
    shop = vocabulary()
    at = 0 if lang == "en" else 1
    brand, series, color, material, features, use = choice
    color_word = color if lang == "en" else shop["colors"].get(color, "")
    material_word = material if lang == "en" else shop["materials"].get(material, "")
    kind = spec["name"][at]
    department, group = spec["in"]
    named = "" if kind.startswith(material_word) else material_word  # a down jacket is no down down jacket
    parts = [brand[at], series[at], color_word, features[0][at], named, kind]
    words = {"series": series[at], "type": kind, "use": use[at], "brand": brand[at]}
    closings = _DINING_CLOSINGS if group in _SERVICES else _CLOSINGS
    details = (
        f"Features: {', '.join(f[0] for f in features)}."
        if lang == "en"
        else f"特点：{'、'.join(f[1] for f in features)}。"
    )
    sentences = [_OPENINGS[rng.randrange(3)][at].format(**words), details, rng.choice(closings)[at]]
    return ProductText(
        title=(" ".join(filter(None, parts)) if lang == "en" else "".join(parts)),
        description=(" " if lang == "en" else "").join(sentences),
        category=(shop["departments"][department][at], shop["groups"][group][at], kind),
    )


def _features(rng: random.Random, features: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Two or three, of alternatives at most one."""
    chosen: list[Sequence[str]] = []
    barred: set[str] = set()
    for feature in rng.sample(features, len(features)):
        if feature[0] not in barred:
            chosen.append(feature)
            barred |= {other for group in vocabulary()["exclusive"] if feature[0] in group for other in group}
    return chosen[: rng.randint(2, 3)]


def _attributes(
    color: str, material: str, features: Sequence[Sequence[str]], use: Sequence[str]
) -> Iterator[Attribute]:
    shop = vocabulary()
    pairs = [
        ("color", color, shop["colors"].get(color)),
        ("material", material, shop["materials"].get(material)),
        *(("feature", en, zh) for en, zh in features),
        ("occasion", *use),
    ]
    for name, en, zh in pairs:
        if en:
            yield Attribute(name, en, "en")
            yield Attribute(name, zh or en, "zh")


def _stock(rng: random.Random, external_id: str, spec: Mapping[str, Any]) -> tuple[int, tuple[Variant, ...]]:
    """One product in twenty-five is sold out; sizes at the ends of the range run out more often."""
    sold_out = rng.random() < 0.04
    sizes = vocabulary()["sizes"].get(spec.get("sizes"), [])
    if not sizes:
        return (0 if sold_out else rng.randint(3, 80)), ()
    variants = tuple(
        Variant(f"{external_id}-{size}", size=size, stock=0 if sold_out or rng.random() < 0.2 else rng.randint(1, 15))
        for size in sizes
    )
    return sum(v.stock for v in variants), variants


def _price(rng: random.Random, bounds: Sequence[int]) -> Decimal:
    """Log-uniform between the bounds, ending in 9 as shops like it."""
    low, high = bounds
    return Decimal(int(low * (high / low) ** rng.random()) // 10 * 10 + 9)


def _reviews(rng: random.Random, spec: Mapping[str, Any]) -> tuple[Review, ...]:
    """5 to 20 opinions around a quality of the product's own, a third of them in English."""
    quality = min(0.97, max(0.35, rng.gauss(0.8, 0.12)))
    said_of = vocabulary()["reviews"]
    aspects = said_of[_ASPECTS.get(spec["in"][1], "home")] + (said_of["any"] if spec["in"][1] not in _SERVICES else [])
    reviews = []
    for _ in range(rng.randint(5, 20)):
        at = 0 if rng.random() < 0.35 else 1
        said = rng.sample(aspects, rng.randint(1, 2))
        liked = [rng.random() < quality for _ in said]
        share = sum(liked) / len(liked)
        reviews.append(
            Review(
                author=rng.choice(_NAMES),
                rating=rng.choice((4, 5, 5)) if share == 1 else rng.choice((3, 3, 4)) if share else rng.choice((1, 2)),
                text=("" if at else " ").join(a[at if good else at + 2] for a, good in zip(said, liked, strict=True)),
                language=("en", "zh")[at],
                created=TODAY - timedelta(days=rng.randint(1, 600)),
            )
        )
    return tuple(reviews)


def _history(rng: random.Random, taste: Taste, by_type: Mapping[str, list[Product]]) -> Iterator[Interaction]:
    kinds, weights = list(taste.types), list(taste.types.values())
    time = TODAY - timedelta(days=365)
    for _ in range(rng.randint(6, 24)):
        time += timedelta(hours=rng.randint(20, 360))
        if time >= TODAY:
            return
        seen = sorted(rng.sample(by_type[rng.choices(kinds, weights)[0]], 4), key=lambda p: -_liking(taste, p))
        for n, product in enumerate(seen[:3]):
            yield Interaction(taste.shopper, product.external_id, "view", time + timedelta(minutes=n))
        if rng.random() < 0.65:
            bought = seen[0] if rng.random() < 0.85 else seen[1]
            yield Interaction(taste.shopper, bought.external_id, "cart", time + timedelta(minutes=5))
            yield Interaction(taste.shopper, bought.external_id, "purchase", time + timedelta(minutes=9))
            if rng.random() < 0.4:
                stars = min(5, max(1, round(rng.gauss(bought.rating, 0.7))))
                yield Interaction(taste.shopper, bought.external_id, "rating", time + timedelta(days=5), stars)


def _liking(taste: Taste, product: Product) -> float:
    low, high = map(float, vocabulary()["types"][product.external_id.rpartition("-")[0]]["price"])
    dearness = (float(product.price) - low) / (high - low)
    return (
        2.0 * (product.brand.split(" ")[0] in {b.split(" ")[0] for b in taste.brands})
        + 1.5 * bool(set(product.values("color", "en")) & set(taste.colors))
        - 2.0 * abs(dearness - (1 - taste.thrift))
        + 0.3 * product.rating
    )


def _history_csv(history: Sequence[Interaction]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("shopper", "product", "kind", "quantity", "time", "size", "reason"))
    writer.writerows(_history_row(i) for i in history)
    return text.getvalue()


def _history_row(i: Interaction) -> tuple[str, ...]:
    reason = {-1.0: "too small", 1.0: "too large"}.get(i.value, "other") if i.kind == "return" else ""
    quantity = "1" if i.kind == "return" else f"{i.value:g}"
    return i.shopper, i.product, i.kind, quantity, i.time.isoformat(), i.size, reason


def _gzip(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    write()
