"""What recordings are let in, and what is heard of them."""

import wave
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.evaluation.speech import SENTENCES, speak, units
from assistant.settings import Settings
from assistant.speech import (
    MOST_BYTES,
    MOST_SECONDS,
    RATE,
    NoSpeechModel,
    SpeechError,
    SpeechToText,
    open_speech,
    read_recording,
)


def tone(seconds: float, rate: int = RATE, channels: int = 1, loudness: float = 8_000) -> bytes:
    """A WAV of a tone."""
    wave_of = np.sin(np.arange(int(seconds * rate)) * 0.1) * loudness
    target = BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat(wave_of, channels).astype(np.int16).tobytes())
    return target.getvalue()


def packed(container: str, codec: str, seconds: float = 1.0) -> bytes:
    """The same as browsers and phones record it."""
    target = BytesIO()
    with av.open(target, "w", format=container) as file, av.open(BytesIO(tone(seconds, 48_000))) as source:
        stream = file.add_stream(codec, rate=48_000)
        for frame in source.decode(audio=0):
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return target.getvalue()


@pytest.mark.parametrize(
    ("container", "codec"), [("webm", "libopus"), ("ogg", "libopus"), ("ipod", "aac"), ("flac", "flac"), ("mp3", "mp3")]
)
def test_recordings_of_browsers_and_phones_are_read(container: str, codec: str) -> None:
    samples = read_recording(packed(container, codec))
    assert samples.dtype == np.float32
    assert len(samples) / RATE == pytest.approx(1.0, abs=0.1)
    assert 0.1 < abs(samples).max() < 0.5


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (16_000, 1)])
def test_any_rate_becomes_the_models(rate: int, channels: int) -> None:
    assert len(read_recording(tone(0.5, rate, channels))) / RATE == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no recording"),
        (b"<svg/>", "no recording"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n", "no recording"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "no recording"),
        (b"RIFF\x00\x00\x00\x00WAVE", "damaged"),
        (b"OggS" + bytes(400), "damaged"),
        (b"\x1aE\xdf\xa3" + bytes(400), "damaged"),
        (bytes(4) + b"ftypM4A " + bytes(400), "damaged"),
        (bytes(MOST_BYTES + 1), "at most 5 are taken"),
    ],
    ids=["nothing", "svg", "play list", "concat", "wav", "ogg", "webm", "mp4", "too large"],
)
def test_what_is_no_recording_is_told_so(data: bytes, why: str) -> None:
    with pytest.raises(SpeechError, match=why):
        read_recording(data)


def test_a_small_file_of_an_hour_is_not_read_to_its_end() -> None:
    long = packed("flac", "flac", MOST_SECONDS + 5)
    assert len(long) < MOST_BYTES
    with pytest.raises(SpeechError, match=f"longer than {MOST_SECONDS} seconds"):
        read_recording(long)


@given(
    st.sampled_from([b"RIFF", b"OggS", b"\x1aE\xdf\xa3", b"fLaC", b"ID3", bytes(4) + b"ftyp"]), st.binary(max_size=600)
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_else_comes_of_broken_recordings(start: bytes, rest: bytes) -> None:
    try:
        samples = read_recording(start + rest)
    except SpeechError:
        return
    assert abs(samples).max(initial=0) <= 1


def test_a_shop_may_want_none(tmp_path: Path) -> None:
    assert open_speech("none", tmp_path) is None


def test_a_click_says_nothing(tmp_path: Path) -> None:
    speech = open_speech("whisper-base", tmp_path, "cpu")
    assert speech is not None
    assert speech.hear(tone(0)).text == speech.hear(tone(0.05), "zh").text == ""


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    speech = open_speech(str(tmp_path / "nowhere"), tmp_path, "cpu")
    assert speech is not None
    with pytest.raises(NoSpeechModel, match="nowhere"):
        speech.hear(tone(0.5))


@pytest.mark.model
class TestHeard:
    """The embedded model, on what espeak-ng reads out."""

    @pytest.fixture(scope="class")
    def speech(self) -> SpeechToText:
        found = open_speech("whisper-base", Settings().cache_dir, "cpu")
        assert found is not None
        return found

    def test_english(self, speech: SpeechToText) -> None:
        heard = speech.hear(speak("I am looking for running shoes", "en"))
        assert heard.language == "en"
        assert units(heard.text) == units("I am looking for running shoes")

    def test_chinese_for_the_most_part(self, speech: SpeechToText) -> None:
        text, reading = next(pair for pair in SENTENCES["zh"] if "礼物" in pair[0])
        heard = speech.hear(speak(reading, "zh"), expected="zh")
        assert heard.language == "zh"
        assert len(set(heard.text) & set(text)) >= len(set(text)) / 2

    def test_silence(self, speech: SpeechToText) -> None:
        assert speech.hear(tone(2, loudness=0)).text == ""
