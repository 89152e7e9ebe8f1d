"""A conversation to a brief of five lines for the person who takes it over."""

from collections.abc import Sequence
from typing import Literal

from assistant.frame import readable
from assistant.llm import LLM
from assistant.masking import mask
from assistant.prompts import render

MAX_TOKENS = 120
LINES = 5
LAST_MESSAGES = 8  # what came before is not summarised

Speaker = Literal["shopper", "shop"]


def write_brief(llm: LLM, conversation: Sequence[tuple[Speaker, str]]) -> str:
    """Five lines: wants, limits, opinion, mood, open question. Raises `LLMError`."""
    return llm.complete(brief_prompt(conversation), max_tokens=MAX_TOKENS, stop=("\n\n",)).strip()


def brief_prompt(conversation: Sequence[tuple[Speaker, str]]) -> str:
    """The prompt that training and serving share."""
    lines = [f"{'Shopper' if who == 'shopper' else 'Shop'}: {readable(mask(text))}" for who, text in conversation]
    return render("brief", conversation="\n".join(lines[-LAST_MESSAGES:]))
