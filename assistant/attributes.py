"""What a product's text says of it: typed attributes, each a span of the text (`prompts/attributes.txt`)."""

import logging
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import prod
from typing import Any

from assistant.frame import readable, spans
from assistant.llm import LLM, LLMError
from assistant.llm.protocol import Piece
from assistant.prompts import render
from catalog.types import Said

log = logging.getLogger(__name__)

# In the order in which the model writes them; `recipient` is whom a product is for.
ATTRIBUTES = ("category", "color", "material", "style", "feature", "occasion", "recipient")
MAX_TOKENS = 160
MOST_VALUES = 5  # of one attribute
_STRING = re.compile(r'"([^"]*)"(:?)')  # spans hold no quotes: a text is made readable first


class AttributeReader:
    """Reads products' texts with a tuned model; its name changes with the adapter, so that a better one reads anew."""

    def __init__(self, llm: LLM, name: str) -> None:
        self._llm = llm
        self.name = name

    def read(self, text: str) -> tuple[Said, ...] | None:
        """The attributes that a text says, nothing where the model has no answer."""
        try:
            return read_attributes(self._llm, text)
        except LLMError as error:
            log.warning("a product's text could not be read: %s", error)
            return None


def read_attributes(llm: LLM, text: str) -> tuple[Said, ...]:
    """The attributes that the tuned model finds in a text. Raises `LLMError`."""
    shown = readable(text)
    pieces = llm.spell_json(attributes_prompt(shown), attributes_schema(shown), max_tokens=MAX_TOKENS)
    return tuple({(s.name, s.span): s for s in reversed(list(_said(pieces)))}.values())[::-1]


def attributes_prompt(text: str) -> str:
    """The prompt for a readable text."""
    return render("attributes", text=text)


def attributes_schema(text: str) -> dict[str, Any]:
    """The JSON schema of what a text can say: lists of its own words."""
    values = {"type": "array", "items": {"$ref": "#/$defs/span"}, "minItems": 1, "maxItems": MOST_VALUES}
    return {
        "$defs": {"span": {"enum": spans(text) or [""]}},
        "type": "object",
        "properties": dict.fromkeys(ATTRIBUTES, values),
        "required": [],
        "additionalProperties": False,
    }


def _said(pieces: Sequence[Piece]) -> Iterator[Said]:
    """Every value of {"name": ["span", ...]}, as sure as the pieces that begin between the value before and its end."""
    name, read = "", 0
    starts = [0, *accumulate(len(p.text) for p in pieces)]
    for string in _STRING.finditer("".join(p.text for p in pieces)):
        if string[2]:
            name = string[1]
            continue
        own = [p.probability for p, start in zip(pieces, starts, strict=False) if read <= start < string.end()]
        read = string.end()
        if string[1]:
            yield Said(name, string[1], prod(own))
