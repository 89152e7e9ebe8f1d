"""How typed text differs from written text: case, missing marks, slips of the finger, another script.

Noise works on chunks, so that a slot's value changes with the message that it is copied from.
"""

import random
import re
import string
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from catalog.types import Language

Chunks = Sequence[str]
_SLANG = {"please": "pls", "thanks": "thx", "you": "u", "are": "r", "want to": "wanna", "going to": "gonna", "and": "&"}
_SLIP = 0.12  # share of turns with a slip
_HAN_PAIRS = (
    ("的", "得"),
    ("吗", "嘛"),
    ("有没有", "有木有"),
    ("什么", "啥"),
    ("怎么", "咋"),
    ("这个", "这"),
    ("做", "作"),
)


def disturb(chunks: Chunks, fixed: Sequence[bool], language: Language, rng: random.Random) -> list[str]:
    """The chunks as someone typed them; `fixed` ones (numbers) keep their spelling."""
    steps = _english(rng) if language == "en" else _chinese(rng)
    out = list(chunks)
    for step in steps:
        out = step(out)
    return _slip(out, fixed, rng) if rng.random() < _SLIP else out


def printed(chunks: Chunks, _: Sequence[bool], language: Language, rng: random.Random) -> list[str]:
    """The chunks as a feed has them: nothing slips, but English titles often have capitals."""
    out = list(chunks)
    if language == "en":
        end = next((at for at, chunk in enumerate(out) if chunk.startswith(". ")), len(out))
        if rng.random() < 0.6:
            out[:end] = [string.capwords(c, " ") if c.strip() else c for c in out[:end]]
        sentence = True
        for at, chunk in enumerate(out):
            out[at] = chunk[:1].upper() + chunk[1:] if sentence else chunk
            sentence = chunk.endswith((". ", "."))
    return out


def _english(rng: random.Random) -> list[Callable[[list[str]], list[str]]]:
    steps: list[Callable[[list[str]], list[str]]] = []
    case = rng.random()
    if case < 0.5:
        steps.append(lambda chunks: [c.lower() for c in chunks])
    elif case < 0.53:
        steps.append(lambda chunks: [c.upper() for c in chunks])
    elif case < 0.75:
        steps.append(_capitalised)
    if rng.random() < 0.35:
        steps.append(lambda chunks: _without_end(chunks, ".?!"))
    if rng.random() < 0.2:
        steps.append(lambda chunks: [c.replace("I'm", "Im").replace("n't", "nt").replace("'s", "s") for c in chunks])
    if rng.random() < 0.08:
        said, short = rng.choice(list(_SLANG.items()))
        steps.append(lambda chunks: [re.sub(rf"\b{said}\b", short, c) for c in chunks])
    if rng.random() < 0.1:
        steps.append(lambda chunks: [c.replace(", ", " ") for c in chunks])
    return steps


def _chinese(rng: random.Random) -> list[Callable[[list[str]], list[str]]]:
    steps: list[Callable[[list[str]], list[str]]] = []
    commas = rng.random()
    if commas < 0.25:
        steps.append(lambda chunks: [c.replace("，", " ") for c in chunks])
    elif commas < 0.35:
        steps.append(lambda chunks: [c.replace("，", "") for c in chunks])
    elif commas < 0.42:
        steps.append(lambda chunks: [c.replace("，", ",") for c in chunks])
    if rng.random() < 0.15:
        said, typed = rng.choice(_HAN_PAIRS)
        steps.append(lambda chunks: [c.replace(said, typed) for c in chunks])
    if rng.random() < 0.04:
        steps.append(lambda chunks: [_traditional().convert(c) for c in chunks])
    if rng.random() < 0.3:
        mark = rng.choice("？。！?～")
        steps.append(lambda chunks: [*chunks[:-1], chunks[-1] + mark] if chunks[-1][-1:].isalnum() else chunks)
    if rng.random() < 0.15:
        steps.append(lambda chunks: _without_end(chunks, "吗呢啊呀"))
    return steps


def _slip(chunks: list[str], fixed: Sequence[bool], rng: random.Random) -> list[str]:
    """One letter dropped, doubled, swapped or replaced, in one chunk."""
    free = [i for i, c in enumerate(chunks) if not fixed[i] and len(c) > 5 and c.isascii()]
    if not free:
        return chunks
    at = rng.choice(free)
    word = chunks[at]
    places = [i for i in range(1, len(word) - 1) if word[i - 1 : i + 2].isalpha()]
    if not places:
        return chunks
    i = rng.choice(places)
    typed = rng.choice(
        (
            word[:i] + word[i + 1 :],
            word[:i] + word[i] + word[i:],
            word[:i] + word[i + 1] + word[i] + word[i + 2 :],
            word[:i] + rng.choice(string.ascii_lowercase) + word[i + 1 :],
        )
    )
    return [*chunks[:at], typed, *chunks[at + 1 :]]


def _capitalised(chunks: list[str]) -> list[str]:
    return [chunks[0][:1].upper() + chunks[0][1:], *chunks[1:]]


def _without_end(chunks: list[str], marks: str) -> list[str]:
    return [*chunks[:-1], chunks[-1].rstrip(marks) or chunks[-1]]


@cache
def _traditional() -> Any:
    from opencc import OpenCC

    return OpenCC("s2t")
