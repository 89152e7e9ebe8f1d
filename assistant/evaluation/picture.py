"""Does the picture of a parse point at the right words? A word at random -> the word that the slot hangs on most.

The pointing game (Zhang et al., "Top-down Neural Attention by Excitation Backprop", 2016): a slot's value is copied from the
message, so the words that it hangs on most should be its own. For "a red scarf" with color: red, a picture that is darkest
at "scarf" has missed. Held-out turns, those values only that stand in the message once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from statistics import mean
from typing import Any

from assistant.llm import LLM
from assistant.parser import Parser, shown, tuned_prompt
from assistant.picture import Hold, holds_of
from assistant.state import DialogueState
from assistant.training.turns import write_turns

SEED = 77
Progress = Callable[[str], Any]


def run(llm: LLM, count: int, progress: Progress) -> list[dict[str, Any]]:
    """A row for each language: the share of slots whose darkest word is one of their own. Raises `UserError`."""
    parser = Parser(llm, tuned_prompt)
    turns = [t for t in write_turns(6 * count, SEED, held_out=True) if not t.slots and t.frame.get("slots")][:count]
    found: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for number, turn in enumerate(turns, start=1):
        progress(f"pictures: {number} of {len(turns)}")
        words, holds = holds_of(llm, parser, turn.text, DialogueState())
        found[turn.language] += _pointed(shown(turn.text), words, holds)
    return [
        {
            "language": language,
            "slots": len(pointed),
            "a word at random": round(mean(chance for chance, _ in pointed), 3),
            "the darkest word": round(mean(hit for _, hit in pointed), 3),
        }
        for language, pointed in sorted(found.items())
    ]


def _pointed(message: str, words: tuple[str, ...], holds: tuple[Hold, ...]) -> Iterator[tuple[float, bool]]:
    """For each copied value: the share of the words that are its own, and whether the darkest is."""
    starts, at = [], 0
    for word in words:
        at = message.index(word, at)
        starts.append(at)
        at += len(word)
    for hold in holds:
        if hold.name in ("mood", "intent", "sort") or message.count(hold.value) != 1:
            continue
        first = message.index(hold.value)
        own = [first <= start < first + len(hold.value) for start in starts]
        yield mean(own), own[max(range(len(words)), key=hold.weights.__getitem__)]
