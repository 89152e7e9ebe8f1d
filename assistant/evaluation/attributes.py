"""Are attributes found that a feed does not name? Words of a list -> our reader; a value's name in the text -> inference.

Read: the sample shop's products with all their attributes withheld, those of all products or of the asked ones alone,
so that the feed shows what there is in a department. Inferred: the `style` of retail-demo's products,
withheld from some and named of the others.
"""

import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from catalog.attributes import Schema, TextReader, found_in, product_text, text_hash
from catalog.embedding import Embedder
from catalog.facets import Vocabulary, key, mentioned
from catalog.inference import infer
from catalog.sample.build import build_products
from catalog.types import Attribute, Product, ProductText, Said

READ = ("color", "material", "feature", "occasion")  # what the sample shop's feed names
NAMED = (0.1, 0.3, 0.5)  # shares of products whose style the feed names


def run(reader: TextReader, products: int, progress: Callable[[str], Any]) -> list[dict[str, Any]]:
    """A row for each language, attribute and system: precision and recall of values."""
    everything = build_products()
    chosen = random.Random(3).sample(everything, products)
    asked = {p.external_id for p in chosen}
    schemas = {
        "words of a list": Schema({}, frozenset()),
        "ours": Schema({}, frozenset()),
        "ours, the feed names others": Schema.of(p for p in everything if p.external_id not in asked),
    }
    counts: defaultdict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for number, product in enumerate(chosen, start=1):
        progress(f"product {number} of {products}")
        texts = {language: product_text(text) for language, text in product.texts.items()}
        read = {text_hash(text): reader.read(text) or () for text in texts.values()}
        listed = {text_hash(text): by_words(text) for text in texts.values()}
        for system, schema in schemas.items():
            said = listed if system == "words of a list" else read
            found, _ = found_in(replace(product, attributes=()), said, schema)
            for language, name in itertools.product(texts, READ):
                wanted = {key(v) for v in product.values(name, language)}
                told = {key(a.span) for a in found if (a.name, a.language) == (name, language)}
                count = Counter(hit=len(wanted & told), found=len(told), wanted=len(wanted))
                counts[language, name, system] += count
                counts[language, "all", system] += count
    return [
        {"language": language, "attribute": name, "system": system, **_shares(counts[language, name, system])}
        for language, name, system in itertools.product(("en", "zh"), (*READ, "all"), schemas)
    ]


def by_words(text: str) -> list[Said]:
    """The baseline: words of the vocabulary that the text names; it has colours and materials only."""
    vocabulary = Vocabulary.load()
    found = []
    for name in ("color", "material"):
        canonical = vocabulary.mentions(name, text)
        words = [w for w, value in vocabulary.words[name].items() if value in canonical and w in key(text)]
        found += [Said(name, w, 1.0) for w in words if not any(w != longer and w in longer for longer in words)]
    return found


def run_inference(data: Path, embedder: Embedder, progress: Callable[[str], Any]) -> list[dict[str, Any]]:
    """A row for each share of named products and system: precision and recall over the others."""
    products = retail_demo(data)
    rows = []
    for share in NAMED:
        progress(f"style, {share:.0%} named")
        rng = random.Random(1)
        named = {p.external_id for p in products if rng.random() < share}
        wanted = {p.external_id: p.values("style")[0] for p in products if p.external_id not in named}
        shown = [p if p.external_id in named else replace(p, attributes=()) for p in products]
        systems = {"the value's name in the text": by_name(products), "ours": infer(shown, embedder)}
        rows += [
            {"named": share, "system": system, "products": len(wanted), **score(found, wanted, "style")}
            for system, found in systems.items()
        ]
    return rows


def retail_demo(data: Path) -> list[Product]:
    """The products of retail-demo that have a style. Raises `FileNotFoundError`."""
    raw = yaml.load((data / "retail-demo" / "products.yaml").read_text("utf-8"), yaml.CSafeLoader)
    return [
        Product(
            entry["id"],
            Decimal(str(entry["price"])),
            "USD",
            {"en": ProductText(entry["name"], entry["description"], (entry["category"],))},
            attributes=(Attribute("style", entry["style"], "en"),),
        )
        for entry in raw
        if entry.get("style")
    ]


def by_name(products: Sequence[Product]) -> dict[str, list[Attribute]]:
    """The baseline: the style of the department that the title names, else the description, if it is one alone."""
    styles: defaultdict[str, set[str]] = defaultdict(set)
    for product in products:
        styles[product.texts["en"].category[0]].add(product.values("style")[0])
    found = {}
    for product in products:
        text = product.texts["en"]
        for part in (text.title, text.description):
            named = [s for s in styles[text.category[0]] if mentioned(s, part)]
            if len(named) == 1:
                found[product.external_id] = [Attribute("style", named[0], "en")]
                break
    return found


def _shares(n: Counter[str]) -> dict[str, Any]:
    return {
        "values": n["wanted"],
        "precision": round(n["hit"] / n["found"], 3) if n["found"] else None,
        "recall": round(n["hit"] / n["wanted"], 3) if n["wanted"] else None,
    }


def score(found: Mapping[str, Sequence[Attribute]], wanted: Mapping[str, str], name: str) -> dict[str, float]:
    """Precision and recall of one attribute of the products that `wanted` names it of."""
    told = {product: a.value for product in wanted for a in found.get(product, ()) if a.name == name}
    hits = sum(value == wanted[product] for product, value in told.items())
    return {
        "precision": round(hits / len(told), 3) if told else 0.0,
        "recall": round(hits / len(wanted), 3) if wanted else 0.0,
    }
