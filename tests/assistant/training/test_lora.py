"""The training loop, on a base too small to be useful but of the real kind and with the real tokenizer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assistant.llm import LLMError
from assistant.llm.adapters import check_fit, describe_adapter, fingerprint_of_folder, list_adapters
from assistant.training.examples import Amounts, Example, training_examples
from assistant.training.lora import Encoded, Progress, Recipe, Trainer, can_compile, encode
from assistant.training.parser import train_parser
from assistant.training.turns import write_turns

pytestmark = pytest.mark.model
RECIPE = Recipe(rank=2, alpha=4, batch_tokens=256, validate_every=3, epochs=1)
EXAMPLES = [
    Example("parse", f"Parse\nActive: nothing\nMessage: red hat {n}\n", '{"mood":0,"intent":"find"}') for n in range(60)
]
TEXTS = [Example("explain", f"Explain\nFacts: hat {n}\n", f"Hat {n} is red.") for n in range(20)]


def weights(folder: Path) -> dict[str, Any]:
    import torch

    state: dict[str, Any] = torch.load(folder / "checkpoint.pt", weights_only=True)["adapter"]
    return state


def train(tiny_base: Path, folder: Path, steps: int | None = None, recipe: Recipe = RECIPE) -> Progress:
    """Train until done, or break off after `steps` as a killed process would."""
    folder.mkdir(exist_ok=True)

    def report(progress: Progress) -> None:
        if progress.step == steps:
            raise KeyboardInterrupt

    return Trainer(tiny_base, recipe, folder).train([*EXAMPLES, *TEXTS], EXAMPLES[:10], report)


def test_a_run_that_was_cut_off_goes_on_to_the_same_weights(tiny_base: Path, tmp_path: Path) -> None:
    import torch

    whole = train(tiny_base, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tiny_base, tmp_path / "cut", steps=4)
    resumed = train(tiny_base, tmp_path / "cut")
    assert whole.history == resumed.history
    a, b = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_it_learns(tiny_base: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, rank=8, alpha=16, epochs=15, learning_rate=0.01, patience=1_000)
    history = train(tiny_base, tmp_path / "run", recipe=recipe).history
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]


@pytest.mark.skipif(not can_compile(), reason="no C++ compiler, or a Python without its headers")
def test_compiled_layers_learn_the_same(tiny_base: Path, tmp_path: Path) -> None:
    plain = train(tiny_base, tmp_path / "plain").history
    compiled = train(tiny_base, tmp_path / "compiled", recipe=replace(RECIPE, compiled=True)).history
    assert [row["loss"] for row in compiled] == pytest.approx([row["loss"] for row in plain], rel=0.01)


def test_compiling_without_a_compiler_says_what_is_missing(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LLMError, match="C\\+\\+ compiler"):
        Trainer(tiny_base, replace(RECIPE, compiled=True), tmp_path)


def test_another_recipe_does_not_go_on_with_a_run(tiny_base: Path, tmp_path: Path) -> None:
    train(tiny_base, tmp_path / "run")
    with pytest.raises(LLMError, match="another recipe"):
        train(tiny_base, tmp_path / "run", recipe=Recipe(rank=4))


def test_a_base_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises((LLMError, OSError), match="no-such-base"):
        Trainer(tmp_path / "no-such-base", RECIPE, tmp_path)


def test_only_answers_are_learned(tiny_base: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    parse, text = encode(tokenizer, EXAMPLES[0]), encode(tokenizer, TEXTS[0])
    assert isinstance(parse, Encoded)
    assert tokenizer.decode(parse.ids[parse.start :]) == EXAMPLES[0].answer
    assert text.ids[-1] == tokenizer.eos_token_id


def test_the_recipe_leaves_a_described_adapter_that_fits_its_base_alone(tiny_base: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    out = tmp_path / "adapters" / "tiny-shop"
    amounts = Amounts(turns=400, captions=20, reviews=20, briefs=10, shop_turns=0)
    recipe = Recipe(rank=2, alpha=4, batch_tokens=4_096, validate_every=100, epochs=0.2)
    train_parser(tiny_base, out, recipe, amounts, {}, None, lambda progress: None)
    assert [a.name for a in list_adapters(tmp_path / "adapters")] == ["tiny-shop"]
    assert describe_adapter(out).recipe["rank"] == 2
    assert (out / "curve.png").stat().st_size > 1_000
    assert str(tiny_base.parent) not in (out / "README.md").read_text() + (out / "adapter_config.json").read_text()
    network = AutoModelForCausalLM.from_pretrained(tiny_base)
    check_fit(out, network, "tiny")
    assert fingerprint_of_folder(tiny_base) == describe_adapter(out).fingerprint
    network.base_model.norm.weight.data += 1
    with pytest.raises(LLMError, match=r"'tiny-shop' was made for tiny .* not for other"):
        check_fit(out, network, "other")


def test_the_training_set_has_every_task() -> None:
    examples = training_examples(
        Amounts(turns=200, captions=20, reviews=20, briefs=10, goods=20, shop_turns=120), 1, {}, None
    )
    assert {e.task for e in examples} == {"parse", "explain", "review", "brief", "attributes"}
    assert len({(e.prompt, e.answer) for e in examples}) > 0.95 * len(examples)
    assert write_turns(10, 1) == write_turns(10, 1)


def test_training_goes_on_from_an_adapter(tiny_base: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    amounts = Amounts().scaled(0.01)
    recipe = replace(RECIPE, batch_tokens=4_096, validate_every=100)
    train_parser(tiny_base, first, recipe, amounts, {}, None, lambda progress: None)
    idle = replace(recipe, learning_rate=0.0)
    train_parser(tiny_base, second, idle, amounts, {}, None, lambda progress: None, start=first)
    from safetensors.torch import load_file

    was, now = (load_file(folder / "adapter_model.safetensors") for folder in (first, second))
    assert all((was[name] == now[name]).all() for name in was)
    assert "| --start |  | first |" in (second / "README.md").read_text()
    with pytest.raises(LLMError, match="cannot go on from adapter"):
        train_parser(
            tiny_base, tmp_path / "other", replace(idle, rank=4), amounts, {}, None, lambda p: None, start=first
        )
