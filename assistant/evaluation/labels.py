"""How many labels does a parser need? Messages by lot -> those it is least sure of -> with those it is sure of, too.

The log is ec-ner-zh's train lines, real utterances whose labels are withheld until they are asked for; the test are its dev
lines. After each batch of labels an adapter is trained on all of them from nothing. Which are asked next is chosen as the
desk chooses (`assistant.labels`). Self-training (Yarowsky, "Unsupervised Word Sense Disambiguation Rivaling Supervised
Methods", 1995) takes the model's own reading of the messages that it is surest of as labels, and trains anew.
"""

import json
import random
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any, Literal, get_args

from assistant.evaluation.parser import entity_f1, pairs
from assistant.frame import entities_schema, readable
from assistant.labels import NOT_UNDERSTOOD, SURE, least_sure
from assistant.llm import LLMError
from assistant.llm.local import MOST_TOGETHER, LocalLLM
from assistant.llm.protocol import doubt_of
from assistant.training.card import describe
from assistant.training.examples import Example, entities_example
from assistant.training.lora import Recipe, Trainer
from assistant.training.open_data import Utterance, utterances

Choice = Literal["by lot", "least sure", "least sure + self-training"]
FIRST = 60  # labels, by lot in any case; then twice as many each time, the last by lot alone
PASSES = 5  # over what is learned from ...
STEPS = 100, 400  # ... but so many steps at least, and at most
BATCH_TOKENS = 256
TOKENS = 38  # of an utterance with its answer
MAX_TOKENS = 120
Progress = Callable[[str], Any]
Curve = dict[tuple[int, Choice], float]


@dataclass(frozen=True)
class Bench:
    """What is learned from, and where."""

    model: Path
    log: Sequence[Utterance]
    test: Sequence[Utterance]
    folder: Path
    device: str
    sizes: Sequence[int]


@dataclass(frozen=True)
class Read:
    """An utterance, what a model made of it, and how unsure it was."""

    line: Utterance
    answer: str
    doubt: float

    @property
    def text(self) -> str:
        return self.line.text


def run(
    model: Path, data: Path, folder: Path, device: str, most: int, seeds: int, progress: Progress
) -> list[dict[str, Any]]:
    """A row for each number of labels up to `most`: entity F1 by how they were chosen, the mean over `seeds`."""
    log = [u for u in utterances(data, "train") if readable(u.text)]
    bench = Bench(model, log, utterances(data, "dev"), folder, device, sizes_up_to(most))
    found = [curve(bench, seed, progress) for seed in range(1, seeds + 1)]
    return [
        {
            "labels": size,
            **{choice: _mean([c[size, choice] for c in found if (size, choice) in c]) for choice in get_args(Choice)},
        }
        for size in bench.sizes
    ]


def sizes_up_to(most: int) -> list[int]:
    """Twice as many labels each time.

    >>> sizes_up_to(300)
    [60, 120, 240]
    """
    return [FIRST * 2**power for power in range(most.bit_length()) if FIRST * 2**power <= most]


def curve(bench: Bench, seed: int, progress: Progress) -> Curve:
    """(number of labels, how they were chosen) -> entity F1 on the test."""
    order = random.Random(seed).sample(list(bench.log), len(bench.log))
    found: Curve = {}

    def learn(size: int, choice: Choice, examples: Sequence[Example]) -> LocalLLM:
        llm = _learned(bench, examples, seed)
        read = _read(llm, bench.test)
        found[size, choice] = entity_f1(
            [one.line.entities for one in read], [pairs(json.loads(one.answer)) for one in read]
        )
        progress(f"seed {seed}, {size} labels {choice}: F1 {found[size, choice]:.3f}")
        return llm

    for size in bench.sizes[1:]:
        learn(size, "by lot", _labels(order[:size]))
    labelled = order[: bench.sizes[0]]
    for size, more in pairwise(bench.sizes):
        read = _read(learn(size, "least sure", _labels(labelled)), _without(order, labelled))
        sure = [replace(entities_example(one.line), answer=one.answer) for one in read if one.doubt <= SURE]
        learn(size, "least sure + self-training", [*_labels(labelled), *sure])
        labelled = labelled + [one.line for one in least_sure(read, [one.text for one in labelled], more - size)]
    found[bench.sizes[0], "by lot"] = found[bench.sizes[0], "least sure"]
    return found


def _mean(values: Sequence[float]) -> float | None:
    return round(mean(values), 3) if values else None


def _labels(lines: Sequence[Utterance]) -> list[Example]:
    return [entities_example(one) for one in lines]


def _without(log: Sequence[Utterance], labelled: Sequence[Utterance]) -> list[Utterance]:
    known = {one.text for one in labelled}
    return [one for one in log if one.text not in known]


def _learned(bench: Bench, examples: Sequence[Example], seed: int) -> LocalLLM:
    """A model with an adapter that was trained on some examples alone."""
    shutil.rmtree(bench.folder, ignore_errors=True)
    bench.folder.mkdir(parents=True)
    steps_a_pass = max(1.0, len(examples) * TOKENS / BATCH_TOKENS)
    fewest, most = (steps / steps_a_pass for steps in STEPS)
    epochs = max(fewest, min(PASSES, most))
    recipe = Recipe(epochs=epochs, batch_tokens=BATCH_TOKENS, validate_every=10**9, seed=seed)
    trainer = Trainer(bench.model, recipe, bench.folder)
    trainer.train(examples, examples[:1], lambda progress: None)
    describe(bench.folder / "best", base=bench.model.name, fingerprint=trainer.fingerprint)
    return LocalLLM(bench.model, bench.folder / "best", bench.device)


def _read(llm: LocalLLM, lines: Sequence[Utterance]) -> list[Read]:
    """What the model makes of some utterances."""

    def one(line: Utterance) -> Read:
        try:
            prompt, schema = entities_example(line).prompt, entities_schema(readable(line.text))
            pieces = llm.spell_json(prompt, schema, max_tokens=MAX_TOKENS)
        except LLMError:  # it did not come to an end
            return Read(line, "{}", NOT_UNDERSTOOD)
        return Read(line, "".join(piece.text for piece in pieces), doubt_of(pieces))

    with ThreadPoolExecutor(MOST_TOGETHER) as pool:
        return list(pool.map(one, lines))
