"""What a product's text says of it: typed attributes, each a span of the text (`prompts/attributes.txt`)."""

from typing import Any

from assistant.frame import readable, spans
from assistant.llm import LLM
from assistant.prompts import render

# In the order in which the model writes them; `recipient` is whom a product is for.
ATTRIBUTES = ("category", "color", "material", "style", "feature", "occasion", "recipient")
MAX_TOKENS = 160
MOST_VALUES = 5  # of one attribute


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


def read_attributes(llm: LLM, text: str) -> dict[str, tuple[str, ...]]:
    """The attributes that the tuned model finds in a text. Raises `LLMError`."""
    shown = readable(text)
    raw = llm.complete_json(attributes_prompt(shown), attributes_schema(shown), max_tokens=MAX_TOKENS)
    return {name: tuple(dict.fromkeys(values)) for name, values in raw.items()}
