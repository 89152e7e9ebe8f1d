"""Answers that a model in this process decodes together: each joins and leaves at any step."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import DynamicCache

from assistant.llm.grammar import Matcher
from assistant.llm.protocol import LLMError


class Answer:
    """A JSON answer on its way: `ids` are the prompt and what is decoded of it, `tokens` the latter alone."""

    def __init__(self, prompt: Sequence[int], matcher: Matcher, max_tokens: int) -> None:
        self.ids = list(prompt)
        self.matcher = matcher
        self.tokens: list[int] = []
        self.likely: list[float] = []
        self.error: LLMError | None = None
        self.is_over = False
        self._most = max_tokens
        self._forced()

    def take(self, token: int, probability: float) -> None:
        """Go on with a token, and with those that the grammar forces after it."""
        self._take([token], [probability])
        self._forced()

    def _forced(self) -> None:
        try:
            while not self.matcher.is_stopped() and (forced := self.matcher.compute_ff_tokens()):
                self._take(forced, [1.0] * len(forced))
            self.is_over = self.matcher.is_stopped()
            if not self.is_over and len(self.tokens) >= self._most:
                raise LLMError(f"the JSON answer did not end within {self._most} tokens")
        except LLMError as error:
            self.error, self.is_over = error, True

    def _take(self, tokens: list[int], likely: list[float]) -> None:
        self.matcher.consume(tokens)
        self.ids += tokens
        self.tokens += tokens
        self.likely += likely


class Batch:
    """Answers that go through the network together, each row from where its own tokens end.

    Rows are padded at the end of each step; the mask hides the padding, and positions count real tokens. What the prompts
    of those who join have in common with the one read last is not read again.
    """

    def __init__(self, network: Any) -> None:
        self._network = network
        self.rows: list[Answer] = []  # those that the cache holds, in its order
        self._read: list[int] = []  # tokens of each that the cache holds
        self._mask = torch.zeros(0, 0, dtype=torch.long, device=network.device)  # (B, L)
        self._cache: Any = DynamicCache()
        self._prompt: list[int] = []  # read last, with what the cache held of it: (keys, values) of each layer
        self._known: list[tuple[torch.Tensor, torch.Tensor]] = []

    def step(self, joining: Sequence[Answer]) -> Iterator[tuple[Answer, torch.Tensor]]:
        """Each unfinished row, with those that join, and the state (H,) after its last token."""
        self._leave()
        fresh = [row for row in joining if not row.is_over]
        old = list(zip(self.rows, self._forward(), strict=True)) if self.rows else []
        new: list[tuple[Answer, torch.Tensor]] = []
        if fresh:
            other = self._begun(fresh)
            new = list(zip(fresh, other._forward(), strict=True))
            self._prompt = fresh[0].ids[: other._read[0]]
            self._known = [(layer.keys[:1], layer.values[:1]) for layer in other._cache.layers]
            self._join(other)
        return iter(old + new)

    @torch.inference_mode()
    def _begun(self, fresh: list[Answer]) -> "Batch":
        """A batch of rows, of which what begins as the prompt that was read last is read already."""
        count, shared = len(fresh), _shared([self._prompt, *(row.ids[:-1] for row in fresh)])
        other = Batch(self._network)
        other.rows, other._read = fresh, [shared] * count
        other._mask = self._mask.new_ones(count, shared)
        if shared:
            for number, states in enumerate(self._known):
                keys, values = (s[:, :, :shared].expand(count, -1, -1, -1) for s in states)
                other._cache.update(keys, values, number)
        return other

    @torch.inference_mode()
    def _forward(self) -> torch.Tensor:
        """The state (B, H) after the last token of each row."""
        device = self._mask.device
        new = [row.ids[read:] for row, read in zip(self.rows, self._read, strict=True)]
        longest = max(map(len, new))
        ids = torch.tensor([own + [0] * (longest - len(own)) for own in new], device=device)  # (B, T)
        real = torch.tensor([[1] * len(own) + [0] * (longest - len(own)) for own in new], device=device)
        starts = torch.tensor(self._read, device=device)[:, None]
        positions = starts + (real.cumsum(dim=1) - 1).clamp(min=0)  # (B, T)
        self._mask = torch.cat([self._mask, real], dim=1)  # (B, L + T)
        states = self._network.base_model(
            ids, attention_mask=self._mask, position_ids=positions, cache=self._cache, use_cache=True
        ).last_hidden_state  # (B, T, H)
        self._read = [len(row.ids) for row in self.rows]
        last = torch.tensor([len(own) - 1 for own in new], device=device)
        found: torch.Tensor = states[torch.arange(len(new), device=device), last]
        return found

    def _leave(self) -> None:
        """Rows that are over leave, and with them the room that they took."""
        going = [n for n, row in enumerate(self.rows) if not row.is_over]
        if len(going) == len(self.rows):
            return
        self.rows, self._read = [self.rows[n] for n in going], [self._read[n] for n in going]
        if not going:
            self._cache, self._mask = DynamicCache(), self._mask.new_zeros(0, 0)
            return
        self._mask = self._mask[going]
        self._cache.batch_select_indices(torch.tensor(going, device=self._mask.device))
        length = int(self._mask.sum(dim=1).max())
        order = torch.argsort(self._mask, dim=1, descending=True, stable=True)[:, :length]  # real tokens first
        self._mask = self._mask.gather(1, order)
        for layer in self._cache.layers:
            where = order[:, None, :, None].expand(-1, layer.keys.shape[1], -1, layer.keys.shape[3])
            layer.keys, layer.values = layer.keys.gather(2, where), layer.values.gather(2, where)

    def _join(self, other: "Batch") -> None:
        """Take over another batch's rows."""
        if not self.rows:
            self.rows, self._read, self._mask, self._cache = other.rows, other._read, other._mask, other._cache
            return
        length = max(self._mask.shape[1], other._mask.shape[1])
        for mine, theirs in zip(self._cache.layers, other._cache.layers, strict=True):
            mine.keys = torch.cat([_longer(mine.keys, length), _longer(theirs.keys, length)])
            mine.values = torch.cat([_longer(mine.values, length), _longer(theirs.values, length)])
        masks = [torch.nn.functional.pad(m, (0, length - m.shape[1])) for m in (self._mask, other._mask)]
        self._mask = torch.cat(masks)
        self.rows, self._read = self.rows + other.rows, self._read + other._read


def _shared(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with."""
    return next(
        (n for n, tokens in enumerate(zip(*prompts, strict=False)) if len(set(tokens)) > 1), min(map(len, prompts))
    )


def _longer(states: torch.Tensor, length: int) -> torch.Tensor:
    """Keys or values (B, heads, L, D) with zeros after them, which the mask hides."""
    return torch.nn.functional.pad(states, (0, 0, 0, length - states.shape[2]))
