"""How many labels does a parser need? Messages by lot -> those it is least sure of -> with those it is sure of, too.

The log is ec-ner-zh's train lines, real utterances whose labels are withheld until they are asked for; the test are its dev
lines. After each batch of labels an adapter is trained on all of them from nothing. Which are asked next is chosen as the
desk chooses (`assistant.labels`). Self-training (Yarowsky, "Unsupervised Word Sense Disambiguation Rivaling Supervised
Methods", 1995) takes the model's own reading of the messages that it is surest of as labels, and trains anew.
"""

import random
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Literal, get_args

from assistant.evaluation.parser import entity_f1, pairs
from assistant.frame import entities_schema, readable
from assistant.labels import SURE, least_sure
from assistant.llm.local import MOST_TOGETHER, LocalLLM
from assistant.llm.protocol import Piece, doubt_of, value_of
from assistant.prompts import render
from assistant.training.card import describe
from assistant.training.examples import Example, entities_example
from assistant.training.lora import Recipe, Trainer
from assistant.training.open_data import Utterance, utterances

Choice = Literal["by lot", "least sure", "least sure + self-training"]
FIRST = 60  # labels, by lot
SIZES = (60, 120, 240, 480)
PASSES = 4  # over the labels ...
STEPS = 60  # ... and as many more as it takes to make so many steps
TOKENS = 38  # of an utterance with its answer
MAX_TOKENS = 120
Progress = Callable[[str], Any]


@dataclass(frozen=True)
class Bench:
    """What is learned from, and where."""

    model: Path
    log: Sequence[Utterance]
    test: Sequence[Utterance]
    folder: Path
    device: str


@dataclass(frozen=True)
class _Doubted:
    """An utterance, and how unsure a model was of it."""

    line: Utterance
    doubt: float

    @property
    def text(self) -> str:
        return self.line.text


def run(model: Path, data: Path, folder: Path, device: str, seeds: int, progress: Progress) -> list[dict[str, Any]]:
    """A row for each number of labels: entity F1 by how they were chosen, the mean over `seeds`."""
    log = [u for u in utterances(data, "train") if readable(u.text)]
    bench = Bench(model, log, utterances(data, "dev"), folder, device)
    found: dict[tuple[int, str], list[float]] = {}
    for seed in range(1, seeds + 1):
        for choice in get_args(Choice):
            for size, f1 in curve(bench, choice, seed, progress).items():
                found.setdefault((size, choice), []).append(f1)
    sizes = sorted({size for size, _ in found})
    return [
        {
            "labels": size,
            **{c: round(mean(found[size, c]), 3) if (size, c) in found else None for c in get_args(Choice)},
        }
        for size in sizes
    ]


def curve(bench: Bench, choice: Choice, seed: int, progress: Progress) -> dict[int, float]:
    """Number of labels -> entity F1 on the test; by lot for all labels that there are, too."""
    order = random.Random(seed).sample(list(bench.log), len(bench.log))
    labelled, found = order[:FIRST], dict[int, float]()
    llm: LocalLLM | None = None
    for size in (*SIZES, len(order)) if choice == "by lot" else SIZES:
        if choice == "by lot":
            labelled = order[:size]
        elif llm is not None:
            labelled = labelled + _asked(llm, order, labelled, size - len(labelled))
        llm = _learned(bench, [entities_example(one) for one in labelled], seed)
        if choice.endswith("self-training"):
            llm = _self_trained(bench, llm, order, labelled, seed)
        found[size] = entity_f1(
            [one.entities for one in bench.test], [pairs(value_of(p)) for p in _read(llm, bench.test)]
        )
        progress(f"{choice}, seed {seed}: {size} labels, F1 {found[size]:.3f}")
    return found


def _asked(llm: LocalLLM, log: Sequence[Utterance], labelled: Sequence[Utterance], count: int) -> list[Utterance]:
    """The messages to label next."""
    rest = _without(log, labelled)
    doubts = [_Doubted(one, doubt_of(pieces)) for one, pieces in zip(rest, _read(llm, rest), strict=True)]
    return [chosen.line for chosen in least_sure(doubts, [one.text for one in labelled], count)]


def _without(log: Sequence[Utterance], labelled: Sequence[Utterance]) -> list[Utterance]:
    known = {one.text for one in labelled}
    return [one for one in log if one.text not in known]


def _self_trained(
    bench: Bench, llm: LocalLLM, log: Sequence[Utterance], labelled: Sequence[Utterance], seed: int
) -> LocalLLM:
    """What is learned from the labels and from what `llm` is sure of."""
    rest = _without(log, labelled)
    sure = [
        Example("parse", _prompt(one), "".join(p.text for p in pieces))
        for one, pieces in zip(rest, _read(llm, rest), strict=True)
        if doubt_of(pieces) <= SURE
    ]
    return _learned(bench, [*(entities_example(one) for one in labelled), *sure], seed)


def _learned(bench: Bench, examples: Sequence[Example], seed: int) -> LocalLLM:
    """A model with an adapter that was trained on some examples alone."""
    shutil.rmtree(bench.folder, ignore_errors=True)
    bench.folder.mkdir(parents=True)
    steps_a_pass = max(1.0, len(examples) * TOKENS / Recipe.batch_tokens)
    recipe = Recipe(epochs=max(PASSES, STEPS / steps_a_pass), validate_every=10**9, seed=seed)
    trainer = Trainer(bench.model, recipe, bench.folder)
    trainer.train(examples, examples[:1], lambda progress: None)
    describe(bench.folder / "best", base=bench.model.name, fingerprint=trainer.fingerprint)
    return LocalLLM(bench.model, bench.folder / "best", bench.device)


def _read(llm: LocalLLM, lines: Sequence[Utterance]) -> list[list[Piece]]:
    """The model's answers about some utterances, piece by piece."""

    def one(line: Utterance) -> list[Piece]:
        return llm.spell_json(_prompt(line), entities_schema(readable(line.text)), max_tokens=MAX_TOKENS)

    with ThreadPoolExecutor(MOST_TOGETHER) as pool:
        return list(pool.map(one, lines))


def _prompt(line: Utterance) -> str:
    return render("entities", message=readable(line.text))
