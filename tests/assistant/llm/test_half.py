"""Weights in half precision change what a network says by their last digits only."""

import copy
from typing import Any

import pytest
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from assistant.llm import LLMError
from assistant.llm.attribution import attribute
from assistant.llm.half import can_halve, halve
from assistant.llm.local import pick_precision

pytestmark = pytest.mark.skipif(not can_halve(), reason="the processor has no AVX2")
IDS = torch.tensor([[2, 17, 5, 99, 41, 7]])


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def networks(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """A small network with random weights, whole and halved."""
    torch.manual_seed(1)
    config = Gemma3TextConfig(
        vocab_size=300, hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=1, head_dim=16, tie_word_embeddings=request.param,
    )  # fmt: skip
    whole: Any = Gemma3ForCausalLM(config).eval().requires_grad_(False)
    half = copy.deepcopy(whole)
    halve(half)
    return whole, half


def test_scores_are_near_in_float32(networks: tuple[Any, Any]) -> None:
    whole, half = (network(IDS).logits for network in networks)
    assert half.dtype == torch.float32
    assert 0 < float((whole - half).abs().max()) < 0.005 * float(whole.abs().max())


def test_scores_of_one_state_are_those_of_many(networks: tuple[Any, Any]) -> None:
    _, half = networks
    many, last = half(IDS).logits[:, -1:], half(IDS, logits_to_keep=1).logits
    assert last.shape == many.shape
    assert float((many - last).abs().max()) < 0.01 * float(many.abs().max())


def test_every_weight_but_the_norms_is_in_half_precision(networks: tuple[Any, Any]) -> None:
    whole, half = networks
    assert not [m for m in half.modules() if isinstance(m, torch.nn.Linear)]
    assert {p.dtype for name, p in half.named_parameters() if "norm" not in name} == {torch.float16}
    rows = half.get_output_embeddings().weight
    assert torch.equal(rows, whole.get_output_embeddings().weight.half())
    assert (rows is half.get_input_embeddings().weight) == whole.config.tie_word_embeddings


def test_gradients_go_through_it(networks: tuple[Any, Any]) -> None:
    whole, half = (attribute(network, [2, 17, 5, 99], [41, 7], [(0, 1), (1, 2)]) for network in networks)
    assert whole.max() > 0
    assert abs(whole - half).max() < 0.02 * whole.max()


def test_the_fastest_that_the_processor_has_is_picked() -> None:
    cpu = torch.device("cpu")
    assert pick_precision("auto", cpu) in (torch.float16, torch.bfloat16)
    assert pick_precision("float32", cpu) == torch.float32
    with pytest.raises(LLMError, match="float16 is for CPUs with AVX2"):
        pick_precision("float16", torch.device("cuda"))
