"""A language model in this process: transformers, with a LoRA adapter merged in by peft."""

import copy
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
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

    Texts decode one at a time. JSON answers that are asked for while another is decoded are decoded together, at most
    `MOST_TOGETHER`: reading the weights costs most of a step, and one reading serves all (Yu et al., "Orca: A
    Distributed Serving System for Transformer-Based Generative Models", OSDI 2022).
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
        self._lock = threading.Lock()
        self._waiting: list[_Answer] = []
        trim()

    def complete(self, prompt: str, *, max_tokens: int, stop: Sequence[str] = ()) -> str:
        return "".join(self.stream(prompt, max_tokens=max_tokens, stop=stop))

    def stream(self, prompt: str, *, max_tokens: int, stop: Sequence[str] = ()) -> Iterator[str]:
        return until_stop(self._pieces(self._ids(prompt), max_tokens), stop)

    def complete_json(self, prompt: str, schema: Mapping[str, Any], *, max_tokens: int) -> Any:
        return value_of(self.spell_json(prompt, schema, max_tokens=max_tokens))

    def spell_json(self, prompt: str, schema: Mapping[str, Any], *, max_tokens: int) -> list[Piece]:
        own = _Answer(self._ids(prompt), self._grammars.matcher(schema), max_tokens)
        self._waiting.append(own)
        with self._lock:  # who comes in decodes for all who wait, unless another has done it meanwhile
            try:
                if not own.is_over:
                    self._decode([own, *(a for a in self._waiting if a is not own)][:MOST_TOGETHER])
            finally:
                self._waiting = [a for a in self._waiting if a is not own and not a.is_over]
        if own.error is not None:
            raise own.error
        return list(self._spelt(own.tokens, own.likely))

    def _decode(self, together: Sequence["_Answer"]) -> None:
        """Decode answers to their ends; what one breaks on is told to it alone."""
        if len(together) == 1:
            alone = together[0]
            while not alone.is_over:
                alone.take(*self._next(alone.ids, alone.matcher.allowed()))
            return
        batch = _Batch(self.network, together, *self._shared(together))
        while rows := batch.unfinished():
            for row, hidden in zip(rows, batch.forward(rows), strict=True):
                row.take(*self._choose(hidden, row.matcher.allowed()))

    def _shared(self, together: Sequence["_Answer"]) -> tuple[DynamicCache, int]:
        """What the cache holds of the beginning that all of the answers share, and how many tokens that is."""
        known = min(_common_prefix(self._cached_ids, a.ids[:-1]) for a in together)
        cache = DynamicCache() if known == 0 else copy.deepcopy(self._cache)
        if 0 < known < len(self._cached_ids):
            cache.crop(known - len(self._cached_ids))
        return cache, known

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
        with self._lock:
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

    Rows are padded at the end of each step; the mask hides the padding for good, and positions count real tokens.
    """

    def __init__(self, network: Any, answers: Sequence[_Answer], shared: DynamicCache, known: int) -> None:
        self._network = network
        self._device = network.device
        self._rows = list(answers)  # those that the cache holds, in its order
        self._read = [known] * len(answers)  # tokens of each that the cache holds
        self._mask = torch.ones(len(answers), known, dtype=torch.long, device=self._device)
        self._cache = shared
        if known:
            self._cache.batch_repeat_interleave(len(answers))

    def unfinished(self) -> list[_Answer]:
        """The rows that go on; those that are over leave the cache."""
        going = [n for n, row in enumerate(self._rows) if not row.is_over]
        if going and len(going) < len(self._rows):
            keep = torch.tensor(going, device=self._device)
            self._cache.batch_select_indices(keep)
            self._mask = self._mask[keep]
            self._read = [self._read[n] for n in going]
        self._rows = [self._rows[n] for n in going]
        return self._rows

    @torch.inference_mode()
    def forward(self, rows: Sequence[_Answer]) -> torch.Tensor:
        """The state (B, H) after the last token of each row."""
        new = [row.ids[read:] for row, read in zip(rows, self._read, strict=True)]
        longest = max(map(len, new))
        ids = torch.tensor([own + [0] * (longest - len(own)) for own in new], device=self._device)  # (B, T)
        real = torch.tensor([[1] * len(own) + [0] * (longest - len(own)) for own in new], device=self._device)
        starts = torch.tensor(self._read, device=self._device)[:, None]
        positions = starts + (real.cumsum(dim=1) - 1).clamp(min=0)  # (B, T)
        self._mask = torch.cat([self._mask, real], dim=1)  # (B, past + T)
        states = self._network.base_model(
            ids, attention_mask=self._mask, position_ids=positions, past_key_values=self._cache, use_cache=True
        ).last_hidden_state  # (B, T, H)
        self._read = [len(row.ids) for row in rows]
        last = torch.tensor([len(own) - 1 for own in new], device=self._device)
        found: torch.Tensor = states[torch.arange(len(rows), device=self._device), last]
        return found


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
