"""How fast does the language model decode? Plain `generate` -> the serving decoder, in the same run.

Both answer the same parse prompts with the same weights. `generate` writes freely until the answer
closes; the serving decoder has the prefix cache, forced tokens, copied spans and the sliced output layer. Then how many
parses a second it does of one shopper after another, and of several who ask at once; and what a parse takes with all
weights in float32.
"""

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from assistant.frame import frame_schema
from assistant.llm.local import LocalLLM
from assistant.parser import MAX_TOKENS, tuned_prompt

MESSAGES = (
    "looking for a black waterproof jacket under 500",
    "想买一双红色的跑鞋，三百以内，不要皮的",
    "cheaper please",
    "第二个有42码吗",
    "where is my order? it's been two weeks",
    "送女朋友的生日礼物，预算五百左右",
    "I'm 183 cm and allergic to wool, need a warm scarf in grey or navy",
    "转人工",
    "compare the first two",
    "谢谢",
)
SHOPPERS = 8  # who ask at once
TEXT = "Explain\nFacts: Velora black running shoes; waterproof; breathable. Asked for: waterproof\n"


def run(model: str | Path, adapter: Path | None, rounds: int, progress: Callable[[str], Any]) -> list[dict[str, Any]]:
    """A row for each way to decode: times of a parse, tokens and speeds."""
    rows = _in_use(LocalLLM(model, adapter), rounds, progress)
    whole = LocalLLM(model, adapter, precision="float32")
    return [*rows, _timed("daogou, float32", _parsing(whole), whole, rounds, progress)]


def _in_use(llm: LocalLLM, rounds: int, progress: Callable[[str], Any]) -> list[dict[str, Any]]:
    """The model as it serves, beside `generate`."""
    ways = {"generate": _generating(llm), "daogou": _parsing(llm)}
    rows = [_timed(name, decode, llm, rounds, progress) for name, decode in ways.items()]
    progress(f"{SHOPPERS} shoppers at once")
    return [*rows, *_throughput(ways["daogou"], rounds), _text_row(llm)]


def _parsing(llm: LocalLLM) -> Callable[[int], str]:
    """Reads one of `MESSAGES` as serving does."""

    def parse(number: int) -> str:
        message = MESSAGES[number]
        answer = llm.complete_json(tuned_prompt(message, "nothing"), frame_schema(message), max_tokens=MAX_TOKENS)
        return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))

    return parse


def _timed(
    name: str, decode: Callable[[int], str], llm: LocalLLM, rounds: int, progress: Callable[[str], Any]
) -> dict[str, Any]:
    """Times of a parse of each message, `rounds` times."""
    decode(0)
    seconds, tokens = [], []
    for turn in range(rounds * len(MESSAGES)):
        progress(f"{name}: {turn + 1} of {rounds * len(MESSAGES)}")
        started = time.perf_counter()
        answer = decode(turn % len(MESSAGES))
        seconds.append(time.perf_counter() - started)
        tokens.append(llm.count_tokens(answer))
    return _row(name, seconds, tokens)


def _throughput(decode: Callable[[int], str], rounds: int) -> list[dict[str, Any]]:
    """Parses a second of one shopper after another, and of `SHOPPERS` who ask at once."""
    turns = [turn % len(MESSAGES) for turn in range(rounds * len(MESSAGES))]
    rows = []
    for shoppers in (1, SHOPPERS):
        with ThreadPoolExecutor(shoppers) as pool:
            started = time.perf_counter()
            list(pool.map(decode, turns))
            each = len(turns) / (time.perf_counter() - started)
        rows.append({"decoder": f"daogou, {shoppers} at once", "parses a second": round(each, 2)})
    return rows


def _row(name: str, seconds: Sequence[float], tokens: Sequence[int]) -> dict[str, Any]:
    return {
        "decoder": name,
        "p50 ms": round(float(np.percentile(seconds, 50)) * 1000),
        "p95 ms": round(float(np.percentile(seconds, 95)) * 1000),
        "answer tokens": round(float(np.mean(tokens)), 1),
        "ms a token": round(sum(seconds) / sum(tokens) * 1000, 1),
    }


def _text_row(llm: LocalLLM) -> dict[str, Any]:
    """Free text: the time to the first piece, and from there on."""
    started = time.perf_counter()
    first = 0.0
    pieces = []
    for piece in llm.stream(TEXT, max_tokens=32):
        first = first or time.perf_counter() - started
        pieces.append(piece)
    whole = time.perf_counter() - started
    tokens = llm.count_tokens("".join(pieces))
    row = _row("daogou, free text", [whole], [max(1, tokens)])
    return {**row, "p95 ms": None, "first token ms": round(first * 1000)}


def _generating(llm: LocalLLM) -> Callable[[int], str]:
    """Reads one of `MESSAGES` by transformers' own greedy decoding, until the brackets close."""
    from transformers import AutoTokenizer, StoppingCriteriaList

    tokenizer: Any = AutoTokenizer.from_pretrained(llm.name)

    def generate(number: int) -> str:
        encoded = tokenizer(tuned_prompt(MESSAGES[number], "nothing"), return_tensors="pt")
        start = encoded["input_ids"].shape[1]

        def closed(ids: torch.Tensor, _: Any) -> torch.Tensor:
            text = tokenizer.decode(ids[0, start:])
            return torch.tensor([text.count("{") == text.count("}") > 0])

        with torch.inference_mode():
            ids = llm.network.generate(
                **encoded, max_new_tokens=MAX_TOKENS, do_sample=False, stopping_criteria=StoppingCriteriaList([closed])
            )
        text: str = tokenizer.decode(ids[0, start:], skip_special_tokens=True)
        return text

    return generate
