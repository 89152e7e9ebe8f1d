"""What the catalog's products look like: vectors and colours of their pictures, and finding products by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from catalog.colors import color_names
from catalog.dense import VectorIndex
from catalog.embedding import add_vectors
from catalog.jobs import WHOLE, Part, Progress, in_batches
from catalog.pictures import (
    Picture,
    PictureEncoder,
    PictureError,
    Read,
    open_picture_encoder,
    picture_hash,
    read_picture,
    shown_vectors,
)
from catalog.schema import ProductRow, VectorRow, has_picture_vector
from catalog.search import Search
from catalog.store import ProductStore
from catalog.types import Candidate, Query

BATCH = 32  # pictures encoded at once; a run that is killed loses no more


@dataclass
class Embedded:
    """What a run over the catalog's pictures came to; `failed` names what could not be used, and why."""

    encoded: int = 0
    known: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def embed_pictures(
    store: ProductStore,
    encoder: PictureEncoder,
    read: Read,
    progress: Progress = lambda done, of: None,
    part: Part = WHOLE,
) -> Embedded:
    """Give every product that has a picture the vector of it, and the colours seen if its feed names none.

    Both are kept by what was encoded: equal pictures are encoded once, and after an import only what changed is.
    A run that was killed goes on where it stopped. Of several processes each does its `part`.
    """
    result = Embedded()

    def look(batch: Sequence[tuple[str, str]]) -> None:
        loaded = {product: data for product, image in batch if (data := _loaded(read, product, image, result))}
        hashes = {product: picture_hash(data) for product, data in loaded.items()}
        _encode(store, encoder, loaded, hashes, result)
        store.set_pictures(hashes)

    in_batches(_without_vector(store, encoder.name), BATCH, look, progress, part)
    return result


def _loaded(read: Read, product: str, image: str, result: Embedded) -> bytes | None:
    try:
        return read(image)
    except PictureError as error:
        result.failed[product] = str(error)
        return None


def _encode(
    store: ProductStore,
    encoder: PictureEncoder,
    loaded: Mapping[str, bytes],
    hashes: Mapping[str, str],
    result: Embedded,
) -> None:
    """Write the vectors that the batch lacks."""
    known = store.vectors_known(encoder.name, list(hashes.values()))
    pictures: dict[str, Picture] = {}
    for product, digest in hashes.items():
        if digest in known:
            result.known += 1
            continue
        try:
            pictures[digest] = read_picture(loaded[product])
        except PictureError as error:
            result.failed[product] = str(error)
    if pictures:
        vectors = shown_vectors(encoder, list(pictures.values()))
        add_vectors(store.engine, encoder.name, dict(zip(pictures, vectors, strict=True)))
        store.add_picture_colors({digest: color_names(picture) for digest, picture in pictures.items()})
        result.encoded += len(pictures)


def _without_vector(store: ProductStore, model: str) -> list[tuple[str, str]]:
    """(id, image) of the products whose picture has no vector yet."""
    statement = (
        select(ProductRow.external_id, ProductRow.image)
        .outerjoin(VectorRow, has_picture_vector(model))
        .where(ProductRow.image != "", VectorRow.vector_hash.is_(None))
        .order_by(ProductRow.id)
    )
    with store.engine.connect() as connection:
        return list(connection.execute(statement).tuples())


class PictureSearch:
    """Finds products that look like a picture, within a search's filters. Threads may share one."""

    def __init__(self, store: ProductStore, search: Search, model: str) -> None:
        self._store = store
        self._search = search
        self._model = model
        self._version = -1
        self._lock = Lock()
        self._index: VectorIndex

    @cached_property
    def _encoder(self) -> PictureEncoder:
        """Opened for the first photo: most runs of most commands see none."""
        return open_picture_encoder(self._model)

    def search_by_photo(self, query: Query, photo: bytes) -> list[Candidate]:
        """The same as `search` for a picture of unknown origin. Raises `PictureError`."""
        picture = read_picture(photo)
        with self._lock:
            vector = self._encoder.encode([picture])[0]
        return self.search(query, vector)

    def search_by_product(self, query: Query, external_id: str) -> list[Candidate]:
        """The same for what looks like a product; none where nobody has looked at its picture."""
        statement = select(VectorRow.vector).join(ProductRow, has_picture_vector(self._model))
        with self._store.engine.connect() as connection:
            vector = connection.scalar(statement.where(ProductRow.external_id == external_id))
        return [] if vector is None else self.search(query, vector.astype(np.float32))

    def search(self, query: Query, vector: NDArray[np.float32]) -> list[Candidate]:
        """At most `query.k` products that satisfy the query's filters, the most alike to `vector` (D,) first.

        The text of the query is not looked at. Scores are those of the places, 1 for the first.
        """
        index = self._refreshed()
        if not len(index.ids):  # nothing was looked at: see `embed_pictures`
            return []
        ids = index.rank(vector, self._search.passing(query.filters), query.k)
        products = self._store.by_id(ids)
        return [Candidate(products[i], None, n, 1 / n) for n, i in enumerate(ids, start=1) if i in products]

    def _refreshed(self) -> VectorIndex:
        """The vectors of the catalog as it is now."""
        with self._lock:
            if (version := self._store.version()) != self._version:
                self._index = VectorIndex.load(self._store.engine, has_picture_vector(self._model))
                self._version = version
            return self._index
