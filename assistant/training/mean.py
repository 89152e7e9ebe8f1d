"""The mean of adapters: runs that began at the same weights and went different ways do better together than any alone.

After Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing
inference time", 2022.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assistant.llm import LLMError
from assistant.llm.adapters import WEIGHTS, describe_adapter
from assistant.training.card import describe, origin, run_of


def mean_adapter(parts: Sequence[Path], out: Path) -> None:
    """Leave the mean of the adapters in the folders `parts` in `out`, with a card that tells what each of them is.

    Raises `LLMError` where they are of other bases or shapes.
    """
    from safetensors.torch import load_file

    first, *others = [describe_adapter(part) for part in parts]
    for other in others:
        if other.fingerprint != first.fingerprint:
            raise LLMError(f"{other.path} was made for {other.base}, {first.path} for {first.base}")
    weights = [load_file(part / WEIGHTS) for part in parts]
    for part, own in zip(parts, weights, strict=True):
        if {n: t.shape for n, t in own.items()} != {n: t.shape for n, t in weights[0].items()}:
            raise LLMError(f"{part} is of another rank, or of other layers, than {parts[0]}")
    out.mkdir(parents=True, exist_ok=True)
    save_weights(mean_of(weights), out)
    shutil.copy(parts[0] / "adapter_config.json", out)
    start = origin(parts[0]).get("start", {})
    runs = [run_of(part) for part in parts]
    describe(out, base=first.base, fingerprint=first.fingerprint, runs=runs, start=start, scores=[])


def mean_of(weights: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mean of tensors of the same names, in single precision."""
    return {name: sum(own[name].float() for own in weights) / len(weights) for name in weights[0]}


def save_weights(weights: Mapping[str, Any], out: Path) -> None:
    """Write an adapter's weights in half precision: half the size, no frame changed."""
    from safetensors.torch import save_file

    save_file({name: tensor.half() for name, tensor in weights.items()}, out / WEIGHTS, {"format": "pt"})
