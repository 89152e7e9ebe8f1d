"""Is search fast enough on 100,000 products, and better than BM25 or vectors alone?

The catalog is the sample shop's, varied: each copy has its own price, stock and id, and a vector
near its original's. A query is the words of one product's own kind, colour, material and first
feature, in a language drawn by lot, with a price limit half of the time.

Quality is measured on the sample shop with its English texts alone, as a shop has it that never
translated its feed: half of a query's words come in Chinese, and relevant are the products that
have all of the properties asked for.
"""

import random
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.dense import VectorIndex
from catalog.embedding import EMBEDDED, EmbeddedEncoder, add_vectors, embed_products, unit
from catalog.feeds import jsonlines
from catalog.feeds.source import FeedOptions
from catalog.rows import embedding_texts, vector_hash
from catalog.schema import has_vector, open_database
from catalog.search import Search, fuse
from catalog.store import ProductStore
from catalog.types import Filters, Product, Query

SEED = 7
NOISE = 0.35  # length of the noise added to a copy's vector; 0.35 keeps a cosine of about .94
K = 100
Progress = Callable[[str], Any]


def run(size: int, count: int, progress: Progress) -> list[dict[str, Any]]:
    """Rows of the bench's table: one per ranking."""
    encoder = EmbeddedEncoder()
    with tempfile.TemporaryDirectory() as directory:
        quality = _quality(Path(directory), encoder, count, progress)
        progress(f"building {size:,} products")
        store = ProductStore(open_database(f"sqlite:///{directory}/bench.db"))
        fill(store, size, progress)
        progress("timing")
        latency = _latency(Search(store, encoder), queries(count, random.Random(SEED)), encoder)
        recall = _index_recall(store, encoder)
    rows = []
    for name in ("bm25", "dense", "fused"):
        rows.append(
            {
                "ranking": name,
                "products": size,
                **quality[name],
                "p50_ms": round(float(np.percentile(latency[name], 50)), 1),
                "p95_ms": round(float(np.percentile(latency[name], 95)), 1),
                "index_recall@100": round(recall, 3) if name != "bm25" else None,
                "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            }
        )
    return rows


def ndcg(ranking: Sequence[Any], relevant: set[Any], k: int) -> float:
    """Normalised discounted cumulative gain with binary relevance (Järvelin and Kekäläinen, 2002).

    >>> round(ndcg(["a", "x", "b"], {"a", "b"}, 10), 3)
    0.92
    """
    gain = sum(1 / np.log2(rank + 1) for rank, item in enumerate(ranking[:k], start=1) if item in relevant)
    ideal = sum(1 / np.log2(rank + 1) for rank in range(1, min(len(relevant), k) + 1))
    return float(gain / ideal) if ideal else 0.0


def _sample_products() -> list[Product]:
    with as_file(files("catalog.sample").joinpath("products.jsonl.gz")) as path:
        return [p for p in jsonlines.read(path, FeedOptions()) if isinstance(p, Product)]


def queries(count: int, rng: random.Random) -> list[Query]:
    """The words of products drawn by lot, half of them with a price limit."""
    products = [p for p in _sample_products() if p.stock]
    queries = []
    for product in rng.choices(products, k=count):
        language = rng.choice(("en", "zh"))
        limit = product.price * Decimal("1.2") if rng.random() < 0.5 else None
        queries.append(Query(" ".join(_words(product, language)), Filters(price_max=limit), K))
    return queries


def _words(product: Product, language: str) -> list[str]:
    names = ("color", "material", "feature")
    return [*(v for n in names for v in product.values(n, language)[:1]), product.text(language).category[-1]]


def _quality(directory: Path, encoder: EmbeddedEncoder, count: int, progress: Progress) -> dict[str, dict[str, float]]:
    progress("measuring quality on the sample shop")
    store = ProductStore(open_database(f"sqlite:///{directory}/quality.db"))
    store.upsert(english_only(p) for p in _sample_products())
    embed_products(store, encoder)
    search = Search(store, encoder)
    search.refresh()
    ids = {p.external_id: i for i, p in _with_ids(store)}
    rng = random.Random(SEED)
    products = [p for p in _sample_products() if p.stock]
    scores: dict[str, list[tuple[float, float]]] = {"bm25": [], "dense": [], "fused": []}
    for product in rng.choices(products, k=count):
        pairs = list(zip(_words(product, "en"), _words(product, "zh"), strict=True))
        other = set(rng.sample(range(len(pairs)), len(pairs) // 2))
        text = " ".join(pair[n in other] for n, pair in enumerate(pairs))
        wanted = set(_words(product, "en"))
        relevant = {ids[p.external_id] for p in products if wanted <= {*_all_words(p)}}
        lexical, complete = search.lexical(Query(text, k=K))
        dense = search.dense(Query(text, k=K), encoder.embed([text])[0])
        fused = [i for i, _ in fuse(lexical, dense, complete)]
        for name, ranking in (("bm25", lexical), ("dense", dense), ("fused", fused)):
            found = len(relevant & set(ranking[:10])) / min(len(relevant), 10)
            scores[name].append((ndcg(ranking, relevant, 10), found))
    return {
        name: {"ndcg@10": round(float(np.mean([a for a, _ in s])), 3), "recall@10": round(float(np.mean([b for _, b in s])), 3)}
        for name, s in scores.items()
    }  # fmt: skip


def _all_words(product: Product) -> list[str]:
    return [*(a.value for a in product.attributes), product.text("en").category[-1]]


def english_only(product: Product) -> Product:
    """A product as a shop has it that never translated its feed, without reviews."""
    attributes = tuple(a for a in product.attributes if a.language == "en")
    brand = product.brand.split(" ")[0]
    return replace(product, texts={"en": product.texts["en"]}, attributes=attributes, brand=brand, reviews=())


def _with_ids(store: ProductStore) -> list[tuple[int, Product]]:
    return list(store.by_id(range(1, store.count() + 1)).items())


def fill(store: ProductStore, size: int, progress: Progress, there: int = 0) -> None:
    """Up to `size` products, of which some are `there`: copies of the sample shop's with their own id, price, stock and
    vector.
    """
    rng, originals = random.Random(SEED + there), _sample_products()
    noise = _Noise(originals, SEED + there)
    for start in range(there, size, 1_000):
        numbers = range(start, min(start + 1_000, size))
        batch = [_copy(originals[n % len(originals)], n, rng) for n in numbers]
        vectors = noise.near(numbers)
        store.upsert(batch)
        hashes = [vector_hash(embedding_texts(product)) for product in batch]
        add_vectors(store.engine, EMBEDDED, dict(zip(hashes, vectors, strict=True)))
        progress(f"{start + len(batch):,} of {size:,} products")


def copied_vectors(size: int) -> NDArray[np.float32]:
    """(size, D): the vectors of as many copies, without any catalog."""
    noise = _Noise(_sample_products(), SEED)
    return np.concatenate([noise.near(range(n, min(n + 10_000, size))) for n in range(0, size, 10_000)])


class _Noise:
    """Vectors near those of the sample shop's products."""

    def __init__(self, originals: Sequence[Product], seed: int) -> None:
        saved = np.load(str(files("catalog.sample").joinpath("vectors.npz")))
        known = dict(zip(saved["hashes"].tolist(), saved["vectors"].astype(np.float32), strict=True))
        self._vectors = np.stack([known[vector_hash(embedding_texts(product))] for product in originals])
        self._rng = np.random.default_rng(seed)

    def near(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        """(N, D), unit length: one for each copy."""
        base = self._vectors[np.asarray(numbers) % len(self._vectors)]
        return unit(base + NOISE * unit(self._rng.standard_normal(base.shape, dtype=np.float32)))


def _copy(product: Product, number: int, rng: random.Random) -> Product:
    texts = {lang: replace(t, title=f"{t.title} {number}") for lang, t in product.texts.items()}
    price = (product.price * Decimal(str(round(rng.uniform(0.5, 2), 3)))).quantize(Decimal("0.01"))
    return replace(
        product, external_id=f"copy-{number}", texts=texts, price=price, reviews=(), stock=rng.randint(0, 50)
    )


def _latency(search: Search, queries: Sequence[Query], encoder: EmbeddedEncoder) -> dict[str, list[float]]:
    """Milliseconds per query, embedding apart: the two lists alone, and the whole search with records."""
    vectors = encoder.embed([q.text for q in queries])
    search.refresh()
    times: dict[str, list[float]] = {"bm25": [], "dense": [], "fused": []}
    for query, vector in zip(queries, vectors, strict=True):
        # The whole search goes first, so that no filter is in its cache yet.
        times["fused"].append(_timed(lambda q=query, v=vector: search.search_by_vector(q, v)))  # type: ignore[misc]
        times["bm25"].append(_timed(lambda q=query: search.lexical(q)))  # type: ignore[misc]
        times["dense"].append(_timed(lambda q=query, v=vector: search.dense(q, v)))  # type: ignore[misc]
    return times


def _timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def _index_recall(store: ProductStore, encoder: EmbeddedEncoder) -> float:
    """Recall@100 of the index against comparing every vector exactly."""
    index = VectorIndex.load(store.engine, has_vector(EMBEDDED))
    everything = index.vectors.astype(np.float32)
    found = []
    for vector in encoder.embed([q.text for q in queries(50, random.Random(SEED + 1))]):
        exact = index.ids[np.argsort(-(everything @ vector))[:K]]
        found.append(len(set(index.rank(vector, index.ids, K)) & set(exact.tolist())) / K)
    return float(np.mean(found))
