"""A review to what it says: its polarity, the aspects it praises or blames, and tags for the product."""

from dataclasses import dataclass
from typing import Any

from assistant.frame import readable, spans
from assistant.llm import LLM
from assistant.prompts import render

POLARITIES = ("positive", "negative")
ASPECTS = (
    "quality", "price", "fit", "comfort", "appearance", "performance", "battery", "taste", "smell", "delivery",
    "service", "ease",
)  # fmt: skip
MAX_TOKENS = 120


@dataclass(frozen=True, slots=True)
class ReviewReading:
    """What one review says. `good` and `bad` are aspects (see `ASPECTS`); `tags` are spans of its text."""

    polarity: str
    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


def read_review(llm: LLM, text: str) -> ReviewReading:
    """What a review says, as the tuned model reads it. Raises `LLMError`."""
    shown = readable(text)
    raw = llm.complete_json(render("review", review=shown), review_schema(shown), max_tokens=MAX_TOKENS)
    good, bad, tags = (tuple(dict.fromkeys(raw.get(name, ()))) for name in ("good", "bad", "tags"))
    return ReviewReading(raw["polarity"], good, bad, tags)


def review_schema(text: str) -> dict[str, Any]:
    """The JSON schema of what a review can say."""
    aspects = {"type": "array", "items": {"enum": list(ASPECTS)}, "minItems": 1, "maxItems": 6}
    tags = {"type": "array", "items": {"enum": spans(text) or [""]}, "minItems": 1, "maxItems": 4}
    return {
        "type": "object",
        "properties": {"polarity": {"enum": list(POLARITIES)}, "good": aspects, "bad": aspects, "tags": tags},
        "required": ["polarity"],
        "additionalProperties": False,
    }
