"""What a shop would do without a language model: a linear classifier and a lexicon.

Intent and mood by logistic regression over TF-IDF of character n-grams (Salton and Buckley, 1988), slots by
the longest lexicon word at each place, numbers by the words before and behind them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from assistant.frame import MOODS, language_of, readable, to_turn
from assistant.training.draft import Turn
from assistant.training.lexicon import Lexicon
from assistant.types import LIST_SLOTS, ParsedTurn
from catalog.amounts import parse_amount

_SLOTS = ("category", *LIST_SLOTS, "occasion", "recipient")
_SINGLE = ("occasion", "recipient")
_NUMBER = r"(\d[\d,.]*[kw千万]?|[一二三四五六七八九两][十百千万一二三四五六七八九零]*)"
_PRICES = {
    "price_max": [
        rf"(?:under|below|less than|max|at most|up to|no more than|within|budget(?: is| of)?|预算|不超过|最多|低于)\s*[$£€¥]?{_NUMBER}",
        rf"{_NUMBER}\s*(?:元|块钱?)?(?:以内|以下|之内|封顶)",
        rf"{_NUMBER} (?:or less|max|tops)",
    ],
    "price_min": [
        rf"(?:over|above|more than|at least|from|至少|不低于|高于|超过)\s*[$£€¥]?{_NUMBER}",
        rf"{_NUMBER}\s*(?:元|块钱?)?(?:以上|起)",
    ],
    "price_about": [
        rf"(?:around|about|roughly|大概|大约|差不多)\s*[$£€¥]?{_NUMBER}",
        rf"{_NUMBER}\s*(?:元|块钱?)?(?:左右|上下)",
    ],
}
_NOT = re.compile(r"(?:not|no|without|except|anything but|不要|别要|除了|不喜欢|讨厌)\s*$", re.IGNORECASE)


class LinearParser:
    """The classical parser, fitted on the same turns as the adapter."""

    def __init__(self, turns: Sequence[Turn], lexicons: Iterable[Lexicon]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        texts = [_features(t.text, bool(t.slots)) for t in turns]
        self._models = {}
        for name in ("intent", "mood"):
            model = make_pipeline(
                TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), min_df=2, max_features=60_000),
                LogisticRegression(C=10, max_iter=300),
            )
            self._models[name] = model.fit(texts, [str(t.frame[name]) for t in turns])
        words = {w.lower(): slot for lexicon in lexicons for slot in _SLOTS for w in _all_words(lexicon, slot)}
        self._words = words
        boundary = sorted(words, key=len, reverse=True)
        self._pattern = re.compile("|".join(_bounded(w) for w in boundary), re.IGNORECASE)

    def parse(self, text: str, slots: Mapping[str, Any]) -> ParsedTurn:
        """The frame that classifier and lexicon make."""
        message = readable(text)
        found = {name: str(m.predict([_features(message, bool(slots))])[0]) for name, m in self._models.items()}
        raw: dict[str, Any] = {"mood": int(found["mood"]), "intent": found["intent"], "slots": {}, "exclude": {}}
        for match in self._pattern.finditer(message):
            slot, word = self._words[match.group().lower()], match.group()
            denied = slot not in _SINGLE and _NOT.search(message[: match.start()])
            part = raw["exclude"] if denied else raw["slots"]
            if slot in _SINGLE:
                part.setdefault(slot, word)
            elif word not in part.setdefault(slot, []):
                part[slot].append(word)
        raw["slots"] |= _prices(message)
        assert raw["mood"] in MOODS
        return to_turn(raw, message)


def _prices(message: str) -> dict[str, str]:
    found = {}
    for slot, patterns in _PRICES.items():
        match = next((m for p in patterns if (m := re.search(p, message, re.IGNORECASE))), None)
        if match and parse_amount(match.group(1)) is not None:
            found[slot] = match.group(1)
    return found


def _features(text: str, later: bool) -> str:
    return f"{'later' if later else 'first'} {text.lower()}"


def _all_words(lexicon: Lexicon, slot: str) -> set[str]:
    return {w for d in lexicon.departments for w in lexicon.words(slot, d)}


def _bounded(word: str) -> str:
    return re.escape(word) if language_of(word) == "zh" else rf"\b{re.escape(word)}\b"
