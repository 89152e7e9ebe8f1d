"""Weights that a CPU keeps in float16 and computes with in float32: half as much to read for each token.

FBGEMM widens them in its registers (Khudia et al., "FBGEMM: Enabling High-Performance Low-Precision Deep Learning
Inference", 2021), so that only the weights lose digits, and what goes through them does not.
"""

from typing import Any

import torch


def can_halve() -> bool:
    """Whether this processor has the instructions for it (AVX2)."""
    return "fbgemm" in torch.backends.quantized.supported_engines


def halve(network: Any) -> None:
    """Keep the linear layers and the embeddings of a causal language model in float16, in their place.

    What the layers take and give stays float32.
    """
    head = network.get_output_embeddings()
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, torch.nn.Linear):
                setattr(parent, name, HalfOutput(layer) if layer is head else HalfLinear(layer))
    for embedding in (network.get_input_embeddings(), network.get_output_embeddings()):
        embedding.half()
    network.get_input_embeddings().register_forward_hook(lambda _module, _ids, states: states.float())


class HalfLinear(torch.nn.Module):
    """A linear layer in float16, for inputs (..., H) and outputs (..., O) in float32."""

    def __init__(self, layer: torch.nn.Linear) -> None:
        super().__init__()
        self._packed = torch.ops.quantized.linear_prepack_fp16(layer.weight.detach(), layer.bias)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        # To keep what a gradient needs takes a quarter of a step that needs none.
        multiply: Any = _Product.apply if states.requires_grad else torch.ops.quantized.linear_dynamic_fp16
        product: torch.Tensor = multiply(states, self._packed)
        return product


class HalfOutput(torch.nn.Module):
    """The output layer in float16. Its rows are those of the embeddings still, where the model ties them.

    FBGEMM would be twice as fast, and take half a gigabyte for a copy of 262,144 rows. One state (1, H) is multiplied
    in float16: its scores (1, V) are near, not exact.
    """

    def __init__(self, layer: torch.nn.Linear) -> None:
        super().__init__()
        self.weight = layer.weight

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        if states.shape[:-1].numel() == 1:
            scores = (self.weight @ states.flatten().half()).float()
            return scores.reshape(*states.shape[:-1], -1)
        return states @ self.weight.float().T


class _Product(torch.autograd.Function):
    """The layer's product with its gradient by the input, which FBGEMM does not bring."""

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, packed: Any) -> Any:
        ctx.packed = packed
        return torch.ops.quantized.linear_dynamic_fp16(states, packed)

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> Any:
        weight, _ = torch.ops.quantized.linear_unpack_fp16(ctx.packed)
        return slope @ weight, None
