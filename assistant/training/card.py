"""What an adapter says of itself: `adapter.json` for programs, a model card and a curve for people."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from assistant.drawing import picture
from assistant.llm.adapters import DESCRIPTION

# Base -> its terms, for bases whose terms are known here; of others the card says to look them up.
_TERMS = {"gemma3-270m": "Gemma 3 270M, under the Gemma Terms of Use (https://ai.google.dev/gemma/terms)"}


def describe(path: Path, **facts: Any) -> None:
    """Add `facts` to an adapter's description and write its card anew."""
    file = path / DESCRIPTION
    known = json.loads(file.read_text("utf-8")) if file.exists() else {}
    known |= facts
    file.write_text(json.dumps(known, ensure_ascii=False, indent=1) + "\n", "utf-8")
    (path / "README.md").write_text(_card(path.name, known, (path / "curve.png").exists()), "utf-8")


def origin(start: Path) -> dict[str, Any]:
    """What the adapter that training began from says of its own training."""
    return {"adapter": start.name, **_training(json.loads((start / DESCRIPTION).read_text("utf-8")))}


def run_of(adapter: Path) -> dict[str, Any]:
    """What an adapter says of its training, of what that began from the name alone: its runs side by side share it."""
    told = _training(json.loads((adapter / DESCRIPTION).read_text("utf-8")))
    if began := told.get("start"):
        told["start"] = {"adapter": began["adapter"]}
    return told


def _training(known: Mapping[str, Any]) -> dict[str, Any]:
    return {name: known[name] for name in ("data", "recipe", "run", "runs", "start") if name in known}


def draw_curve(history: Sequence[Mapping[str, float]], path: Path) -> None:
    """Train and validation loss, and frame accuracy, over the steps."""
    steps = [row["step"] for row in history]
    with picture(path, 7, 4, top=0.94) as (figure, left):
        left.plot(steps, [row["train_loss"] for row in history], label="train loss (running mean)", color="#777")
        left.plot(steps, [row["loss"] for row in history], label="validation loss", color="#c33")
        left.set(xlabel="step", ylabel="loss", ylim=(0, None))
        right = left.twinx()
        right.plot(
            steps, [row["accuracy"] for row in history], label="frame accuracy, held-out phrasings", color="#36c"
        )
        right.set(ylabel="frame accuracy", ylim=(0, 1))
        figure.legend(loc="upper center", ncols=3, fontsize=8)


def _card(name: str, known: Mapping[str, Any], has_curve: bool) -> str:
    base = known.get("base", "")
    lines = [
        f"# {name}",
        "",
        "A LoRA adapter that makes a language model parse what shoppers say in Chinese and English (frames with",
        "intent, slots, exclusions and mood), write captions of picks, read reviews and products' texts, and brief staff.",
        "",
        "## Base",
        "",
        _TERMS.get(base, f"{base}; see its own card for the terms") + ". The adapter's weights are a derivative of it.",
        f"Fingerprint of the base: `{known.get('fingerprint', '')}`. With another base the adapter is refused.",
        "",
        "## Data",
        "",
        "Written by `assistant/training` from hand-authored phrasings crossed with a lexicon and the sample shop's",
        "vocabulary; one phrasing in eight is held out and never trained on. Reproduce with `daogou train parser`.",
        "",
        "## Training",
        "",
        "Each pass went on from the one before, with other data; where `mean` is True, it ended as the mean of what it",
        "began from and what it came to. Passes with a letter are runs side by side, and their mean is what came of",
        "them. The curve is that of the last.",
        "",
        *_passes(known),
        "",
        *(["![Loss and accuracy over training](curve.png)", ""] if has_curve else []),
        "## Scores",
        "",
        "From `daogou evaluate parser`; exact frames leave the mood out, which is scored apart.",
        "",
        *_scores(known.get("scores", [])),
        "",
        "## Limits",
        "",
        "- Made for messages of up to 300 characters in Chinese or English; other languages were not trained.",
        "- The held-out turns come from the same hand as the training turns: expect less on your shoppers' words.",
        "- It copies words and does not judge them: a product that does not exist is still a category.",
        "- Captions are checked against the record by the program, not by the model.",
        "- Mood is that of one message; sarcasm is often missed.",
        "",
    ]
    return "\n".join(lines)


def _passes(known: Mapping[str, Any]) -> list[str]:
    """A column for each training, the first one first: examples of each task, hyper-parameters, steps."""
    passes: list[list[dict[str, Any]]] = []
    last: Mapping[str, Any] = known
    while last:
        passes.insert(0, [_facts(run) for run in last.get("runs", [last])])
        last = last.get("start") or {}
    columns = {
        f"{number}{letter if len(runs) > 1 else ''}": own
        for number, runs in enumerate(passes, start=1)
        for letter, own in zip(ascii_lowercase, runs, strict=False)
    }
    facts = dict.fromkeys(name for own in reversed(columns.values()) for name in own)
    rows = ([name.replace("_", " "), *(own.get(name, "") for own in columns.values())] for name in facts)
    heads = ["pass", *columns]
    return [f"| {' | '.join(map(str, row))} |" for row in (heads, ["---"] * len(heads), *rows)]


def _facts(run: Mapping[str, Any]) -> dict[str, Any]:
    """What there is to tell of one training, by name."""
    start = run.get("start") or {}
    began = {"--start": start["adapter"]} if start else {}
    return {**began, **run.get("data", {}), **run.get("recipe", {}), **run.get("run", {})}


def _scores(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One table for each shape of row."""
    lines: list[str] = []
    columns: tuple[str, ...] = ()
    for row in rows:
        if tuple(row) != columns:
            columns = tuple(row)
            heads = [c.replace("_", " ") for c in columns]
            lines += ["", f"| {' | '.join(heads)} |", f"|{'---|' * len(columns)}"]
        lines.append(f"| {' | '.join('' if v is None else str(v) for v in row.values())} |")
    return lines[1:]
