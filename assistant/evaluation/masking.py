"""How much personal data is masked, and how much else, on written sentences of both languages."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

from assistant.masking import KINDS, personal
from catalog.types import Language

Found = list[tuple[int, int, str]]
_MARK = re.compile(r"<([A-Z]+):([^>]*)>")
_TRIVIAL = re.compile(r"(?P<EMAIL>\S+@\S+)|(?P<PHONE>\+?\d[\d -]{7,}\d)")


def run() -> list[dict[str, Any]]:
    """Precision and recall of whole spans by language: one regular expression beside ours, and ours by kind."""
    sentences = list(written())
    rows = []
    for language in ("zh", "en"):
        own = [(text, marks) for spoken, text, marks in sentences if spoken == language]
        rows.append({"language": language, "method": "one expression for @ and long numbers", **_scores(own, trivial)})
        rows.append({"language": language, "method": "ours", **_scores(own, personal)})
        rows += [{"language": language, "method": f"ours, {kind}", **_scores(own, personal, kind)} for kind in KINDS]
    return rows


def written() -> Iterator[tuple[Language, str, Found]]:
    """(language, sentence, marked spans)."""
    language: Language = "zh"
    for line in files("assistant.evaluation").joinpath("personal.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            language = "zh" if line == "[zh]" else "en"
        elif line and not line.startswith("#"):
            yield language, *_unmarked(line)


def trivial(text: str) -> Found:
    """What a quick expression finds: the baseline."""
    return [(m.start(), m.end(), str(m.lastgroup)) for m in _TRIVIAL.finditer(text)]


def _unmarked(line: str) -> tuple[str, Found]:
    text, marks, last = "", [], 0
    for mark in _MARK.finditer(line):
        text += line[last : mark.start()]
        marks.append((len(text), len(text) + len(mark[2]), mark[1]))
        text += mark[2]
        last = mark.end()
    return text + line[last:], marks


def _scores(sentences: list[tuple[str, Found]], find: Callable[[str], Found], kind: str = "") -> dict[str, Any]:
    """A span counts as masked if all of it is; one found is right if it touches a marked one of its kind."""
    n: Counter[str] = Counter()
    for text, marks in sentences:
        found = [f for f in find(text) if kind in ("", f[2])]
        wanted = [m for m in marks if kind in ("", m[2])]
        n["wanted"] += len(wanted)
        n["found"] += len(found)
        n["masked"] += sum(any(f[0] <= m[0] and f[1] >= m[1] for f in found) for m in wanted)
        n["right"] += sum(any(f[0] < m[1] and f[1] > m[0] and f[2] == m[2] for m in marks) for f in found)
    return {
        "marked": n["wanted"],
        "precision": round(n["right"] / n["found"], 3) if n["found"] else None,
        "recall": round(n["masked"] / n["wanted"], 3) if n["wanted"] else None,
    }
