"""What the assistant asks of a language model."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol, runtime_checkable

from opentelemetry.trace import Span

from catalog.errors import UserError
from catalog.tracing import tracer

INPUT_TOKENS, OUTPUT_TOKENS = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"


class LLMError(UserError):
    """The model could not answer: away, out of time, or its answer was cut off."""


class LLMAway(LLMError):
    """Nobody answers: the model's server is down, overloaded or out of time. `at_once` if it may be asked again now."""

    def __init__(self, message: str, at_once: bool = False) -> None:
        super().__init__(message)
        self.at_once = at_once


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an answer, and how likely it was among what might have come: 1 where nothing else might."""

    text: str
    probability: float


@contextmanager
def llm_span(model: str) -> Iterator[Span]:
    """The span of one answer."""
    with tracer.start_as_current_span("llm", attributes={"gen_ai.request.model": model}) as span:
        yield span


def tell_tokens(span: Span, read: int, written: int) -> None:
    """Note how many tokens an answer took to read and to write."""
    span.set_attributes({INPUT_TOKENS: read, OUTPUT_TOKENS: written})


def doubt_of(pieces: Sequence[Piece]) -> float:
    """How unsure the model was of an answer, 0 to 1: how likely it was to give any other."""
    return round(1 - prod(piece.probability for piece in pieces), 3)


def value_of(pieces: Sequence[Piece]) -> Any:
    """The JSON value that pieces spell. Raises `json.JSONDecodeError`."""
    return json.loads("".join(piece.text for piece in pieces))


class LLM(Protocol):
    """A text model that decodes greedily, so that equal prompts give equal answers.

    Every method raises `LLMAway` when the model is away, `LLMError` when an answer cannot be completed.
    """

    tuned: bool  # whether it is tuned for this project's prompts, or must be shown examples

    @property
    def is_away(self) -> bool:
        """Whether it is known not to answer now."""
        ...

    @property
    def name(self) -> str:
        """What it is called where it comes from."""
        ...

    def complete(self, prompt: str, *, max_tokens: int, stop: Sequence[str] = ()) -> str:
        """The continuation of `prompt`, without the stop string that ended it."""
        ...

    def stream(self, prompt: str, *, max_tokens: int, stop: Sequence[str] = ()) -> Iterator[str]:
        """The same continuation in pieces, as soon as each is known."""
        ...

    def complete_json(self, prompt: str, schema: Mapping[str, Any], *, max_tokens: int) -> Any:
        """A JSON value that satisfies `schema`; the decoder can produce nothing else."""
        ...

    def spell_json(self, prompt: str, schema: Mapping[str, Any], *, max_tokens: int) -> list[Piece]:
        """The text of the same value piece by piece, with how sure the model was of each."""
        ...


@runtime_checkable
class Attributing(Protocol):
    """A model that can tell what its answers hang on: one in this process."""

    def attribute(self, prompt: str, answer: str, parts: Sequence[tuple[int, int]]) -> Any:
        """Weights (parts, characters of the prompt) of parts of an answer, each from one character to before another."""
        ...


def until_stop(pieces: Iterator[str], stop: Sequence[str]) -> Iterator[str]:
    """Pass pieces on until a stop string appears, holding back what may still become one."""
    pending = ""
    for piece in pieces:
        pending += piece
        cut = min((at for s in stop if (at := pending.find(s)) >= 0), default=-1)
        if cut >= 0:
            if pending[:cut]:
                yield pending[:cut]
            return
        held = max((n for s in stop for n in range(1, len(s)) if pending.endswith(s[:n])), default=0)
        if len(pending) > held:
            yield pending[: len(pending) - held]
            pending = pending[len(pending) - held :]
    if pending:
        yield pending
