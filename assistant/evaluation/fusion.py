"""What does each part of a product add to its vector? Its text as it is -> fused with one part more, and all.

Search: a request of two properties and the kind of a product of the sample shop, half of the words in Chinese, on its
English texts alone. The text of a `rich` feed holds all that it says, that of a `thin` one brand and kind. Relevant is
what has all that was asked for; what buyers praise counts as a property. Requests are about one product in five, whose
own requests nothing was learned from. Ranking: of the products of a purchase's kind, which were bought? By likeness to
what the shopper had bought before; what came after the cut was not learned from. nDCG@10, dense vectors alone.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from assistant.aspects import aspects
from assistant.evaluation.search import english_only, ndcg
from assistant.profile import kept, kind_of
from assistant.ranking.behaviour import Ints
from assistant.ranking.content import shopper_vector
from assistant.training.fusion import Examples, FusionRecipe, all_parts, examples_of, learn, wishes_of
from catalog.embedding import EMBEDDED, EmbeddedEncoder, Embedder, add_vectors, embed_products, unit
from catalog.fusion import Floats, Fusion, Parts
from catalog.pictures import EMBEDDED_PICTURES, picture_hash
from catalog.sample.build import HERE, build_history, build_products, build_tastes, vocabulary
from catalog.sample.pictures import draw
from catalog.schema import open_database
from catalog.store import ProductStore
from catalog.types import Interaction, Opinion, Product

HELD = 5  # one product in so many is asked for
CUT = 0.6  # share of the history that is learned from
FEWEST = 3  # purchases before one that is foreseen
LEARNED = ("text",), ("text", "attributes"), ("text", "opinions"), ("text", "picture"), ("text", "attributes", "opinions", "picture")  # fmt: skip
Progress = Callable[[str], Any]


@dataclass(frozen=True)
class Tests:
    """Requests (R, D) with the rows that answer each, and purchases with the rows bought before."""

    asked: Floats
    relevant: Sequence[frozenset[int]]
    before: Sequence[Ints]
    bought: Sequence[int]


def run(count: int, progress: Progress) -> list[dict[str, Any]]:
    """A row for each choice of parts."""
    embedder = EmbeddedEncoder()
    products = [praised(p) for p in build_products()]
    history = sorted(build_history(products, build_tastes()), key=lambda i: i.time)
    cut = history[int(len(history) * CUT)].time
    known = [i for i in history if i.time < cut]
    with TemporaryDirectory() as folder:
        feeds = {
            name: _examples(
                *_parts([of(p) for p in products], embedder, Path(folder) / name, progress), known, embedder
            )
            for name, of in (("rich", english_only), ("thin", _thin))
        }
    tests = _tests(products, history, cut, embedder, count)
    rows = []
    for names in (None, *LEARNED):
        told = "text as it is" if names is None else " + ".join(names)
        row: dict[str, Any] = {"parts": told}
        for feed, examples in feeds.items():
            fused = unit(examples.parts["text"]) if names is None else _fused(examples, names, progress)
            row[f"search, {feed}"] = _search(fused, tests)
            row[f"ranking, {feed}"] = _ranking(fused, tests, products)
        rows.append(row)
    return rows


def praised(product: Product) -> Product:
    """A sample product with its buyers' opinions, as the sentences that its reviews are made of mean them."""
    good: dict[str, float] = {}
    bad: dict[str, float] = {}
    for review in product.reviews:
        for sentence, (aspect, is_good) in _sentences().items():
            if sentence in review.text:
                of = good if is_good else bad
                of[aspect] = of.get(aspect, 0) + 1
    opinions = tuple(Opinion(a, good.get(a, 0), bad.get(a, 0)) for a in sorted({*good, *bad}))
    return replace(product, opinions=opinions)


def _sentences() -> Mapping[str, tuple[str, bool]]:
    """Sentence -> the aspect that it is about, and whether it praises."""
    groups = vocabulary()["reviews"].values()
    return {one[at]: (one[4][0], at < 2) for group in groups for one in group for at in range(4)}


def _thin(product: Product) -> Product:
    english = english_only(product)
    text = replace(english.texts["en"], title=f"{english.brand} {kind_of(english)}", description="")
    return replace(english, texts={"en": text})


def _parts(
    products: Sequence[Product], embedder: Embedder, path: Path, progress: Progress
) -> tuple[Sequence[Product], dict[str, Floats]]:
    """The products with their parts; only a rich feed has attributes in the text that is embedded."""
    progress(f"a shop with the {path.name} feed")
    store = ProductStore(open_database(f"sqlite:///{path}.db"))
    store.upsert(products if path.name == "rich" else [replace(p, attributes=()) for p in products])
    embed_products(store, embedder)
    saved = np.load(HERE / "picture_vectors.npz")
    add_vectors(store.engine, EMBEDDED_PICTURES, dict(zip(saved["hashes"].tolist(), saved["vectors"], strict=True)))
    store.set_pictures({p.external_id: picture_hash(draw(p).encode()) for p in build_products()})
    store.set_opinions({p.external_id: p.opinions for p in products})
    source = Parts(store, embedder, EMBEDDED_PICTURES, aspects())
    parts = all_parts(source)[1] | {"attributes": source.attributes(products)}
    store.engine.dispose()
    return products, parts


def _examples(
    products: Sequence[Product], parts: Mapping[str, Floats], history: Sequence[Interaction], embedder: Embedder
) -> Examples:
    """What is learned from, without the requests for the products that are asked for."""
    whole = examples_of(products, parts, history, embedder, FusionRecipe())
    learnt = whole.about % HELD != 0
    return replace(whole, requests=whole.requests[learnt], about=whole.about[learnt])


def _fused(examples: Examples, names: Sequence[str], progress: Progress) -> Floats:
    progress(f"learning {' + '.join(names)}")
    weights, gates, _ = learn(examples, names, FusionRecipe(), lambda step: None)
    fusion = Fusion(EMBEDDED, EMBEDDED_PICTURES, aspects(), gates, weights)
    return fusion.fuse({name: examples.parts[name] for name in names})


def _tests(
    products: Sequence[Product], history: Sequence[Interaction], cut: datetime, embedder: Embedder, count: int
) -> Tests:
    rng = random.Random(3)
    texts, relevant = [], []
    has = [{*wishes_of(p, "en"), kind_of(p, "en")} for p in products]
    for _ in range(count):
        n = rng.randrange(0, len(products), HELD)
        wanted = rng.sample(wishes_of(products[n], "en"), 2)
        words = [(w, _in_chinese(products[n], w)) for w in [*wanted, kind_of(products[n], "en")]]
        texts.append(" ".join(pair[rng.random() < 0.5] for pair in words))
        asked = {*wanted, kind_of(products[n], "en")}
        relevant.append(frozenset(m for m, own in enumerate(has) if asked <= own))
    places = {p.external_id: n for n, p in enumerate(products)}
    before, bought = [], []
    for shopper in {i.shopper: None for i in history}:
        own = kept(i for i in history if i.shopper == shopper)
        for at, one in enumerate(own):
            if at >= FEWEST and one.time >= cut:
                before.append(np.array([places[i.product] for i in own[:at]]))
                bought.append(places[one.product])
    return Tests(embedder.embed(texts), relevant, before, bought)


def _in_chinese(product: Product, wish: str) -> str:
    """The Chinese word for a property or kind of a product, by its place among them."""
    here, there = (
        [*wishes_of(product, "en"), kind_of(product, "en")],
        [*wishes_of(product, "zh"), kind_of(product, "zh")],
    )
    return there[here.index(wish)] if len(here) == len(there) else wish


def _search(fused: Floats, tests: Tests) -> float:
    near = tests.asked @ fused.T  # (R, N)
    best = np.argsort(-near, axis=1)[:, :10]
    return round(
        float(np.mean([ndcg(own.tolist(), set(r), 10) for own, r in zip(best, tests.relevant, strict=True)])), 3
    )


def _ranking(fused: Floats, tests: Tests, products: Sequence[Product]) -> float:
    kinds = np.array([kind_of(p, "en") for p in products])
    found = []
    for before, bought in zip(tests.before, tests.bought, strict=True):
        rivals = np.flatnonzero(kinds == kinds[bought])
        near = fused[rivals] @ shopper_vector(fused, before)
        order = rivals[np.argsort(-near, kind="stable")].tolist()
        found.append(ndcg(order, {bought}, 10))
    return round(float(np.mean(found)), 3)
