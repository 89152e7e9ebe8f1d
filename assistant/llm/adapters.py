"""LoRA adapters on disk: which are there, what they were made for, whether one fits a base."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from assistant.llm.protocol import LLMError

SHIPPED = "gemma3-270m-shop"
DESCRIPTION = "adapter.json"
WEIGHTS = "adapter_model.safetensors"
_SHAPE = ("model_type", "hidden_size", "num_hidden_layers", "vocab_size")


@dataclass(frozen=True, slots=True)
class AdapterInfo:
    """What an adapter's own description says. `fingerprint` is that of the base it was trained on."""

    path: Path
    name: str
    base: str
    fingerprint: str
    recipe: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)


def shipped_adapters() -> Path:
    """The folder of adapters that come with the project."""
    spec = find_spec("adapters")  # a folder without Python in it
    if spec is None or not spec.submodule_search_locations:
        raise LLMError("the folder adapters/ is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def adapter_version(path: Path) -> str:
    """An adapter's name with the beginning of its weights' checksum: another after each training."""
    return f"{path.name}@{hashlib.sha256((path / WEIGHTS).read_bytes()).hexdigest()[:12]}"


def list_adapters(folder: Path | None = None) -> list[AdapterInfo]:
    """Every adapter in `folder`, the shipped ones by default, by name."""
    found = sorted((folder or shipped_adapters()).glob(f"*/{DESCRIPTION}"))
    return [describe_adapter(path.parent) for path in found]


def describe_adapter(path: Path) -> AdapterInfo:
    """The description in an adapter's folder. Raises `LLMError` where there is none."""
    try:
        raw = json.loads((path / DESCRIPTION).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise LLMError(f"{path} is not an adapter of daogou: {error}") from error
    return AdapterInfo(path, path.name, raw["base"], raw["fingerprint"], raw.get("recipe", {}), raw.get("scores", {}))


def fingerprint(network: Any) -> str:
    """Tells one base from another: its shape, and the scale of its last norm, which no two trainings share."""
    norm = network.base_model.norm.weight.detach().float().cpu().numpy()
    return _digest([getattr(network.config, name, None) for name in _SHAPE], norm)


def fingerprint_of_folder(model: Path) -> str | None:
    """The fingerprint of the model saved in a folder, read without loading it; None if there is none."""
    from safetensors import safe_open

    try:
        config = json.loads((model / "config.json").read_text("utf-8"))
    except OSError:
        return None
    for shard in sorted(model.glob("*.safetensors")):
        with safe_open(shard, framework="pt") as tensors:
            if name := next((n for n in tensors.keys() if n.endswith("model.norm.weight")), None):  # noqa: SIM118
                return _digest([config.get(n) for n in _SHAPE], tensors.get_tensor(name).float().numpy())
    return None


def _digest(shape: Sequence[Any], norm: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(json.dumps(shape).encode() + norm.tobytes()).hexdigest()[:16]


def check_fit(path: Path, network: Any, base: str) -> None:
    """Raise `LLMError` unless the adapter in `path` was made for `network`, called `base`."""
    info = describe_adapter(path)
    found = fingerprint(network)
    if info.fingerprint != found:
        raise LLMError(
            f"adapter {info.name!r} was made for {info.base} ({info.fingerprint}), not for {base} ({found}): "
            "train one with `daogou train parser`, or set DAOGOU_LLM_ADAPTER=none"
        )
