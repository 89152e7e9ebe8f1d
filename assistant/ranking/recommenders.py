"""The models of behaviour that a shop has trained, as one folder that is loaded whole or not at all."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix

from assistant.ranking.behaviour import Behaviour, Floats, Ints
from assistant.ranking.blend import Blend, RankerError
from assistant.ranking.collaborative import Factors, ItemItem, Trends, bought_again
from assistant.ranking.content import Content
from assistant.ranking.features import NAMES
from assistant.ranking.ranker import MANIFEST
from assistant.ranking.sequence import SequenceModel, SequenceRecipe

WINDOWS = {"popularity": 60 * 86_400.0, "lately": 7 * 86_400.0}  # seconds before a request that are counted
_STORED = ("factors", "vectors", "weight", "bias", "again")
ARRAYS, SEQUENCE, TREES, PRODUCTS = "arrays.npz", "sequence.safetensors", "blend.txt", "products.txt"


@dataclass(frozen=True)
class Recommenders:
    """Scores products by what was done; `products` (P,) are the ids that the models know.

    `trends` know what was popular at any time; `again` (P,) is the share of its buyers who bought a product more
    than once.
    """

    products: Sequence[str]
    neighbours: ItemItem
    factors: Factors
    content: Content
    trends: Trends
    again: Floats
    sequence: SequenceModel | None = None

    @classmethod
    def fit(
        cls, behaviour: Behaviour, content: Content, trends: Trends, sequence: SequenceModel | None = None
    ) -> "Recommenders":
        """Models of `behaviour`, beside that of its products' content.

        `trends` may know what came after it: they are only asked what was before a time.
        """
        return cls(
            behaviour.products, ItemItem.fit(behaviour), Factors.fit(behaviour), content, trends,
            bought_again(behaviour), sequence,
        )  # fmt: skip

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Product id -> place in `products`."""
        return {product: at for at, product in enumerate(self.products)}

    def scores(self, history: Sequence[str], candidates: Sequence[str], now: datetime) -> dict[str, Floats]:
        """Model -> its scores (N,) of the candidates after a history and at a time, standardised but for `again`
        and `sold`, which is how popular a product is beside all others.

        NaN for candidates that the models do not know; without a history those of what all shoppers do.
        """
        places = np.array([self.places.get(product, -1) for product in candidates], dtype=np.int64)
        known = places >= 0
        met: Ints = np.array([self.places[p] for p in history if p in self.places], dtype=np.int64)
        found: dict[str, Floats] = {}
        if len(met):
            found |= {
                "neighbours": self.neighbours.score([met])[0],
                "factors": self.factors.score([met])[0],
                "content": self.content.score([met])[0],
            }
            if self.sequence is not None:
                found["sequence"] = self.sequence.score([met])[0]
        popular = {
            name: self.trends.recent(places[known], now.timestamp(), seconds) for name, seconds in WINDOWS.items()
        }
        again = np.where(known, self.again[places], np.nan).astype(np.float32)
        sold = np.full(len(candidates), np.nan, dtype=np.float32)
        sold[known] = popular["popularity"]
        scores = {name: own[places[known]] for name, own in found.items()} | popular
        return {name: _standard(own, known) for name, own in scores.items()} | {"again": again, "sold": sold}

    def likeness(self, product: str, candidates: Sequence[str]) -> Floats:
        """How like one product the candidates are (N,): by content and by who bought both, half and half."""
        found = np.zeros(len(candidates), dtype=np.float32)
        at = self.places.get(product)
        if at is None:
            return found
        together = self._together(at)
        share = together / max(float(together.max()), 1e-9)
        for row, candidate in enumerate(candidates):
            if (other := self.places.get(candidate)) is not None:
                found[row] = self.content.vectors[other] @ self.content.vectors[at] + share[other]
        return found

    def bought_with(self, product: str, k: int) -> list[str]:
        """What those who met a product met as well, at most `k`."""
        at = self.places.get(product)
        if at is None:
            return []
        together = self._together(at)
        return [self.products[p] for p in np.argsort(-together)[:k] if together[p] > 0]

    def because(self, history: Sequence[str], product: str) -> str | None:
        """The product of a history that speaks most for another one, if any does."""
        at = self.places.get(product)
        met = [p for p in dict.fromkeys(history) if p in self.places and p != product]
        if at is None or not met:
            return None
        near = dict(zip(*self.neighbours.near(at), strict=True))
        best = max(met, key=lambda p: near.get(self.places[p], 0.0))
        return best if near.get(self.places[best], 0.0) > 0 else None

    def _together(self, at: int) -> Floats:
        """Likeness (P,) of all products to one, by who met both."""
        found = np.zeros(len(self.products), dtype=np.float32)
        places, values = self.neighbours.near(at)
        found[places] = values
        return found


def extended(known: Recommenders, vectors: Mapping[str, Floats]) -> Recommenders:
    """The models with the products of `vectors` that they were not trained on: those have their content alone.

    Raises `RankerError` for vectors of another embedding model.
    """
    width = known.content.vectors.shape[1]
    if other := next((len(v) for v in vectors.values() if len(v) != width), None):
        raise RankerError(f"trained on vectors of {width} numbers, the shop's have {other}: run `daogou train ranker`")
    new = [product for product in vectors if product not in known.places]
    if not new:
        return known
    count, total = len(new), len(known.products) + len(new)
    likeness = known.neighbours.likeness.copy()
    likeness.resize(total, total)
    content = Content(
        np.concatenate([known.content.vectors, np.stack([vectors[p] for p in new])]),
        known.content.weight,
        known.content.bias,
    )
    return Recommenders(
        [*known.products, *new],
        ItemItem(likeness),
        Factors(np.pad(known.factors.products, ((0, count), (0, 0)))),
        content,
        Trends(known.trends.times, np.pad(known.trends.starts, (0, count), "edge")),
        np.pad(known.again, (0, count)),
        None if known.sequence is None else known.sequence.extended(content.vectors),
    )


def save(folder: Path, recommenders: Recommenders, blend: Blend, facts: Mapping[str, Any]) -> None:
    """Write everything with checksums; the manifest, written last, makes it whole."""
    folder.mkdir(parents=True, exist_ok=True)
    likeness = recommenders.neighbours.likeness
    recent = recommenders.trends.since(recommenders.trends.latest - max(WINDOWS.values()))
    np.savez_compressed(
        folder / ARRAYS, likeness=likeness.data.astype(np.float16), indices=likeness.indices, indptr=likeness.indptr,
        factors=recommenders.factors.products.astype(np.float16), vectors=recommenders.content.vectors.astype(np.float16),
        weight=recommenders.content.weight.astype(np.float16), bias=recommenders.content.bias, again=recommenders.again,
        times=recent.times, starts=recent.starts,
    )  # fmt: skip
    (folder / PRODUCTS).write_text("\n".join(recommenders.products), "utf-8")
    blend.save(folder / TREES)
    names = [ARRAYS, PRODUCTS, TREES]
    recipe = None
    if recommenders.sequence is not None:
        save_file(dict(recommenders.sequence.weights), folder / SEQUENCE)
        names.append(SEQUENCE)
        recipe = asdict(recommenders.sequence.recipe)
    manifest = {
        **facts,
        "features": NAMES,
        "sequence": recipe,
        "files": {name: _checksum(folder / name) for name in names},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", "utf-8")


def load(folder: Path) -> tuple[Recommenders, Blend]:
    """What `save` wrote.

    Raises `RankerError` where a file is missing or not the one that was written, or the features have changed.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RankerError(f"{folder} holds no trained ranker: {error}") from error
    for name, wanted in manifest["files"].items():
        if not (folder / name).is_file() or _checksum(folder / name) != wanted:
            raise RankerError(f"{folder / name} is not the file that was trained: run `daogou train ranker` again")
    if tuple(manifest.get("features", ())) != NAMES:
        raise RankerError(f"{folder} was trained for other features: run `daogou train ranker` again")
    products = (folder / PRODUCTS).read_text("utf-8").split("\n")
    with np.load(folder / ARRAYS) as arrays:
        stored = {name: arrays[name].astype(np.float32) for name in _STORED}
        trends = Trends(arrays["times"], arrays["starts"])
        parts = arrays["likeness"].astype(np.float32), arrays["indices"], arrays["indptr"]
        likeness = csr_matrix(parts, (len(products), len(products)))
    content = Content(stored["vectors"], stored["weight"], stored["bias"])
    sequence = None
    if recipe := manifest["sequence"]:
        sequence = SequenceModel(SequenceRecipe(**recipe), load_file(folder / SEQUENCE), content.vectors)
    recommenders = Recommenders(
        products, ItemItem(likeness), Factors(stored["factors"]), content, trends, stored["again"], sequence
    )
    return recommenders, Blend.load(folder / TREES)


def _standard(own: Floats, known: Any) -> Floats:
    """Mean 0 and deviation 1 over the scores of the known candidates; all alike are 0."""
    found = np.full(len(known), np.nan, dtype=np.float32)
    if len(own):
        found[known] = (own - own.mean()) / max(float(own.std()), 1e-6)
    return found


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
