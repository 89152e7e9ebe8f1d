"""A message and the state before it, to a frame: the model decodes, a schema forbids anything else."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

import numpy as np

from assistant.frame import frame_schema, language_of, readable, to_turn, write_frame
from assistant.llm import LLM, Attributing, LLMAway, LLMError
from assistant.llm.protocol import doubt_of, value_of
from assistant.masking import mask
from assistant.prompts import load_data, render
from assistant.state import DialogueState
from assistant.types import ParsedTurn
from catalog.tracing import tracer
from catalog.types import Language

MAX_TOKENS = 400
EXAMPLES = 6  # nearest examples shown to a model without adapter
# An example with numbers teaches most about a message with numbers, and one that says "no" about one
# that does: likeness in form counts beside likeness in meaning.
SAME_FORM = 0.3
_AMOUNT = re.compile(r"\d|[一二三四五六七八九十百千两]+[块元以百千万]")
_NEGATION = re.compile(r"不要|不想|别的?要|除了|\b(?:no|not|without|except|but|aren't|isn't|don't)\b", re.IGNORECASE)

# (message, what is active, what the shop's records call things) -> prompt; the answer begins on the next line.
Prompt = Callable[[str, str, str], str]
# A message -> the line of the shop's schema that it calls for; see `assistant.schema`.
SchemaLine = Callable[[str], str]


class Embedder(Protocol):
    """What choosing examples needs of an embedder; see `catalog.embedding.Embedder`."""

    def embed(self, texts: Sequence[str]) -> Any: ...


class Parser:
    """Parses with a language model.

    Args:
        llm: the model; with an adapter tuned for it, `tuned_prompt` is enough.
        prompt: how a message is put to the model.
        schema: what the shop's records call things; by default there is no shop.
    """

    def __init__(self, llm: LLM, prompt: Prompt, schema: SchemaLine = lambda message: "") -> None:
        self._llm = llm
        self._prompt = prompt
        self._schema = schema

    @tracer.start_as_current_span("parse")
    def parse(self, text: str, state: DialogueState) -> ParsedTurn:
        """The frame of `text`. A message the model gives no frame for is marked not understood.

        Raises `LLMAway` where there is nobody to read it.
        """
        message = shown(text)
        if not message:
            return ParsedTurn(language=state.language, intent="other", understood=False)
        prompt, schema = self.request(message, state)
        try:
            raw, doubt = self._read(prompt, schema)
        except LLMAway:
            raise
        except LLMError:
            return ParsedTurn(language=language_of(message), intent="other", understood=False)
        return to_turn(raw, message).model_copy(update={"doubt": doubt})

    def _read(self, prompt: str, schema: Mapping[str, Any]) -> tuple[Any, float]:
        """The model's answer, and how unsure it was of it; a server is not asked for that."""
        if not isinstance(self._llm, Attributing):
            return self._llm.complete_json(prompt, schema, max_tokens=MAX_TOKENS), 0.0
        pieces = self._llm.spell_json(prompt, schema, max_tokens=MAX_TOKENS)
        return value_of(pieces), doubt_of(pieces)

    def request(self, message: str, state: DialogueState) -> tuple[str, dict[str, Any]]:
        """What the model is asked about a message, as it is `shown`: the prompt, and the schema of its answer."""
        active = active_of(state)
        schema = frame_schema(message, active_names(state.slots, state.exclude, state.profile))
        return self._prompt(message, active, self._schema(message)), schema


def shown(text: str) -> str:
    """A message as the model reads it: without what identifies anybody."""
    return readable(mask(text))


def tuned_prompt(message: str, active: str, shop: str = "") -> str:
    """The prompt of a model that was tuned for it: the message, what is active, and what of it the shop's records know."""
    return render("parse", active=active, message=message, shop=_line(shop))


class FewShotPrompt:
    """The prompt of a base model: the written examples nearest to the message, then the message.

    Retrieval of demonstrations after Liu et al., "What Makes Good In-Context Examples for GPT-3?", 2022.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._examples: dict[Language, tuple[list[str], Any, Any]] = {}

    def __call__(self, message: str, active: str, shop: str = "") -> str:
        examples = self._nearest(message, language_of(message))
        return render("parse_few_shot", examples=examples, active=active, message=message, shop=_line(shop))

    def _nearest(self, message: str, language: Language) -> str:
        """The examples of the language nearest to the message, the nearest last."""
        if language not in self._examples:
            rows = load_data("parse_examples")[language]
            vectors = self._embedder.embed([row[0] for row in rows])
            entries = [
                f"Active: {active or 'nothing'}\nMessage: {text}\n{write_frame(json.loads(frame))}"
                for text, active, frame in rows
            ]
            self._examples[language] = entries, vectors, np.array([_form(text) for text, _, _ in rows])
        entries, vectors, forms = self._examples[language]
        likeness = vectors @ self._embedder.embed([message])[0] + SAME_FORM * (forms == _form(message)).sum(axis=1)
        return "\n".join(entries[i] for i in np.argsort(likeness)[-EXAMPLES:])


def active_names(slots: Mapping[str, Any], exclude: Mapping[str, Any], profile: Mapping[str, Any]) -> tuple[str, ...]:
    """What a message can take back: limits in force and known facts."""
    return tuple(dict.fromkeys((*slots, *exclude, *profile)))


def active_of(state: DialogueState) -> str:
    """The state as the model reads it; see `active_line`."""
    return active_line(state.slots, state.exclude, state.profile)


def active_line(slots: Mapping[str, Any], exclude: Mapping[str, Any], profile: Mapping[str, Any]) -> str:
    """The state as the model reads it. Of the shopper's facts it sees the names alone."""
    parts = [f"{name} {_said(value)}" for name, value in slots.items()]
    parts += [f"not {name} {_said(words)}" for name, words in exclude.items()]
    return "; ".join([*parts, *(f"known {name}" for name in profile)]) or "nothing"


def _line(shop: str) -> str:
    return f"Shop: {shop}\n" if shop else ""


def _said(value: Any) -> str:
    if isinstance(value, Decimal | float):
        return f"{Decimal(str(value)).normalize():f}"
    return readable(", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value))[:60]


def _form(message: str) -> tuple[bool, bool]:
    """Whether a message has an amount, and whether it negates; chooses examples, nothing else."""
    return bool(_AMOUNT.search(message)), bool(_NEGATION.search(message))
