"""Which tokens of a prompt led to which part of an answer, by gradients through the network."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import log_softmax

Weights = npt.NDArray[np.float32]


def attribute(network: Any, prompt: Sequence[int], answer: Sequence[int], parts: Sequence[tuple[int, int]]) -> Weights:
    """How much each part of `answer`, a range of its tokens, hangs on each token of `prompt` (T,): (parts, T).

    The size of the gradient of the part's log-likelihood by a token's embedding, times the embedding (Shrikumar et al.,
    "Not Just a Black Box", 2016): what would change, to the first order, if the token said nothing.
    """
    ids = torch.tensor([[*prompt, *answer]], device=network.device)  # (1, T + A)
    with torch.enable_grad():
        read = network.get_input_embeddings()(ids).detach().requires_grad_()
        states = network.base_model(inputs_embeds=read, use_cache=False).last_hidden_state[0]
        first = len(prompt) - 1  # the state before a token foresees it
        scores = network.get_output_embeddings()(states[first : first + len(answer)])  # (A, V)
        likely = log_softmax(scores.float(), dim=1)[torch.arange(len(answer)), ids[0, len(prompt) :]]  # (A,)
        rows = []
        for start, end in parts:
            (slope,) = torch.autograd.grad(likely[start:end].sum(), read, retain_graph=True)
            rows.append((slope * read).float().sum(dim=2)[0, : len(prompt)].abs())
    return np.asarray(torch.stack(rows).detach().cpu().numpy(), dtype=np.float32)
