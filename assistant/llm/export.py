"""A model as other servers take it: vLLM, transformers serve, llama.cpp's converter."""

import shutil
from pathlib import Path
from typing import Any

from assistant.llm.local import merged_network
from assistant.llm.protocol import LLMError

# A message is the whole prompt, behind the mark that texts began with in training.
TEMPLATE = "{{ bos_token }}{% for message in messages %}{{ message['content'] }}{% endfor %}"


def export(model: str | Path, adapter: Path | None, folder: Path, merge: bool) -> None:
    """Write the model, with a chat template that adds nothing, into a new `folder`.

    With `merge` the adapter's weights are added to the model's; without, it lies in `folder/adapter`, for servers that
    load adapters by themselves, and the model in `folder/base`. Raises `LLMError`.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    causal: Any = AutoModelForCausalLM
    if folder.exists() and any(folder.iterdir()):
        raise LLMError(f"{folder} is not empty")
    target = folder if merge else folder / "base"
    try:
        # Sums are made in float32: in bfloat16 they lose part of what the adapter adds.
        network: Any = causal.from_pretrained(model, dtype=torch.float32 if merge else "auto")
        tokenizer = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise LLMError(f"cannot load the language model {str(model)!r}: {error}") from error
    if adapter is not None and merge:
        network = merged_network(network, adapter, str(model))
    network.save_pretrained(target)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(target)
    if adapter is not None and not merge:
        shutil.copytree(adapter, folder / "adapter")
