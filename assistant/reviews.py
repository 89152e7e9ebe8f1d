"""A review to what it says: its polarity, the aspects (`assistant.aspects`) it praises or blames, and tags for the product."""

import logging
from typing import Any

from assistant.aspects import aspects
from assistant.frame import readable, spans
from assistant.llm import LLM, LLMError
from assistant.prompts import render
from catalog.types import Reading

log = logging.getLogger(__name__)

POLARITIES = ("positive", "negative")
MAX_TOKENS = 120


class ReviewReader:
    """Reads reviews with a tuned model; its name changes with the adapter, so that a better one reads anew."""

    def __init__(self, llm: LLM, name: str) -> None:
        self._llm = llm
        self.name = name

    def read(self, text: str) -> Reading | None:
        """What a review says, nothing where the model has no answer."""
        try:
            return read_review(self._llm, text)
        except LLMError as error:
            log.warning("a review could not be read: %s", error)
            return None


def read_review(llm: LLM, text: str) -> Reading:
    """What a review says, as the tuned model reads it. Raises `LLMError`."""
    shown = readable(text)
    raw = llm.complete_json(render("review", review=shown), review_schema(shown), max_tokens=MAX_TOKENS)
    good, bad, tags = (tuple(dict.fromkeys(raw.get(name, ()))) for name in ("good", "bad", "tags"))
    return Reading(raw["polarity"], good, bad, tags)


def review_schema(text: str) -> dict[str, Any]:
    """The JSON schema of what a review can say."""
    voices = {"type": "array", "items": {"enum": list(aspects())}, "minItems": 1, "maxItems": 6}
    tags = {"type": "array", "items": {"enum": spans(text) or [""]}, "minItems": 1, "maxItems": 4}
    return {
        "type": "object",
        "properties": {"polarity": {"enum": list(POLARITIES)}, "good": voices, "bad": voices, "tags": tags},
        "required": ["polarity"],
        "additionalProperties": False,
    }
