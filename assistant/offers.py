"""Replies that a shopper can press: the words on one, and the frame that it is taken for."""

from collections.abc import Iterator
from typing import Any

from assistant.phrases import phrase
from assistant.types import Intent, ParsedTurn, QuickReply
from catalog.types import Language


def offer(words: str, language: Language, intent: Intent = "refine", **slots: Any) -> QuickReply:
    """A reply that says `words` and means what a frame of that intent does."""
    return QuickReply(words, ParsedTurn(language=language, intent=intent, slots=slots).frame())


def person(language: Language) -> QuickReply:
    """Who presses it is put through to a person."""
    return offer(phrase("quick_person", language), language, "human")


def similar(language: Language, count: int) -> Iterator[QuickReply]:
    """For each pick an offer of others like it."""
    for number in range(1, count + 1):
        frame = ParsedTurn(language=language, intent="recommend", items=(number,)).frame()
        yield QuickReply(phrase("quick_similar", language, number=number), frame, number)
