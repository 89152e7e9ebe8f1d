"""A language model in this process: transformers, with a LoRA adapter merged in by peft."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from assistant.llm.adapters import check_fit
from assistant.llm.attribution import Weights, attribute
from assistant.llm.batch import Answer, Batch
from assistant.llm.grammar import Grammars
from assistant.llm.half import can_halve, halve
from assistant.llm.protocol import LLMError, Piece, llm_span, tell_tokens, until_stop, value_of
from assistant.process import trim

# Up to this many allowed tokens, multiplying their rows of the output layer alone is cheaper
# than the whole layer (262,144 rows in the embedded model, most of its cost per token).
SLICED_OUTPUT = 8_192
FINALISTS = 64  # tokens whose scores are worked out anew in float32 where the model is kept in less
MOST_TOGETHER = 8  # JSON answers decoded at once


def pick_device(wanted: str = "auto") -> torch.device:
    """`auto` is CUDA when there, else the CPU; anything else is a torch device name."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.device(wanted)
    except RuntimeError as error:
        raise LLMError(f"device {wanted!r} is not one that torch knows: {error}") from error


def pick_precision(wanted: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 on CUDA, and on CPUs with AMX, where eight answers take hardly longer than one.

    On other CPUs it is float16 for the weights alone, where there are the instructions for it; else float32. Raises
    `LLMError` for float16 where it cannot be had.
    """
    can_be_half = device.type == "cpu" and can_halve()
    if wanted == "auto":
        fast = torch.cpu._is_amx_tile_supported() if device.type == "cpu" else device.type == "cuda"
        wanted = "bfloat16" if fast else "float16" if can_be_half else "float32"
    if wanted == "float16" and not can_be_half:
        raise LLMError("float16 is for CPUs with AVX2: set DAOGOU_PRECISION to auto, bfloat16 or float32")
    return {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}[wanted]


class LocalLLM:
    """Greedy decoding with a prefix cache and, for JSON, a grammar that masks the output layer.

    Args:
        model: a directory or hub id of a causal language model.
        adapter: a directory with LoRA weights made for that model, or None.
        device: `auto`, `cpu`, `cuda`, ...
        precision: `float32`, `float16` (of the weights alone), `bfloat16` or `auto`, the fastest of them on the device.

    Texts decode one at a time. JSON answers that are asked for at once are decoded together, at most `MOST_TOGETHER`,
    each joining and leaving at any step: reading the weights costs most of a step, and one reading serves all (Yu et
    al., "Orca: A Distributed Serving System for Transformer-Based Generative Models", OSDI 2022). Whoever waits for an
    answer does the work while nobody else does.
    """

    is_away = False

    def __init__(
        self, model: str | Path, adapter: Path | None = None, device: str = "auto", precision: str = "auto"
    ) -> None:
        self.name = str(model)
        self._device = pick_device(device)
        dtype = pick_precision(precision, self._device)
        # An adapter is added in float32, whatever the sum is kept as: it would lose its last digits else.
        first = torch.bfloat16 if adapter is None and dtype == torch.bfloat16 else torch.float32
        try:
            network: Any = AutoModelForCausalLM.from_pretrained(model, dtype=first, attn_implementation="sdpa")
            vocabulary = len(network.get_output_embeddings().weight)
            self._tokens, self._begin = _tokenizer(model, vocabulary, tuple(sorted(_eos_ids(network))))
        except (OSError, ValueError) as error:
            raise LLMError(f"cannot load the language model {str(model)!r}: {error}") from error
        self.tuned = adapter is not None
        if adapter is not None:
            network = merged_network(network, adapter, self.name)
        network = network.to(self._device).eval().requires_grad_(False)
        if dtype == torch.float16:
            halve(network)
        else:
            network = network.to(dtype)
        self.network = network
        self._head = network.get_output_embeddings()
        self._output = self._head.weight  # (vocabulary, hidden)
        self._eos = _eos_ids(self.network)
        self._grammars = Grammars(self._tokens, self._output.shape[0])
        self._cached_ids: list[int] = []
        self._cache = DynamicCache()
        self._free = threading.Condition()  # told when an answer is over, and when the network is free
        self._is_busy = False
        self._waiting: list[Answer] = []
        self._batch = Batch(self.network)
        trim()

    def complete(self, prompt: str, *, max_tokens: int, stop: Sequence[str] = ()) -> str:
        with llm_span(self.name) as span:
            text = "".join(self.stream(prompt, max_tokens=max_tokens, stop=stop))
            tell_tokens(span, self.count_tokens(prompt), self.count_tokens(text))
        return text

    def stream(self, prompt: str, *, max_tokens: int, stop: Sequence[str] = ()) -> Iterator[str]:
        return until_stop(self._pieces(self._ids(prompt), max_tokens), stop)

    def complete_json(self, prompt: str, schema: Mapping[str, Any], *, max_tokens: int) -> Any:
        return value_of(self.spell_json(prompt, schema, max_tokens=max_tokens))

    def spell_json(self, prompt: str, schema: Mapping[str, Any], *, max_tokens: int) -> list[Piece]:
        with llm_span(self.name) as span:
            ids = self._ids(prompt)
            own = self._answered(Answer(ids, self._grammars.matcher(schema), max_tokens))
            tell_tokens(span, len(ids), len(own.tokens))
        if own.error is not None:
            raise own.error
        return list(self._spelt(own.tokens, own.likely))

    def _answered(self, own: Answer) -> Answer:
        """An answer when it is over, whoever has decoded it."""
        with self._free:
            self._waiting.append(own)
            while self._is_busy and not own.is_over:
                self._free.wait()
            leads = not own.is_over
            self._is_busy = self._is_busy or leads
        if leads:
            with self._giving_back():
                self._decode(own)
        return own

    def _decode(self, own: Answer) -> None:
        """Decode until one's own answer is over, and those of the others on the way."""
        joining: list[Answer] = []
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
            self._batch = Batch(self.network)
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

    def attribute(self, prompt: str, answer: str, parts: Sequence[tuple[int, int]]) -> Weights:
        """How much each part of `answer`, from one character to before another, hangs on the characters of `prompt`.

        (parts, characters); a token's weight is shared by its characters.
        """
        written = self._tokens.tokenize_str(answer)
        ends = self._ends(written)
        tokens = [
            (int(np.searchsorted(ends, start, "right")), int(np.searchsorted(ends, end)) + 1) for start, end in parts
        ]
        ids = self._ids(prompt)
        with self._having():
            weights = attribute(self.network, ids, written, tokens)[:, len(self._begin) :]
        lengths = np.diff(self._ends(ids[len(self._begin) :]), prepend=0)
        shared: Weights = np.repeat(weights / np.maximum(lengths, 1), lengths, axis=1).astype(np.float32)
        return shared

    def _ends(self, tokens: Sequence[int]) -> list[int]:
        """Where each token ends in the text of all of them, in characters."""
        texts = (self._tokens.decode_str(list(tokens[: n + 1])) for n in range(len(tokens)))
        return [len(text.rstrip("\ufffd")) for text in texts]

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
            return _likeliest(self._scores(hidden, None))
        if len(allowed) == 1:
            return int(allowed[0]), 1.0
        best, probability = _likeliest(self._scores(hidden, torch.from_numpy(allowed).to(self._device)))
        return int(allowed[best]), probability

    def _scores(self, hidden: torch.Tensor, rows: torch.Tensor | None) -> torch.Tensor:
        """How likely the tokens `rows`, or all, are after a state (H,): logits in float32, of the best to the last digit."""
        if rows is not None and len(rows) <= SLICED_OUTPUT:
            few: torch.Tensor = self._output[rows].float() @ hidden.float()
            return few
        scores: torch.Tensor = self._head(hidden[None])[0].float()
        scores = scores if rows is None else scores[rows]
        if self._output.dtype != torch.float32:
            best = scores.topk(min(FINALISTS, len(scores))).indices
            scores[best] = self._output[best if rows is None else rows[best]].float() @ hidden.float()
        return scores

    def _hidden(self, ids: list[int]) -> torch.Tensor:
        """The last hidden state after `ids`, computing only what the cache does not hold."""
        known = _common_prefix(self._cached_ids, ids[:-1])
        if known < len(self._cached_ids):
            self._cache.crop(known - len(self._cached_ids))  # a negative length is cut off the end
        new = torch.tensor([ids[known:]], device=self._device)  # (1, T)
        # Forget first: if the forward pass is interrupted, the cache no longer matches.
        self._cached_ids = []
        try:
            states = self.network.base_model(new, cache=self._cache, use_cache=True)
        except BaseException:
            self._cache = DynamicCache()
            raise
        self._cached_ids = list(ids)
        hidden: torch.Tensor = states.last_hidden_state[0, -1]
        return hidden


def _likeliest(scores: torch.Tensor) -> tuple[int, float]:
    """Where the highest of the scores (N,) is, and its share in their softmax."""
    best = int(torch.argmax(scores))
    return best, float(torch.exp(scores[best] - torch.logsumexp(scores.float(), dim=0)))


@lru_cache(maxsize=2)
def _tokenizer(model: str | Path, vocabulary: int, eos: tuple[int, ...]) -> tuple[Any, list[int]]:
    """The tokenizer that grammars need, for so many tokens, and what every prompt begins with.

    It tokenizes and decodes as well: the one that it is made from is let go, a third of a gigabyte for the embedded
    model's vocabulary. It takes as long to load as the model: who opens another adapter gets the same again.
    """
    import llguidance

    loaded = _loaded_tokenizer(model)
    loaded.no_padding()
    loaded.no_truncation()
    tokens = llguidance.LLTokenizer(loaded.to_str(), n_vocab=vocabulary, eos_token=list(eos) or None)
    return tokens, loaded.encode("").ids


def _loaded_tokenizer(model: str | Path) -> Any:
    """Straight from its file where the model is a folder: transformers reads the same 30 MB seven times over."""
    from tokenizers import Tokenizer

    file = Path(model) / "tokenizer.json"
    return Tokenizer.from_file(str(file)) if file.exists() else AutoTokenizer.from_pretrained(model).backend_tokenizer


def merged_network(network: Any, adapter: Path, base: str) -> Any:
    """A network with an adapter's weights added to its own. Raises `LLMError` for one made for another base."""
    from peft import PeftModel

    check_fit(adapter, network, base)
    try:
        return PeftModel.from_pretrained(network, adapter).merge_and_unload()
    except (OSError, ValueError, RuntimeError) as error:
        raise LLMError(f"adapter {adapter} cannot be loaded: {error}") from error


def _eos_ids(network: Any) -> frozenset[int]:
    eos = network.generation_config.eos_token_id
    return frozenset(eos if isinstance(eos, list) else [] if eos is None else [eos])


def _common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    for at, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return at
    return min(len(a), len(b))


def describe_device() -> str:
    """The device that `auto` picks, in words."""
    name: Callable[[], str] = torch.cuda.get_device_name
    return f"cuda ({name()})" if torch.cuda.is_available() else f"cpu ({torch.get_num_threads()} threads)"
