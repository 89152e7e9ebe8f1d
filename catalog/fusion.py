"""Text, attributes, buyers' opinions and picture of a product as one vector, in the space of the texts' encoder.

v = unit(sum over the parts p that a product has of gate_p x_p + W_p x_p), so that a query's vector finds it as it
finds a text. Texts and attributes live in that space already and pass through their gates; what W adds, and all of
opinions and pictures, is learned from what shoppers ask for and look at together (`assistant.training.fusion`). A part
that is missing is zero and adds nothing.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log1p
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from catalog.dense import VectorIndex
from catalog.embedding import Embedder, add_vectors, unit
from catalog.errors import UserError
from catalog.schema import ProductRow, VectorRow
from catalog.store import ProductStore
from catalog.types import Opinion, Product

Floats = NDArray[np.float32]
PARTS = ("text", "attributes", "opinions", "picture")
IN_SPACE = ("text", "attributes")  # of the texts' encoder as they are
BATCH = 1_000
WEIGHTS, MANIFEST = "fusion.safetensors", "fusion.json"
USUAL_SHARE, USUAL_VOICES = 0.8, 4.0  # of buyers who praise: a product that few speak of is taken to be like most


class FusionError(UserError):
    """A fusion that cannot be used; the message says why and what to run."""


@dataclass(frozen=True)
class Fusion:
    """What was learned: `gates` and `weights` (D, D_p) by part, for two encoders and these aspects of opinions."""

    embedding_model: str
    picture_model: str
    aspects: tuple[str, ...]
    gates: Mapping[str, float]
    weights: Mapping[str, Floats]

    def fuse(self, parts: Mapping[str, Floats]) -> Floats:
        """One vector (N, D) of unit length for each row of the parts (N, D_p); zero for a row that has none."""
        rows = [
            self.gates.get(name, 0.0) * part + part @ self.weights[name].T
            if name in IN_SPACE
            else part @ self.weights[name].T
            for name, part in parts.items()
            if name in self.weights
        ]
        return unit(np.sum(rows, axis=0, dtype=np.float32))

    def save(self, folder: Path) -> None:
        """Write it to `folder`; the manifest, written last, makes it whole."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: w.astype(np.float16) for name, w in self.weights.items()}, folder / WEIGHTS)
        manifest = {
            "embedding_model": self.embedding_model, "picture_model": self.picture_model,
            "aspects": self.aspects, "gates": self.gates,
        }  # fmt: skip
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Fusion":
        """What `save` wrote. Raises `FusionError`."""
        try:
            manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
            weights = {name: w.astype(np.float32) for name, w in load_file(folder / WEIGHTS).items()}
            return cls(
                manifest["embedding_model"], manifest["picture_model"], tuple(manifest["aspects"]), manifest["gates"],
                weights,
            )  # fmt: skip
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise FusionError(f"{folder} holds no fusion, run `daogou train fusion`: {error}") from error


class Parts:
    """Reads the parts of products out of a shop, a batch at a time."""

    def __init__(self, store: ProductStore, embedder: Embedder, picture_model: str, aspects: Sequence[str]) -> None:
        self._store = store
        self._embedder = embedder
        self._picture_model = picture_model
        self._aspects = tuple(aspects)
        self._words: dict[str, Floats] = {}

    def batches(self) -> Iterator[tuple[list[int], list[Product], dict[str, Floats]]]:
        """Row ids, products and parts (N, D_p) of the whole catalog; a part that no product of a batch has is left out."""
        last = 0
        while ids := self._store.ids_after(last, BATCH):
            last = ids[-1]
            products = self._store.by_id(ids)
            yield list(products), list(products.values()), self._of(products)

    def _of(self, products: Mapping[int, Product]) -> dict[str, Floats]:
        found = {
            "text": self._vectors(products, self._embedder.name, ProductRow.vector_hash),
            "attributes": self.attributes(list(products.values())),
            "opinions": opinions_part([p.opinions for p in products.values()], self._aspects),
            "picture": self._vectors(products, self._picture_model, ProductRow.picture_hash),
        }
        return {name: part for name, part in found.items() if part.any()}

    def _vectors(self, products: Iterable[int], model: str, key: InstrumentedAttribute[str]) -> Floats:
        ids = list(products)
        statement = (
            select(ProductRow.id, VectorRow.vector)
            .join(VectorRow, (VectorRow.vector_hash == key) & (VectorRow.model == model))
            .where(ProductRow.id.in_(ids))
        )
        with self._store.engine.connect() as connection:
            found = {i: np.asarray(vector, dtype=np.float32) for i, vector in connection.execute(statement).tuples()}
        width = len(next(iter(found.values()), np.zeros(1)))
        return np.stack([found.get(i, np.zeros(width, dtype=np.float32)) for i in ids])

    def attributes(self, products: Sequence[Product]) -> Floats:
        """The mean (N, D) of each product's attribute values and brand; every value is embedded once in the shop's life."""
        values = [list(dict.fromkeys([*(a.value for a in p.attributes), p.brand])) for p in products]
        self._embed({value for own in values for value in own if value} - set(self._words))
        width = len(next(iter(self._words.values()), np.zeros(1)))
        rows = [sum((self._words[v] for v in own if v), np.zeros(width, dtype=np.float32)) for own in values]
        return unit(np.stack(rows))

    def _embed(self, values: set[str]) -> None:
        hashes = {hashlib.sha256(f"value\x1e{value}".encode()).hexdigest(): value for value in sorted(values)}
        known = self._store.vectors_of(self._embedder.name, list(hashes))
        if missing := [digest for digest in hashes if digest not in known]:
            made = self._embedder.embed([hashes[digest] for digest in missing])
            new = dict(zip(missing, made, strict=True))
            add_vectors(self._store.engine, self._embedder.name, new)
            known |= new
        self._words.update({hashes[digest]: np.asarray(v, dtype=np.float32) for digest, v in known.items()})


def opinions_part(opinions: Iterable[Iterable[Opinion]], aspects: Sequence[str]) -> Floats:
    """For each product (N, 2 A): how far above the usual share buyers praise each aspect, and how much it is spoken of."""
    place = {aspect: n for n, aspect in enumerate(aspects)}
    rows = []
    for own in opinions:
        row = np.zeros(2 * len(place), dtype=np.float32)
        for o in own:
            if (at := place.get(o.aspect)) is not None:
                share = (o.good + USUAL_SHARE * USUAL_VOICES) / (o.good + o.bad + USUAL_VOICES)
                row[at], row[len(place) + at] = share - USUAL_SHARE, 0.1 * log1p(o.good + o.bad)
        rows.append(row)
    return np.stack(rows)


def fused_index(store: ProductStore, embedder: Embedder, fusion: Fusion) -> VectorIndex:
    """The fused vectors of the whole catalog; products of which nothing is known yet are left out."""
    ids: list[int] = []
    vectors: list[NDArray[np.float16]] = []
    for batch, _, parts in Parts(store, embedder, fusion.picture_model, fusion.aspects).batches():
        fused = fusion.fuse(parts)
        there = np.flatnonzero(fused.any(axis=1))
        ids += [batch[n] for n in there]
        vectors.append(fused[there].astype(np.float16))
    if not ids:
        return VectorIndex.empty()
    return VectorIndex.build(np.array(ids, dtype=np.int64), np.concatenate(vectors))
