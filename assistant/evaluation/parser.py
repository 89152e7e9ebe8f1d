"""How well is a message understood? Base with examples -> linear model with lexicon -> adapter.

A frame is compared with the one that the message was written from. For "red hat under 50" the right
slots are {category: hat, color: red, price_max: 50}: three pairs. A parse without the price finds two of
three (recall .67) with none wrong (precision 1), F1 .80, and the frame is not exact.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from assistant.build import NO_ADAPTER, open_llm, open_parser
from assistant.drawing import picture
from assistant.evaluation.baselines import LinearParser
from assistant.frame import ENTITIES, entities_schema, readable, to_turn
from assistant.llm import LLM, LLMError
from assistant.parser import Parser, tuned_prompt
from assistant.prompts import render
from assistant.reviews import read_review
from assistant.settings import Settings
from assistant.state import DialogueState
from assistant.training.draft import Turn
from assistant.training.lexicon import Lexicon
from assistant.training.lora import Recipe
from assistant.training.open_data import reviews, utterances
from assistant.training.turns import write_turns
from assistant.types import INTENTS, NUMBER_SLOTS, Fact, ParsedTurn
from catalog.amounts import plain
from catalog.embedding import open_embedder
from catalog.types import LANGUAGES, Language

# The moods of short messages about service, where they matter most.
SERVICE = ("feedback", "order", "human", "chitchat")
TEST_SEED = 2_000_003  # apart from the turns that chose the checkpoint
WORST = 50
LINEAR_TURNS = 12_000  # that the linear baseline is fitted on; more changed nothing
Pair = tuple[str, str]
Progress = Callable[[str], Any]


@dataclass(frozen=True)
class System:
    """A parser under test."""

    name: str
    parse: Callable[[Turn], ParsedTurn]
    most: int = 1_000_000  # turns of each language, for slow ones


@dataclass(frozen=True)
class Outcome:
    """One turn: what should have come and what came."""

    turn: Turn
    right: ParsedTurn
    found: ParsedTurn
    seconds: float


def run(
    settings: Settings, llm: LLM, count: int, few_shot: int, lexicons: Mapping[Language, Lexicon], progress: Progress
) -> tuple[dict[str, list[Outcome]], list[dict[str, Any]]]:
    """Outcomes of the three systems on `count` held-out turns, and a row for each system and language."""
    turns = write_turns(count, TEST_SEED, lexicons, held_out=True)
    progress("fitting the linear model")
    linear = LinearParser(write_turns(LINEAR_TURNS, Recipe().seed, lexicons), lexicons.values())
    embedder = partial(open_embedder, settings.embedding_model)
    systems = [
        System("linear + lexicon", lambda turn: linear.parse(turn.text, turn.slots)),
        llm_system("adapter", open_parser(llm, embedder)),
    ]
    if few_shot:
        base = open_llm(settings.model_copy(update={"llm_adapter": NO_ADAPTER}))
        parser = open_parser(base, embedder)
        systems.insert(0, llm_system("base, few-shot", parser, few_shot))
    outcomes = evaluate(systems, turns, progress)
    return outcomes, rows(outcomes)


def run_corpora(llm: LLM, data: Path, most_reviews: int, progress: Progress) -> list[list[dict[str, Any]]]:
    """A table for each open set that is there."""
    parser = Parser(llm, tuned_prompt)
    tables = []
    if (data / "ec-ner-zh").is_dir():
        tables.append(entity_scores(llm, parser, data, progress))
    if (data / "zh-reviews").is_dir():
        tables.append(review_scores(llm, data, progress, most_reviews))
    return tables


def llm_system(name: str, parser: Parser, most: int = 1_000_000) -> System:
    """A language model's parser as a system under test."""
    return System(name, lambda turn: parser.parse(turn.text, state_of(turn)), most)


def state_of(turn: Turn) -> DialogueState:
    """The state that a written turn comes after."""
    return DialogueState(slots=turn.slots, exclude=turn.exclude, profile={name: Fact(None, "") for name in turn.known})


def evaluate(systems: Sequence[System], turns: Sequence[Turn], progress: Progress) -> dict[str, list[Outcome]]:
    """Every system's outcomes on the turns, by the system's name."""
    outcomes: dict[str, list[Outcome]] = {}
    for system in systems:
        outcomes[system.name] = []
        seen: Counter[str] = Counter()
        for turn in turns:
            seen[turn.language] += 1
            if seen[turn.language] > system.most:
                continue
            progress(f"{system.name}: {sum(seen.values())} of {len(turns)}")
            started = time.perf_counter()
            found = system.parse(turn)
            seconds = time.perf_counter() - started
            outcomes[system.name].append(Outcome(turn, to_turn(turn.frame, turn.text), found, seconds))
    return outcomes


def score(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """All figures of one system in one language."""
    from sklearn.metrics import f1_score

    right = [o.right for o in outcomes]
    found = [o.found for o in outcomes]
    service = [o for o in outcomes if o.right.intent in SERVICE]
    seconds = [o.seconds for o in outcomes]
    return {
        "turns": len(outcomes),
        "intent_accuracy": _share(r.intent == f.intent for r, f in zip(right, found, strict=True)),
        "intent_macro_f1": round(
            f1_score([r.intent for r in right], [f.intent for f in found], average="macro", zero_division=0), 3
        ),
        "slot_f1": _f1(outcomes, lambda t: pairs(t.slots)),
        "slot_f1_normalised": _f1(outcomes, lambda t: [(s, plain(v)) for s, v in pairs(t.slots)]),
        "exclude_f1": _f1(outcomes, lambda t: pairs(t.exclude)),
        "drop_f1": _f1(outcomes, lambda t: [("drop", name) for name in t.drop]),
        "items_f1": _f1(outcomes, lambda t: [("items", str(i)) for i in t.items]),
        "profile_f1": _f1(outcomes, lambda t: pairs(t.profile)),
        "frame_exact": _share(exact(o) for o in outcomes),
        "mood_macro_f1": _mood_f1(outcomes),
        "service_mood_macro_f1": _mood_f1(service),
        "language_accuracy": _share(r.language == f.language for r, f in zip(right, found, strict=True)),
        "seconds_p50": round(float(np.percentile(seconds, 50)), 3),
        "seconds_p95": round(float(np.percentile(seconds, 95)), 3),
    }


def exact(outcome: Outcome) -> bool:
    """Whether intent, slots, exclusions, drops, items and profile are all right; the mood is scored apart."""
    return _comparable(outcome.right) == _comparable(outcome.found)


def pairs(fields: Mapping[str, Any]) -> list[Pair]:
    """Slots as (name, value) pairs, one for each word of a list."""
    found = []
    for name, value in fields.items():
        for one in value if isinstance(value, tuple | list) else (value,):
            found.append((name, _number(one) if name in NUMBER_SLOTS or isinstance(one, Decimal) else str(one)))
    return found


def rows(outcomes: Mapping[str, Sequence[Outcome]]) -> list[dict[str, Any]]:
    """A row for each system and language."""
    return [
        {"language": language, "system": name, **score(chosen)}
        for language in LANGUAGES
        for name, all_of_it in outcomes.items()
        if (chosen := [o for o in all_of_it if o.turn.language == language])
    ]


def entity_scores(llm: LLM, parser: Parser, data: Path, progress: Progress, most: int = 400) -> list[dict[str, Any]]:
    """Entity F1 on ec-ner-zh's dev lines, asked for entities alone and as read off whole frames."""
    lines = utterances(data, "dev")[:most]
    counts = {"entities": Counter[str](), "frames": Counter[str]()}
    for number, line in enumerate(lines, start=1):
        progress(f"ec-ner-zh: {number} of {len(lines)}")
        gold = Counter(line.entities)
        message = readable(line.text)
        try:
            raw = llm.complete_json(render("entities", message=message), entities_schema(message), max_tokens=120)
        except LLMError:
            raw = {}
        frame = parser.parse(line.text, DialogueState())
        for name, found in (("entities", pairs(raw)), ("frames", _entities_of(frame))):
            _count(counts[name], gold, Counter(found))
    return [{"set": "ec-ner-zh dev", "asked for": name, "lines": len(lines), **_prf(c)} for name, c in counts.items()]


def review_scores(llm: LLM, data: Path, progress: Progress, most: int) -> list[dict[str, Any]]:
    """Accuracy of polarity on held-out Chinese reviews, beside TF-IDF with logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    train, test = reviews(data)
    test = test[:most]
    linear = make_pipeline(TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2), LogisticRegression(C=10))
    linear.fit([t for t, _ in train], [p for _, p in train])
    baseline = _share(a == p for a, (_, p) in zip(linear.predict([t for t, _ in test]), test, strict=True))
    right = []
    for number, (text, polarity) in enumerate(test, start=1):
        progress(f"zh-reviews: {number} of {len(test)}")
        right.append(read_review(llm, text).polarity == polarity)
    return [
        {
            "set": "zh-reviews, own split",
            "system": "TF-IDF + logistic regression, all of train",
            "reviews": len(test),
            "accuracy": baseline,
        },
        {"set": "zh-reviews, own split", "system": "adapter", "reviews": len(test), "accuracy": _share(right)},
    ]


def write_worst(outcomes: Sequence[Outcome], path: Path) -> None:
    """The turns furthest from right, as JSON lines."""
    wrong = sorted((o for o in outcomes if not exact(o)), key=lambda o: -_distance(o))
    with path.open("w", encoding="utf-8") as file:
        for o in wrong[:WORST]:
            row = {
                "text": o.turn.text,
                "state": {k: str(v) for k, v in o.turn.slots.items()},
                "right": o.right.frame(),
                "found": o.found.frame(),
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def draw_confusions(outcomes: Sequence[Outcome], path: Path) -> None:
    """Which intent was taken for which, as a picture."""
    from sklearn.metrics import ConfusionMatrixDisplay

    with picture(path, 8, 7) as (_, axes):
        ConfusionMatrixDisplay.from_predictions(
            [o.right.intent for o in outcomes],
            [o.found.intent for o in outcomes],
            labels=list(INTENTS),
            xticks_rotation=45,
            cmap="Blues",
            colorbar=False,
            ax=axes,
        )


def _entities_of(frame: ParsedTurn) -> list[Pair]:
    slots: dict[str, Any] = {name: frame.slots[name] for name in ENTITIES if name in frame.slots}
    return pairs(slots)


def _comparable(turn: ParsedTurn) -> tuple[Any, ...]:
    return (
        turn.intent, sorted(pairs(turn.slots)), sorted(pairs(turn.exclude)), sorted(turn.drop), sorted(turn.items),
        sorted(pairs(turn.profile)),
    )  # fmt: skip


def _distance(outcome: Outcome) -> float:
    right, found = (set(map(str, _flat(t))) for t in (outcome.right, outcome.found))
    return len(right ^ found) + (outcome.right.intent != outcome.found.intent)


def _flat(turn: ParsedTurn) -> list[Any]:
    return [
        *pairs(turn.slots),
        *(("not", *p) for p in pairs(turn.exclude)),
        *turn.drop,
        *turn.items,
        *pairs(turn.profile),
    ]


def _number(value: Any) -> str:
    return f"{Decimal(str(value)).normalize():f}"


def _mood_f1(outcomes: Sequence[Outcome]) -> float | None:
    from sklearn.metrics import f1_score

    if not outcomes:
        return None
    labels = ("negative", "neutral", "positive")
    right = [o.right.sentiment.label for o in outcomes]
    found = [o.found.sentiment.label for o in outcomes]
    return round(float(f1_score(right, found, labels=labels, average="macro", zero_division=0)), 3)


def _f1(outcomes: Sequence[Outcome], of: Callable[[ParsedTurn], Sequence[Pair]]) -> float | None:
    """Micro F1 over pairs; None where no turn has any."""
    counts: Counter[str] = Counter()
    for o in outcomes:
        _count(counts, Counter(of(o.right)), Counter(of(o.found)))
    return _prf(counts)["f1"] if counts["gold"] else None


def _count(counts: Counter[str], gold: Counter[Pair], found: Counter[Pair]) -> None:
    counts["hit"] += (gold & found).total()
    counts["gold"] += gold.total()
    counts["found"] += found.total()


def _prf(counts: Mapping[str, int]) -> dict[str, float]:
    precision = counts["hit"] / counts["found"] if counts["found"] else 0.0
    recall = counts["hit"] / counts["gold"] if counts["gold"] else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"precision": round(precision, 3), "recall": round(recall, 3), "f1": round(f1, 3)}


def _share(hits: Iterable[bool]) -> float:
    values = list(hits)
    return round(sum(values) / len(values), 3) if values else 0.0
