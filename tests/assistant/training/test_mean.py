from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from assistant.llm import LLMError
from assistant.llm.adapters import WEIGHTS
from assistant.training.card import describe, origin
from assistant.training.mean import mean_adapter


def adapter(folder: Path, value: float, seed: int, fingerprint: str = "base", rank: int = 2) -> Path:
    """An adapter of one matrix, with a card."""
    folder.mkdir()
    save_file({"layer.lora_A.weight": torch.full((rank, 3), value)}, folder / WEIGHTS)
    (folder / "adapter_config.json").write_text("{}")
    origin = {"adapter": "origin", "recipe": {"seed": 1}}
    describe(folder, base=fingerprint, fingerprint=fingerprint, recipe={"seed": seed}, start=origin, scores=[])
    return folder


def test_weights_are_averaged_and_the_card_tells_of_every_run(tmp_path: Path) -> None:
    parts = [adapter(tmp_path / f"run-{n}", float(n), seed=10 + n) for n in (1, 2, 6)]
    out = tmp_path / "mean"
    mean_adapter(parts, out)
    assert load_file(out / WEIGHTS)["layer.lora_A.weight"].tolist() == [[3.0] * 3] * 2
    card = (out / "README.md").read_text()
    assert "| pass | 1 | 2a | 2b | 2c |" in card
    assert "| seed | 1 | 11 | 12 | 16 |" in card
    assert (out / "adapter_config.json").exists()


def test_what_goes_on_from_a_mean_tells_of_its_runs(tmp_path: Path) -> None:
    out = tmp_path / "mean"
    mean_adapter([adapter(tmp_path / "run-1", 1.0, seed=11), adapter(tmp_path / "run-2", 2.0, seed=12)], out)
    describe(tmp_path, base="base", fingerprint="base", recipe={"seed": 20}, start=origin(out), scores=[])
    assert "| seed | 1 | 11 | 12 | 20 |" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(("other", "said"), [({"fingerprint": "odd"}, "made for odd"), ({"rank": 4}, "another rank")])
def test_what_does_not_go_together_is_refused(tmp_path: Path, other: dict[str, object], said: str) -> None:
    parts = [adapter(tmp_path / "one", 1.0, 1), adapter(tmp_path / "two", 2.0, 2, **other)]  # type: ignore[arg-type]
    with pytest.raises(LLMError, match=said):
        mean_adapter(parts, tmp_path / "mean")
    assert not (tmp_path / "mean").exists()
