"""What comes next: a self-attentive network over a shopper's sequence of products, as it is trained.

After Kang & McAuley, "Self-Attentive Sequential Recommendation" (SASRec), 2018. Changed: the loss is a
softmax over all products in place of one sampled negative (Klenitskiy & Vasilev, "Turning Dross Into Gold
Loss", 2023); positions are a learned bias by distance, so that a short history and the end of a long one
look alike; a product's vector is its own plus a projection of its content, and its own is left out at
random while training (Volkovs et al., "DropoutNet", 2017), so that a product nobody met yet has a place.
What was learned is scored with in `assistant.ranking.sequence`, without torch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import (
    cosine_similarity,
    cross_entropy,
    embedding_bag,
    log_softmax,
    scaled_dot_product_attention,
)

from assistant.ranking.behaviour import Floats, Ints
from assistant.ranking.sequence import SequenceModel, SequenceRecipe

PAD = -1


class SequenceNetwork(nn.Module):
    """Scores every product as the next one.

    Args:
        products: how many there are.
        content: dense or sparse (products, features), or None.
    """

    def __init__(self, products: int, content: Any, recipe: SequenceRecipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.own = nn.Embedding(products + 1, recipe.dim)  # the last one is the mask of pre-training
        nn.init.normal_(self.own.weight, std=0.02)
        kind = _Dense if isinstance(content, np.ndarray) else _Sparse
        self.content = None if content is None else kind(content, recipe.dim)
        self.known = nn.Buffer(torch.ones(products, 1))  # 0 for products that training never met
        self.blocks = nn.ModuleList(_Block(recipe) for _ in range(recipe.layers))
        self.before, self.after = nn.Dropout(recipe.dropout), nn.LayerNorm(recipe.dim)
        self._learned: torch.Tensor | None = None  # the vectors, as long as nothing is learned
        self.register_load_state_dict_post_hook(lambda *_: self._forget())  # type: ignore[no-untyped-call]

    def train(self, mode: bool = True) -> "SequenceNetwork":
        """Learning changes the vectors of the products."""
        if mode:
            self._forget()
        return super().train(mode)

    def _forget(self) -> None:
        self._learned = None

    def vectors(self) -> torch.Tensor:
        """Vectors of all products (P, D)."""
        own = self.own.weight[:-1] * self.known
        if self.content is None:
            return own
        if self.training and self.recipe.own_dropout:
            own = own * (torch.rand(len(own), 1, device=own.device) >= self.recipe.own_dropout)
        vectors: torch.Tensor = own + self.content()
        return vectors

    def states(self, histories: torch.Tensor, vectors: torch.Tensor, causal: bool = True) -> torch.Tensor:
        """What the shopper is up to after each of the products in `histories` (B, T), padded behind: (B, T, D)."""
        padded = histories == PAD
        masked = histories == len(vectors)
        met = torch.where(masked[:, :, None], self.own.weight[-1], vectors[histories.clamp(0, len(vectors) - 1)])
        x = self.before(met * self.recipe.dim**0.5)
        length = histories.shape[1]
        distance = torch.arange(length)[:, None] - torch.arange(length)[None, :]  # (T, T)
        hidden = (distance < 0)[None] if causal else padded[:, None, :].expand(-1, length, -1)
        for block in self.blocks:
            x = block(x, distance.abs(), hidden[:, None])
        states: torch.Tensor = self.after(x)
        return states

    def loss(self, histories: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of each product of `histories` (B, T) after those before it."""
        vectors = self.vectors()
        states = self.states(histories[:, :-1], vectors)
        wanted = histories[:, 1:]
        there = wanted != PAD
        return cross_entropy(states[there] @ vectors.T, wanted[there])

    def masked_loss(self, histories: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Pre-training: hidden products, and what they are like, out of those around them.

        The masked-item and masked-attribute tasks of Zhou et al., "S3-Rec: Self-Supervised Learning for
        Sequential Recommendation", 2020.
        """
        vectors = self.vectors()
        there = histories != PAD
        hide = (torch.rand(histories.shape, generator=generator) < self.recipe.masked) & there
        hide[torch.arange(len(histories)), there.sum(dim=1) - 1] = True  # at least the last
        shown = histories.masked_fill(hide, len(vectors))
        states = self.states(shown, vectors, causal=False)
        loss = cross_entropy(states[hide] @ vectors.T, histories[hide])
        if self.content is not None and self.recipe.attributes:
            loss = loss + self.recipe.attributes * self.content.loss(states[hide], histories[hide])
        return loss

    def weights(self) -> dict[str, Floats]:
        """Everything that was learned, by name."""
        return {name: tensor.detach().numpy().copy() for name, tensor in self.state_dict().items()}

    def take(self, weights: Mapping[str, Floats]) -> None:
        """Go on from such weights, which are copied."""
        self.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})

    def learned(self) -> SequenceModel:
        """What was learned, for scoring; only what is told of products by a dense array goes along."""
        content = self.content.content.numpy() if isinstance(self.content, _Dense) else None
        return SequenceModel(self.recipe, self.weights(), content)

    @torch.inference_mode()
    def score(self, histories: Sequence[Ints]) -> Floats:
        """Scores (B, P) of every product as the next one; an empty history scores all alike."""
        if self.training:
            self.eval()
        scores = np.zeros((len(histories), len(self.known)), dtype=np.float32)
        rows = [at for at, history in enumerate(histories) if len(history)]
        if rows:
            padded = pad([histories[at] for at in rows], self.recipe.length)
            if self._learned is None:
                self._learned = self.vectors()
            vectors = self._learned
            last = (padded != PAD).sum(dim=1) - 1
            states = self.states(padded, vectors)[torch.arange(len(rows)), last]  # (B, D)
            scores[rows] = (states @ vectors.T).numpy()
        return scores


class _Dense(nn.Module):
    """Projects what products are like, an array (P, F), to vectors (P, D)."""

    def __init__(self, content: Floats, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(content.shape[1], dim) * 0.02)
        # Not part of the weights: whoever loads them gives the content again.
        self.content = nn.Buffer(torch.from_numpy(content.astype(np.float32)), persistent=False)

    def forward(self) -> torch.Tensor:
        return self.content @ self.weight

    def loss(self, states: torch.Tensor, products: torch.Tensor) -> torch.Tensor:
        """How far the content foreseen from `states` (N, D) is from that of `products` (N,): 1 - cosine."""
        return (1 - cosine_similarity(states @ self.weight.T, self.content[products])).mean()


class _Sparse(nn.Module):
    """The same from a sparse matrix."""

    def __init__(self, content: Any, dim: int) -> None:
        super().__init__()
        rows = content.tocsr()
        self.weight = nn.Parameter(torch.randn(content.shape[1], dim) * 0.02)
        self.starts = nn.Buffer(torch.from_numpy(rows.indptr[:-1].astype(np.int64)), persistent=False)
        self.features = nn.Buffer(torch.from_numpy(rows.indices.astype(np.int64)), persistent=False)
        self.values = nn.Buffer(torch.from_numpy(rows.data.astype(np.float32)), persistent=False)

    def forward(self) -> torch.Tensor:
        return embedding_bag(self.features, self.weight, self.starts, mode="sum", per_sample_weights=self.values)

    def loss(self, states: torch.Tensor, products: torch.Tensor) -> torch.Tensor:
        """Cross-entropy of the attributes foreseen from `states` (N, D) with those of `products` (N,)."""
        chances = log_softmax(states @ self.weight.T, dim=1)  # (N, F)
        ends = torch.cat([self.starts[1:], torch.tensor([len(self.features)])])
        lengths = (ends - self.starts)[products]
        row = torch.repeat_interleave(torch.arange(len(products)), lengths)
        first = torch.cumsum(lengths, 0) - lengths
        at = torch.arange(len(row)) - first[row] + self.starts[products][row]
        return -(chances[row, self.features[at]] * self.values[at]).sum() / max(1, len(products))


class _Block(nn.Module):
    """Attention and a feed-forward layer, each after a norm and beside a way round."""

    def __init__(self, recipe: SequenceRecipe) -> None:
        super().__init__()
        dim = recipe.dim
        self.heads = recipe.heads
        self.norm, self.inside, self.outside = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.bias = nn.Parameter(torch.zeros(recipe.heads, recipe.length + 1))  # by distance
        self.forward_norm, self.dropout = nn.LayerNorm(dim), nn.Dropout(recipe.dropout)
        self.wide = nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Dropout(recipe.dropout), nn.Linear(4 * dim, dim)
        )

    def forward(self, x: torch.Tensor, distance: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """(B, T, D) to (B, T, D); `hidden` (B or 1, 1, T, T) is what may not be looked at."""
        batch, length, dim = x.shape
        parts = self.inside(self.norm(x)).view(batch, length, 3, self.heads, dim // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (B, H, T, D/H)
        bias = self.bias[:, distance][None].masked_fill(hidden, -1e9)
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=bias.expand(batch, -1, -1, -1))
        x = x + self.dropout(self.outside(mixed.transpose(1, 2).reshape(batch, length, dim)))
        wide: torch.Tensor = self.dropout(self.wide(self.forward_norm(x)))
        return x + wide


def pad(histories: Sequence[Ints], length: int) -> torch.Tensor:
    """The latest `length` products of each history as one (B, T) tensor, padded behind."""
    cut = [history[-length:] for history in histories]
    padded = torch.full((len(cut), max(len(h) for h in cut)), PAD, dtype=torch.long)
    for row, history in enumerate(cut):
        padded[row, : len(history)] = torch.from_numpy(np.ascontiguousarray(history))
    return padded
