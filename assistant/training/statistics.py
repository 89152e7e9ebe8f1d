"""What the written training set consists of, as tables."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from assistant.training.draft import Turn
from assistant.training.grammar import load_grammar
from assistant.training.turns import SHARES
from catalog.types import LANGUAGES


def balance(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """A row for each intent: turns by language, and by whether they come first or later."""
    counts = Counter((t.frame["intent"], t.language, "later" if t.slots else "first") for t in turns)
    rows = []
    for intent in SHARES:
        row: dict[str, Any] = {"intent": intent}
        for language in LANGUAGES:
            for place in ("first", "later"):
                row[f"{language} {place}"] = counts[intent, language, place]
        rows.append({**row, "all": sum(v for (i, _, _), v in counts.items() if i == intent)})
    return [*rows, _total(rows)]


def coverage(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """A row for each language: phrasings written and kept for the test, distinct texts, fields, moods."""
    rows = []
    for language in LANGUAGES:
        lines = {line.key: line for group in load_grammar(language).rules.values() for line in group}.values()
        mine = [t for t in turns if t.language == language]
        slots = [name for t in mine for name in t.frame["slots"]]
        rows.append(
            {
                "language": language,
                "phrasings": len(lines),
                "held out": sum(line.held_out for line in lines),
                "turns": len(mine),
                "distinct texts": len({t.text for t in mine}),
                "characters": round(sum(len(t.text) for t in mine) / max(1, len(mine)), 1),
                "slots": len(slots),
                "with exclusion": sum(bool(t.frame["exclude"]) for t in mine),
                "with drop": sum(bool(t.frame["drop"]) for t in mine),
                "with facts": sum(bool(t.frame["profile"]) for t in mine),
                "negative": sum(t.frame["mood"] < 0 for t in mine),
                "positive": sum(t.frame["mood"] > 0 for t in mine),
            }
        )
    return rows


def _total(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {name: "all" if name == "intent" else sum(r[name] for r in rows) for name in rows[0]}
