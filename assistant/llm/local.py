"""A language model in this process: transformers, with a LoRA adapter merged in by peft."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from assistant.llm.adapters import check_fit
from assistant.llm.protocol import LLMError, Piece, until_stop, value_of
from assistant.process import trim

# Below this many allowed tokens, multiplying their rows of the output layer alone is cheaper
# than the whole layer (262,144 rows in the embedded model, most of its cost per token).
SLICED_OUTPUT = 32_768
MOST_TOGETHER = 8  # JSON answers decoded at once


def pick_device(wanted: str = "auto") -> torch.device:
    """`auto` is CUDA when there, else the CPU; anything else is a torch device name."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.device(wanted)
    except RuntimeError as error:
        raise LLMError(f"device {wanted!r} is not one that torch knows: {error}") from error


class LocalLLM:
    """Greedy decoding with a prefix cache and, for JSON, a grammar that masks the output layer.

    Args:
        model: a directory or hub id of a causal language model.
        adapter: a directory with LoRA weights made for that model, or None.
        device: `auto`, `cpu`, `cuda`, ...; on CUDA the weights are bfloat16, on the CPU float32.

    Texts decode one at a time. JSON answers that are asked for at once are decoded together, at most `MOST_TOGETHER`,
    each joining and leaving at any step: reading the weights costs most of a step, and one reading serves all (Yu et
    al., "Orca: A Distributed Serving System for Transformer-Based Generative Models", OSDI 2022). Whoever waits for an
    answer does the work while nobody else does.
    """

    def __init__(self, model: str | Path, adapter: Path | None = None, device: str = "auto") -> None:
        self.name = str(model)
        self._device = pick_device(device)
        dtype = torch.bfloat16 if self._device.type == "cuda" else torch.float32
        try:
            network: Any = AutoModelForCausalLM.from_pretrained(model, dtype=dtype, attn_implementation="sdpa")
            self._tokens, self._begin = _tokenizer(model, len(network.get_output_embeddings().weight))
        except (OSError, ValueError) as error:
            raise LLMError(f"cannot load the language model {str(model)!r}: {error}") from error
        self.tuned = adapter is not None
        if adapter is not None:
            network = _merge(network, adapter, self.name)
        self.network = network.to(self._device).eval()
        self._output = self.network.get_output_embeddings().weight  # (vocabulary, hidden)
        self._eos = _eos_ids(self.network)
        self._grammars = _Grammars(self._tokens, self._output.shape[0])
        self._cached_ids: list[int] = []
        self._cache = DynamicCache()
        self._free = threading.Condition()  # told when an answer is over, and when the network is free
        self._is_busy = False
        self._waiting: list[_Answer] = []
        self._batch = _Batch(self.network)
        trim()

    def complete(self, prompt: str, *, max_tokens: int, stop: Sequence[str] = ()) -> str:
        return "".join(self.stream(prompt, max_tokens=max_tokens, stop=stop))

    def stream(self, prompt: str, *, max_tokens: int, stop: Sequence[str] = ()) -> Iterator[str]:
        return until_stop(self._pieces(self._ids(prompt), max_tokens), stop)

    def complete_json(self, prompt: str, schema: Mapping[str, Any], *, max_tokens: int) -> Any:
        return value_of(self.spell_json(prompt, schema, max_tokens=max_tokens))

    def spell_json(self, prompt: str, schema: Mapping[str, Any], *, max_tokens: int) -> list[Piece]:
        own = _Answer(self._ids(prompt), self._grammars.matcher(schema), max_tokens)
        with self._free:
            self._waiting.append(own)
            while self._is_busy and not own.is_over:
                self._free.wait()
            leads = not own.is_over
            self._is_busy = self._is_busy or leads
        if leads:
            with self._giving_back():
                self._decode(own)
        if own.error is not None:
            raise own.error
        return list(self._spelt(own.tokens, own.likely))

    def _decode(self, own: "_Answer") -> None:
        """Decode until one's own answer is over, and those of the others on the way."""
        joining: list[_Answer] = []
        try:
            while not own.is_over:
                with self._free:
                    going = sum(not row.is_over for row in self._batch.rows)
                    # To read one prompt costs as much as a step of all: they are let in a few at a time.
                    room = MOST_TOGETHER - going if going <= MOST_TOGETHER // 2 else 0
                    joining, self._waiting = self._waiting[:room], self._waiting[room:]
                if not going and joining == [own]:
                    while not own.is_over and not self._waiting:
                        own.take(*self._next(own.ids, own.matcher.allowed()))
                    if not own.is_over:
                        with self._free:
                            self._waiting.insert(0, own)
                    continue
                for row, hidden in self._batch.step(joining):
                    row.take(*self._choose(hidden, row.matcher.allowed()))
                with self._free:
                    self._free.notify_all()
        except BaseException:
            with self._free:
                lost = {id(row): row for row in (*self._batch.rows, *joining) if row is not own and not row.is_over}
                self._waiting += lost.values()  # others begin them anew
            self._batch = _Batch(self.network)
            raise

    @contextmanager
    def _having(self) -> Iterator[None]:
        """The network for oneself."""
        with self._free:
            while self._is_busy:
                self._free.wait()
            self._is_busy = True
        with self._giving_back():
            yield

    @contextmanager
    def _giving_back(self) -> Iterator[None]:
        try:
            yield
        finally:
            with self._free:
                self._is_busy = False
                self._free.notify_all()

    def _spelt(self, answer: Sequence[int], likely: Sequence[float]) -> Iterator[Piece]:
        """Tokens as text: those that only together make whole characters are one piece."""
        start, probability = 0, 1.0
        for end, (token, own) in enumerate(zip(answer, likely, strict=True), start=1):
            probability *= own
            text = "" if token in self._eos else self._tokens.decode_str(list(answer[start:end]))
            if not text.endswith("\ufffd"):
                yield Piece(text, probability)
                start, probability = end, 1.0

    def count_tokens(self, text: str) -> int:
        """How many tokens a text is, without a start mark."""
        return len(self._tokens.tokenize_str(text))

    def _ids(self, prompt: str) -> list[int]:
        return [*self._begin, *self._tokens.tokenize_str(prompt)]

    def _pieces(self, ids: list[int], max_tokens: int) -> Iterator[str]:
        """Decode text piece by piece; a piece ends where the bytes form whole characters."""
        answer: list[int] = []
        shown = ""
        with self._having():
            for _ in range(max_tokens):
                token, _ = self._next(ids + answer, None)
                if token in self._eos:
                    break
                answer.append(token)
                text = self._tokens.decode_str(answer)
                if not text.endswith("\ufffd") and len(text) > len(shown):
                    yield text[len(shown) :]
                    shown = text

    @torch.inference_mode()
    def _next(self, ids: list[int], allowed: np.ndarray[Any, Any] | None) -> tuple[int, float]:
        """The likeliest token after `ids` and its probability, among the `allowed` ones (sorted ids) if given."""
        return self._choose(self._hidden(ids), allowed)

    @torch.inference_mode()
    def _choose(self, hidden: torch.Tensor, allowed: np.ndarray[Any, Any] | None) -> tuple[int, float]:
        """The likeliest token after a state (H,), and its probability."""
        if allowed is None:
            return _likeliest(self._output @ hidden)
        if len(allowed) == 1:
            return int(allowed[0]), 1.0
        rows = torch.from_numpy(allowed).to(self._device)
        few = len(allowed) <= SLICED_OUTPUT
        best, probability = _likeliest(self._output[rows] @ hidden if few else (self._output @ hidden)[rows])
        return int(allowed[best]), probability

    def _hidden(self, ids: list[int]) -> torch.Tensor:
        """The last hidden state after `ids`, computing only what the cache does not hold."""
        known = _common_prefix(self._cached_ids, ids[:-1])
        if known < len(self._cached_ids):
            self._cache.crop(known - len(self._cached_ids))  # a negative length is cut off the end
        new = torch.tensor([ids[known:]], device=self._device)  # (1, T)
        # Forget first: if the forward pass is interrupted, the cache no longer matches.
        self._cached_ids = []
        try:
            states = self.network.base_model(new, past_key_values=self._cache, use_cache=True)
        except BaseException:
            self._cache = DynamicCache()
            raise
        self._cached_ids = list(ids)
        hidden: torch.Tensor = states.last_hidden_state[0, -1]
        return hidden


class _Answer:
    """A JSON answer on its way: `ids` are the prompt and what is decoded of it, `tokens` the latter alone."""

    def __init__(self, prompt: Sequence[int], matcher: "_Matcher", max_tokens: int) -> None:
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


class _Batch:
    """Answers that go through the network together, each row from where its own tokens end.

    Rows are padded at the end of each step; the mask hides the padding, and positions count real tokens.
    """

    def __init__(self, network: Any) -> None:
        self._network = network
        self.rows: list[_Answer] = []  # those that the cache holds, in its order
        self._read: list[int] = []  # tokens of each that the cache holds
        self._mask = torch.zeros(0, 0, dtype=torch.long, device=network.device)  # (B, L)
        self._cache: Any = DynamicCache()

    def step(self, joining: Sequence[_Answer]) -> Iterator[tuple[_Answer, torch.Tensor]]:
        """Each unfinished row, with those that join, and the state (H,) after its last token."""
        self._leave()
        fresh = [row for row in joining if not row.is_over]
        old = list(zip(self.rows, self._forward(), strict=True)) if self.rows else []
        new: list[tuple[_Answer, torch.Tensor]] = []
        if fresh:
            other = _Batch(self._network)
            other.rows, other._read = fresh, [0] * len(fresh)
            other._mask = self._mask.new_zeros(len(fresh), 0)
            new = list(zip(fresh, other._forward(), strict=True))
            self._join(other)
        return iter(old + new)

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
            ids, attention_mask=self._mask, position_ids=positions, past_key_values=self._cache, use_cache=True
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

    def _join(self, other: "_Batch") -> None:
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


def _longer(states: torch.Tensor, length: int) -> torch.Tensor:
    """Keys or values (B, heads, L, D) with zeros after them, which the mask hides."""
    return torch.nn.functional.pad(states, (0, 0, 0, length - states.shape[2]))


class _Grammars:
    """Compiles JSON schemas to token masks with llguidance."""

    def __init__(self, tokenizer: Any, vocabulary: int) -> None:
        self._tokenizer, self._vocabulary = tokenizer, vocabulary
        self.matcher({"enum": ["a", "b"]}).allowed()  # the first mask takes seconds; no shopper shall wait for it

    def matcher(self, schema: Mapping[str, Any]) -> "_Matcher":
        from llguidance import LLMatcher

        # Flexible white space off: a small model runs away in it.
        grammar = LLMatcher.grammar_from_json_schema(dict(schema), overrides={"whitespace_flexible": False})
        return _Matcher(LLMatcher(self._tokenizer, grammar), self._vocabulary)


class _Matcher:
    """One answer's way through its grammar."""

    def __init__(self, matcher: Any, vocabulary: int) -> None:
        self._matcher = matcher
        self._mask = np.zeros((1, (vocabulary + 31) // 32), dtype=np.int32)
        self._vocabulary = vocabulary
        self._check()

    def is_stopped(self) -> bool:
        self._check()
        return bool(self._matcher.is_stopped())

    def compute_ff_tokens(self) -> list[int]:
        return list(self._matcher.compute_ff_tokens())

    def allowed(self) -> np.ndarray[Any, Any]:
        """Sorted ids of the tokens that may come next."""
        from llguidance.numpy import fill_next_token_bitmask

        fill_next_token_bitmask(self._matcher, self._mask)
        bits = np.unpackbits(self._mask.view(np.uint8), bitorder="little")
        return np.flatnonzero(bits[: self._vocabulary])

    def consume(self, tokens: list[int]) -> None:
        self._matcher.consume_tokens(tokens)

    def _check(self) -> None:
        if self._matcher.is_error():
            raise LLMError(f"the schema cannot be decoded: {self._matcher.get_error()}")


def _likeliest(scores: torch.Tensor) -> tuple[int, float]:
    """Where the highest of the scores (N,) is, and its share in their softmax."""
    best = int(torch.argmax(scores))
    return best, float(torch.exp(scores[best] - torch.logsumexp(scores.float(), dim=0)))


def _tokenizer(model: str | Path, vocabulary: int) -> tuple[Any, list[int]]:
    """The tokenizer that grammars need, for so many tokens, and what every prompt begins with.

    It tokenizes and decodes as well: the one that transformers loads is let go, a third of a gigabyte for the
    embedded model's vocabulary.
    """
    import llguidance.hf

    loaded: Any = AutoTokenizer.from_pretrained(model)
    return llguidance.hf.from_tokenizer(loaded, n_vocab=vocabulary), loaded("")["input_ids"]


def _merge(network: Any, adapter: Path, base: str) -> Any:
    from peft import PeftModel

    check_fit(adapter, network, base)
    try:
        return PeftModel.from_pretrained(network, adapter).merge_and_unload()
    except (OSError, ValueError, RuntimeError) as error:
        raise LLMError(f"adapter {adapter} cannot be loaded: {error}") from error


def _eos_ids(network: Any) -> frozenset[int]:
    eos = network.generation_config.eos_token_id
    return frozenset(eos if isinstance(eos, list) else [eos])


def _common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    for at, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return at
    return min(len(a), len(b))


def describe_device() -> str:
    """The device that `auto` picks, in words."""
    name: Callable[[], str] = torch.cuda.get_device_name
    return f"cuda ({name()})" if torch.cuda.is_available() else f"cpu ({torch.get_num_threads()} threads)"
