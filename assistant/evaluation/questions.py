"""How soon is the right product found? No question -> a fixed order of questions -> the most telling one.

A simulated shopper names a kind of product and wants one product of it. After each answer that does not
show it they answer the assistant's question as the product's record says, or do not mind. With 40 scarves
of four colours and ten brands, the brand is asked for first.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import mean
from typing import Any

from assistant.profile import Portrait, kind_of
from assistant.question import ORDER, answers_about, next_question, spoken_of
from assistant.ranking.ranker import Ranker
from assistant.state import DialogueState, update
from assistant.types import ParsedTurn, Recommendation
from catalog.search import Search
from catalog.types import Product

MOST_TURNS = 12
PICKS = 3
Ask = Callable[[Sequence[Recommendation], DialogueState], str | None]


def run(
    products: Sequence[Product], search: Search, ranker: Ranker, shoppers: int, progress: Callable[[str], Any]
) -> list[dict[str, Any]]:
    """A row for each way of asking, over `shoppers` simulated shoppers: answers needed until the product is shown."""
    rng = random.Random(7)
    wanted = rng.sample([p for p in products if p.stock > 0], min(shoppers, len(products)))
    ways: dict[str, Ask] = {"no question": lambda ranked, state: None, "fixed order": _fixed, "most telling": _telling}
    rows = []
    for name, ask in ways.items():
        progress(f"{name}: {len(wanted)} shoppers")
        needed = [_answers_needed(target, search, ranker, ask) for target in wanted]
        rows.append(
            {
                "questions": name,
                "shoppers": len(needed),
                "answers_needed": round(mean(needed), 2),
                **{f"found_within_{n}": round(mean(t <= n for t in needed), 3) for n in (2, 3, 5)},
                "never_found": round(mean(t > MOST_TURNS for t in needed), 3),
            }
        )
    return rows


def _answers_needed(target: Product, search: Search, ranker: Ranker, ask: Ask) -> int:
    """Answers until the target is among the picks; one more than `MOST_TURNS` if it never is."""
    language: Any = sorted(target.texts)[len(target.external_id) % len(target.texts)]
    state = update(
        DialogueState(), ParsedTurn(language=language, intent="find", slots={"category": kind_of(target, language)})
    )
    seen: set[str] = set()
    for turn in range(1, MOST_TURNS + 1):
        found = [c for c in search.search(state.query()) if c.product.external_id not in seen]
        ranked = ranker.rank(found, state, Portrait())
        shown = [r.product.external_id for r in ranked[:PICKS]]
        if target.external_id in shown:
            return turn
        seen.update(shown)
        slot = ask(ranked[PICKS:], state)
        if slot is None:
            continue
        state = _answered(state, slot, target, [r.product for r in ranked])
    return MOST_TURNS + 1


def _answered(state: DialogueState, slot: str, target: Product, products: Sequence[Product]) -> DialogueState:
    """The state after the shopper has answered as the target's record says."""
    asked = replace(state, asked=(*state.asked, slot))
    answers = answers_about(slot, [*products, target], state.language)[-1]
    if not answers:
        return asked
    slots = next(iter(answers.values()))
    return replace(update(asked, ParsedTurn(language=state.language, intent="refine", slots=slots)), asked=asked.asked)


def _fixed(ranked: Sequence[Recommendation], state: DialogueState) -> str | None:
    return next((slot for slot in ORDER if slot not in state.asked and not spoken_of(slot, state)), None)


def _telling(ranked: Sequence[Recommendation], state: DialogueState) -> str | None:
    question = next_question(ranked, state)
    return question.slot if question else None
