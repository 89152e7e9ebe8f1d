"""What the assistant says of itself, from `phrases.yaml`, in the shopper's language."""

from collections.abc import Sequence
from decimal import Decimal

from catalog.tables import load_table
from catalog.types import Language

_SYMBOLS = {"CNY": "¥", "USD": "$", "EUR": "€", "GBP": "£"}


def phrase(key: str, language: Language, **values: object) -> str:
    """The phrase in the language with its `{values}` filled in; an unknown key is a `KeyError`."""
    text: str = load_table("phrases.yaml", "assistant")[key][language]
    return text.format(**values)


def money(amount: Decimal, currency: str) -> str:
    """`¥1,299`, `$12.50`, `99 SEK`: decimals only where there are any."""
    number = f"{amount:,.0f}" if amount == amount.to_integral_value() else f"{amount:,.2f}"
    return f"{_SYMBOLS[currency]}{number}" if currency in _SYMBOLS else f"{number} {currency}"


def sentences(lines: Sequence[str], language: Language) -> str:
    """Sentences one after another, as the language sets them."""
    return (" " if language == "en" else "").join(lines)


def contact_lines(contact: str, language: Language) -> list[str]:
    """How a person is reached beside the chat; nothing where the shop does not say."""
    return [phrase("person", language, contact=contact)] if contact else []


def listed(words: Sequence[str], language: Language) -> str:
    """Words as a list in a sentence."""
    return (", " if language == "en" else "、").join(words)
