"""Turns of made-up shoppers: phrasings filled from a lexicon, each with the frame that it must be parsed to."""

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from assistant.training.draft import Draft, Turn, Unfit
from assistant.training.grammar import Grammar, Phrasing, is_rule, load_grammar
from assistant.training.lexicon import Lexicon, load_lexicon
from assistant.training.noise import printed
from catalog.amounts import plain
from catalog.types import LANGUAGES, Language

# Shares of the intents. Searches have most to learn: their slots.
SHARES = {
    "find": 0.17, "refine": 0.17, "recommend": 0.1, "ask": 0.1, "order": 0.08, "feedback": 0.08, "cart": 0.08,
    "compare": 0.07, "human": 0.05, "chitchat": 0.05, "other": 0.05,
}  # fmt: skip
# How often a turn comes after others, where both happen.
LATER = {"find": 0.4, "refine": 1.0, "recommend": 0.3, "compare": 0.9, "cart": 0.8, "feedback": 0.9}
_ELSE_LATER = 0.45
_WRAPPED = 0.2  # share of turns with a greeting before or a courtesy behind
_MOST_IDLE = 5_000  # draws without a new turn, after which there are no more
_MOST_PER_TEXT = 2  # the same words after other turns are another turn; not more often than this


def write_turns(
    count: int, seed: int, lexicons: Mapping[Language, Lexicon] | None = None, held_out: bool = False
) -> list[Turn]:
    """`count` distinct turns, half of each language, in shuffled order.

    With `held_out` every turn has a phrasing that training never sees; without it none has.
    Equal arguments give equal turns. Raises `ValueError` if the phrasings cannot make so many.
    """
    rng = random.Random(seed)
    turns: list[Turn] = []
    for language in LANGUAGES:
        lexicon = (lexicons or {}).get(language) or load_lexicon(language)
        for intent, share in SHARES.items():
            wanted = round(count / len(LANGUAGES) * share)
            turns += _distinct(_Writer(load_grammar(language), lexicon, rng, held_out), intent, wanted)
    rng.shuffle(turns)
    return turns


def write_goods(count: int, seed: int, held_out: bool = False) -> list[Turn]:
    """Texts of made-up products as feeds have them, half of each language; their slots are the attributes.

    The written lexicon alone fills them: no catalog that extraction may be measured on.
    """
    rng = random.Random(seed)
    goods: list[Turn] = []
    for language in LANGUAGES:
        writer = _Writer(load_grammar(language), load_lexicon(language), rng, held_out)
        found: dict[str, Turn] = {}
        while len(found) < count // len(LANGUAGES):
            if product := writer.product():
                found[product.text] = product
        goods += found.values()
    rng.shuffle(goods)
    return goods


def _distinct(writer: "_Writer", intent: str, wanted: int) -> Iterator[Turn]:
    """Turns of an intent without near-duplicates: texts that differ in case, marks or spaces alone."""
    seen: Counter[str] = Counter()
    pairs: set[tuple[str, str]] = set()
    idle = 0
    while len(pairs) < wanted:
        idle += 1
        if idle > _MOST_IDLE:
            raise ValueError(f"the phrasings of {intent!r} make only {len(pairs)} of {wanted} distinct turns")
        turn = writer.turn(intent)
        if turn is None:
            continue
        folded = re.sub(r"[\W_]+", "", plain(turn.text)) or turn.text
        pair = folded, repr((sorted(turn.slots), turn.known))
        if pair in pairs or seen[folded] >= _MOST_PER_TEXT:
            continue
        seen[folded] += 1
        pairs.add(pair)
        idle = 0
        yield turn


class _Writer:
    """Writes turns of one language."""

    def __init__(self, grammar: Grammar, lexicon: Lexicon, rng: random.Random, held_out: bool) -> None:
        self._grammar = grammar
        self._lexicon = lexicon
        self._english = load_lexicon("en")
        self._rng = rng
        self._held_out = held_out

    def turn(self, intent: str) -> Turn | None:
        """A turn of `intent`, or None if the choices did not fit together."""
        rng = self._rng
        draft = Draft(self._lexicon, self._english, rng, later=rng.random() < LATER.get(intent, _ELSE_LATER))
        try:
            self._expand(draft, self._grammar.choose(intent, rng, self._held_out))
            if intent not in ("find", "refine", "recommend") and rng.random() < _WRAPPED:
                self._wrap(draft, intent)
            return draft.finish(intent, self._held_out)
        except Unfit:
            return None

    def product(self) -> Turn | None:
        """The text of a product, or None if the choices did not fit together."""
        draft = Draft(self._lexicon, self._english, self._rng, later=False)
        try:
            self._expand(draft, self._grammar.choose("goods", self._rng, self._held_out))
            return draft.finish("find", self._held_out, printed)
        except Unfit:
            return None

    def _expand(self, draft: Draft, phrasing: Phrasing) -> None:
        draft.held_out |= phrasing.held_out
        for piece in phrasing.pieces:
            if is_rule(piece):
                self._expand(draft, self._grammar.choose(piece[1:-1], self._rng, self._held_out))
            elif piece.startswith("{"):
                draft.fill(piece[1:-1])
            else:
                draft.say(piece)
        draft.effects.update(phrasing.effects)

    def _wrap(self, draft: Draft, intent: str) -> None:
        """A greeting before the words or a courtesy behind them; "thanks asap" nobody says."""
        comma = ", " if self._grammar.language == "en" else "，"
        if intent == "chitchat" or self._rng.random() < 0.5:
            body, draft.chunks = draft.chunks, []
            self._expand(draft, self._grammar.choose(self._rng.choice(("hi", "hmm")), self._rng, self._held_out))
            draft.say(comma)
            draft.chunks += body
        else:
            if self._grammar.language == "en":
                draft.say(" ")
            self._expand(draft, self._grammar.choose("end", self._rng, self._held_out))
