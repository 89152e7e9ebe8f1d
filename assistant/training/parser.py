"""The recipe of the shipped adapter: write the data, train, keep the best, describe it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from assistant.llm.adapters import WEIGHTS
from assistant.llm.local import describe_device
from assistant.training.card import describe, draw_curve, origin
from assistant.training.examples import Amounts, Example, parse_example, training_examples
from assistant.training.lexicon import Lexicon
from assistant.training.lora import Progress, Recipe, Report, Trainer
from assistant.training.mean import mean_of, save_weights
from assistant.training.turns import write_turns
from catalog.types import Language

VALIDATION_SEED = 1_000_003  # the turns are drawn apart from the training's and the test's
VALIDATION = 600  # held-out turns looked at during training


def train_parser(
    model: str | Path,
    out: Path,
    recipe: Recipe,
    amounts: Amounts,
    lexicons: Mapping[Language, Lexicon],
    data: Path | None,
    report: Report,
    start: Path | None = None,
    own: Sequence[Example] = (),
) -> Progress:
    """Train an adapter for `model` and leave the best in `out`; a run that was cut off is gone on with.

    It learns from the shop's `own` examples as well.

    With `start` the weights begin as those of that adapter, not as none, and, unless the recipe says otherwise, what
    is left is the mean of where they began and where they ended, which can do better on new phrasings than either
    (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022). Raises `LLMError` where the base is not there or
    memory runs out.
    """
    scratch = out / "run"
    scratch.mkdir(parents=True, exist_ok=True)
    examples = training_examples(amounts, recipe.seed, lexicons, data, own)
    held_out = [parse_example(t) for t in write_turns(VALIDATION, VALIDATION_SEED, lexicons, held_out=True)]
    trainer = Trainer(model, recipe, scratch, start)
    progress = trainer.train(examples, held_out, report)
    keep_best(scratch / "best", out, str(model), start if recipe.mean else None)
    draw_curve(progress.history, out / "curve.png")
    describe(
        out,
        base=Path(model).name if Path(model).is_dir() else str(model),
        fingerprint=trainer.fingerprint,
        data=count_examples(examples, data),
        recipe=asdict(recipe),
        run={
            "device": describe_device(),
            "steps": progress.step,
            "minutes": round(progress.seconds / 60),
            "best frame accuracy": round(progress.best, 3),
        },
        start=origin(start) if start else {},
        scores=[],
    )
    return progress


def keep_best(best: Path, out: Path, model: str, start: Path | None = None) -> None:
    """Move the best weights up, or their mean with those of `start`.

    The base is named as others know it, not by this machine's path to it.
    """
    from safetensors.torch import load_file

    save_weights(mean_of([load_file(folder / WEIGHTS) for folder in (best, start) if folder is not None]), out)
    config = json.loads((best / "adapter_config.json").read_text("utf-8"))
    config["base_model_name_or_path"] = Path(model).name if Path(model).is_dir() else model
    (out / "adapter_config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", "utf-8")


def count_examples(examples: Sequence[Example], data: Path | None) -> dict[str, int]:
    """How many examples there are of each task, and how many of them come out of open sets."""
    counts: dict[str, int] = dict(Counter(e.task for e in examples))
    counts["of these, told with a shop's schema"] = sum("\nShop: " in e.prompt for e in examples)
    if data is not None:
        counts["of these, ec-ner-zh train"] = len([e for e in examples if e.prompt.startswith("Entities")])
        counts["of these, zh-reviews (polarity only)"] = len([e for e in examples if e.given])
    return counts
