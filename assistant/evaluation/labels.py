"""How many labels does a parser need? Messages by lot -> those it is least sure of -> with those it is sure of, too.

The shop is one whose department no training has seen (`assistant.evaluation.departments`); its log are messages in phrasings
that training never saw, their frames withheld until they are asked for, and so is the test. After each batch of labels the
adapter goes on from the one in use, as `daogou train parser --from-labels` does. Which are asked next is chosen as the desk
chooses (`assistant.labels`). Self-training (Yarowsky, "Unsupervised Word Sense Disambiguation Rivaling Supervised
Methods", 1995) takes the model's own reading of the messages that it is surest of as labels beside them.
"""

import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any, Literal, get_args

from assistant.drawing import draw_curves
from assistant.evaluation.departments import garage_shop, garage_turns
from assistant.evaluation.parser import Outcome, score, state_of
from assistant.frame import to_turn
from assistant.labels import NOT_UNDERSTOOD, SURE, Label, least_sure
from assistant.llm import LLMError
from assistant.llm.local import MOST_TOGETHER, LocalLLM
from assistant.llm.protocol import doubt_of, value_of
from assistant.parser import MAX_TOKENS, Parser, SchemaLine, active_of, shown, tuned_prompt
from assistant.schema import ShopSchema
from assistant.training.card import describe
from assistant.training.draft import Turn
from assistant.training.examples import label_examples, parse_example
from assistant.training.lora import Recipe, Trainer
from assistant.training.parser import keep_best
from assistant.training.turns import write_turns

Choice = Literal["by lot", "least sure", "least sure + self-training"]
FIRST = 20  # labels; then twice as many each time
TEST = 300  # messages
LEARNING_RATE = 2e-4
EPOCHS = 0.5
BATCH = 768  # padded tokens: few examples want many steps
WRITTEN = 600  # turns that are learned from beside the labels, so that what was known is not forgotten
Progress = Callable[[str], Any]
Curve = dict[tuple[int, Choice], float]


@dataclass(frozen=True)
class Bench:
    """What is learned from, and where: `start` is the adapter that training goes on from."""

    model: Path
    start: Path
    schema: SchemaLine
    log: Sequence[Turn]
    test: Sequence[Turn]
    folder: Path
    device: str


@dataclass(frozen=True)
class Read:
    """A message, the frame that a model made of it, and how unsure it was."""

    turn: Turn
    frame: dict[str, Any]
    doubt: float

    @property
    def text(self) -> str:
        return self.turn.text


def run(
    model: Path, start: Path, folder: Path, device: str, log: int, most: int, seeds: int, progress: Progress
) -> list[dict[str, Any]]:
    """A row for each number of labels up to `most` of a log of `log` messages: slot F1 by how they were chosen, the mean
    over `seeds`; the shop and adapters are made in `folder`."""
    turns = garage_turns(log + TEST)
    schema = ShopSchema(garage_shop(folder)).line
    bench = Bench(model, start, schema, turns[TEST:], turns[:TEST], folder / "adapter", device)
    sizes = sizes_up_to(most)
    found = [curve(bench, sizes, seed, progress) for seed in range(1, seeds + 1)]
    return [
        {
            "labels": size,
            **{choice: _mean([c[size, choice] for c in found if (size, choice) in c]) for choice in get_args(Choice)},
        }
        for size in sizes
    ]


def sizes_up_to(most: int) -> list[int]:
    """None, and twice as many labels each time.

    >>> sizes_up_to(100)
    [0, 20, 40, 80]
    """
    return [0, *(FIRST * 2**power for power in range(most.bit_length()) if FIRST * 2**power <= most)]


def curve(bench: Bench, sizes: Sequence[int], seed: int, progress: Progress) -> Curve:
    """(number of labels, how they were chosen) -> slot F1 on the test; the last number by lot alone."""
    order = random.Random(seed).sample(list(bench.log), len(bench.log))
    found: Curve = {}

    def learn(size: int, choice: Choice, turns: Sequence[Turn], sure: Sequence[Read] = ()) -> LocalLLM:
        llm = _learned(bench, turns, sure, seed) if turns else LocalLLM(bench.model, bench.start, bench.device)
        found[size, choice] = slot_f1(_read(llm, bench.schema, bench.test))
        progress(f"seed {seed}, {size} labels {choice}: F1 {found[size, choice]:.3f}")
        return llm

    for size in sizes[1:]:
        learn(size, "by lot", order[:size])
    labelled: list[Turn] = []
    for size, more in pairwise(sizes):
        llm = learn(size, "least sure", labelled)
        read = _read(llm, bench.schema, [turn for turn in order if turn not in labelled])
        if labelled:
            learn(size, "least sure + self-training", labelled, [one for one in read if one.doubt <= SURE])
        labelled += [one.turn for one in least_sure(read, [turn.text for turn in labelled], more - size)]
    found[0, "by lot"] = found[0, "least sure"]
    return found


def slot_f1(read: Sequence[Read]) -> float:
    """Of slots and their values, in both languages."""
    outcomes = [Outcome(o.turn, to_turn(o.turn.frame, o.text), to_turn(o.frame, shown(o.text)), 0.0) for o in read]
    return float(score(outcomes)["slot_f1"])


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """The curve as a picture."""
    lines = dict(zip(get_args(Choice), ("#999", "#36c", "#c63"), strict=True))
    draw_curves(rows, "labels", lines, path, xlabel="labels", ylabel="slot F1 on messages of the log's kind")


def _mean(values: Sequence[float]) -> float | None:
    return round(mean(values), 3) if values else None


def _learned(bench: Bench, turns: Sequence[Turn], sure: Sequence[Read], seed: int) -> LocalLLM:
    """The adapter in use after it has learned from labels, and from what it was sure of."""
    shutil.rmtree(bench.folder, ignore_errors=True)
    bench.folder.mkdir(parents=True)
    own = label_examples([_label(t, t.frame) for t in turns], [_label(o.turn, o.frame) for o in sure], bench.schema)
    examples = [*own, *(parse_example(turn) for turn in write_turns(WRITTEN, seed))]
    recipe = Recipe(learning_rate=LEARNING_RATE, epochs=EPOCHS, batch_tokens=BATCH, validate_every=10**9, seed=seed)
    trainer = Trainer(bench.model, recipe, bench.folder, bench.start)
    trainer.train(examples, examples[:1], lambda progress: None)
    keep_best(bench.folder / "best", bench.folder, str(bench.model), bench.start)
    describe(bench.folder, base=bench.model.name, fingerprint=trainer.fingerprint)
    return LocalLLM(bench.model, bench.folder, bench.device)


def _label(turn: Turn, frame: Mapping[str, Any]) -> Label:
    return Label(shown(turn.text), active_of(state_of(turn)), frame)


def _read(llm: LocalLLM, schema: SchemaLine, turns: Sequence[Turn]) -> list[Read]:
    """What the model makes of some messages."""
    parser = Parser(llm, tuned_prompt, schema)

    def one(turn: Turn) -> Read:
        try:
            pieces = llm.spell_json(*parser.request(shown(turn.text), state_of(turn)), max_tokens=MAX_TOKENS)
        except LLMError:  # it did not come to an end
            return Read(turn, {"intent": "other"}, NOT_UNDERSTOOD)
        return Read(turn, value_of(pieces), doubt_of(pieces))

    with ThreadPoolExecutor(MOST_TOGETHER) as pool:
        return list(pool.map(one, turns))
