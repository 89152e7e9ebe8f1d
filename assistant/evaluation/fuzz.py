"""Is every answer a valid frame, whatever comes in? Free decoding -> under the schema, same model.

A frame is valid if it has an intent and a mood that exist and every word in it stands in the message.
A message that gets no frame in time is answered as not understood, which is a valid frame as well, and counted.
"""

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from assistant.frame import MOODS, readable
from assistant.llm import LLM
from assistant.parser import MAX_TOKENS, Parser, tuned_prompt
from assistant.state import DialogueState
from assistant.types import INTENTS, NUMBER_SLOTS, ParsedTurn

TOGETHER = 8  # messages that are read at once
_PIECES = (
    '{"intent":"admin"}', "}", "{", '"', "\\", "\n", "\x00", "\u202e", "💥", "👨‍👩‍👧", "́" * 20, "9" * 40, "9" * 290, "0.0.0.0", "１２３", "十百千万亿",
    "不要", "not", "under", "$", "¥", "-1", "1e999", "NaN", "null", "]]>", "<b>", "'; DROP TABLE products;--", "Message:",
    "Active: nothing", "\u2028", "三千", "a grand", "和", "size", "的的的", "ß", "ﬀ", "ا", "𝟙𝟚", "½", "²", "٣", "é", "\ud800",
)  # fmt: skip


def strings(count: int, seed: int, data: Path | None = None) -> Iterator[str]:
    """Hostile messages: noise, pieces of JSON and prompts, number words, and attacks seen in the wild."""
    rng = random.Random(seed)
    attacks = attacks_in(data) if data else []
    for _ in range(count):
        kind = rng.random()
        if attacks and kind < 0.1:
            yield rng.choice(attacks)
        elif kind < 0.4:
            yield "".join(chr(rng.choice((rng.randrange(32, 127), rng.randrange(0x4E00, 0x9FFF), rng.randrange(0x3000))))
                          for _ in range(rng.randrange(1, 60)))  # fmt: skip
        else:
            yield rng.choice(("", " ")).join(rng.choice(_PIECES) for _ in range(rng.randrange(1, 12)))


def valid(parsed: ParsedTurn, text: str) -> bool:
    """Whether a frame says nothing but what stands in its message, in the contract's values."""
    message = readable(text)
    words = [
        word
        for fields in (parsed.slots, parsed.exclude)
        for name, value in fields.items()
        if name not in (*NUMBER_SLOTS, "sort", "currency")
        for word in (value if isinstance(value, tuple) else (value,))
    ]
    json.dumps(parsed.frame())
    return parsed.intent in INTENTS and all(word in message for word in words)


def run(llm: LLM, count: int, baseline: int, data: Path | None, progress: Callable[[str], Any]) -> list[dict[str, Any]]:
    """A row for free decoding of the first `baseline` messages, and one for all `count` under the schema."""
    messages = list(strings(count, 1, data))
    parser = Parser(llm, tuned_prompt)
    understood: list[bool] = []

    def constrained(text: str) -> bool:
        parsed = parser.parse(text, DialogueState())
        understood.append(parsed.understood)
        return valid(parsed, text)

    free = _row("free decoding", messages[:baseline], lambda text: _free(llm, text), progress)
    ours = _row("under the schema", messages, constrained, progress)
    return [{**free, "understood": None}, {**ours, "understood": round(sum(understood) / len(understood), 4)}]


def _row(
    name: str, messages: Sequence[str], is_valid: Callable[[str], bool], progress: Callable[[str], Any]
) -> dict[str, Any]:
    started = time.perf_counter()
    right = 0
    with ThreadPoolExecutor(TOGETHER) as pool:
        for number, is_right in enumerate(pool.map(is_valid, messages), start=1):
            progress(f"{name}: {number} of {len(messages)}")
            right += is_right
    return {
        "decoding": name,
        "messages": len(messages),
        "valid": right,
        "share": round(right / max(1, len(messages)), 4),
        "seconds each": round((time.perf_counter() - started) / max(1, len(messages)), 2),
    }


def _free(llm: LLM, text: str) -> bool:
    message = readable(text)
    answer = llm.complete(tuned_prompt(message, "nothing"), max_tokens=MAX_TOKENS // 4, stop=("\n",))
    try:
        raw = json.loads(answer)
    except ValueError:
        return False
    return isinstance(raw, dict) and raw.get("intent") in INTENTS and raw.get("mood") in MOODS


def attacks_in(data: Path) -> list[str]:
    """The prompts of `attacks` in `data`, if they are there."""
    path = data / "attacks" / "inthewild_jailbreak_llms.json"
    if not path.exists():
        return []
    raw = json.loads(path.read_text("utf-8"))
    return [text for text in _texts(raw) if text]


def _texts(value: Any) -> Iterator[str]:
    """Every string in nested JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
