"""What does it cost that histories stay where they are? Popularity -> federated -> everything in one place.

The next product of `daogou evaluate ranking`: each shopper's last is the test, all others are ranked. Shoppers are dealt out
to so many members by lot. The models and their recipes are the same in both ways: one pass over everything in one place is
one round among the members.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from assistant.evaluation.next_product import Score, dense, ranked, split
from assistant.ranking.behaviour import Behaviour, Floats, Ints
from assistant.ranking.collaborative import popularity
from assistant.ranking.content import Content
from assistant.ranking.metrics import ndcg
from assistant.ranking.sequence import SequenceRecipe
from assistant.training.federated import ContentLearner, SequenceLearner, Weights, rounds_of

SEED = 3
LOOKED_AT = 4_000  # shoppers
EVERY = 2  # rounds between two looks at the sequence model
Progress = Callable[[str], Any]


def run(
    behaviour: Behaviour, content: Any, members: int, rounds: int, recipe: SequenceRecipe, progress: Progress
) -> list[dict[str, Any]]:
    """A row for each model and way: nDCG@10 after the best round."""
    before, sequences = behaviour.without_last(1), behaviour.sequences()
    test = split(before, sequences, -1)
    long = np.array([shopper for shopper, s in enumerate(sequences) if len(s) >= 3])
    few = np.random.default_rng(SEED).permutation(long)[:LOOKED_AT]
    often = popularity(before)

    def measured(score: Score) -> float:
        found, _ = ranked(score, test, few)
        return float(ndcg(found).mean())

    rows = [_row("popularity", "counts only", 1, measured(lambda s, h: np.tile(often, (len(h), 1))))]
    parts = _dealt(before, members)
    if content is not None:
        vectors = dense(content)
        for way, own in (("in one place", [before]), ("federated", parts)):
            content_learners = [ContentLearner(b, vectors) for b in own]
            *_, last = rounds_of(content_learners, rounds)
            rows.append(_row("content", way, len(own), measured(_content_score(vectors, last))))
            progress(f"content, {way}: {rows[-1]['nDCG@10']}")
    for way, own in (("in one place", [before]), ("federated", parts)):
        learners = [SequenceLearner(b, content, recipe if len(own) == 1 else replace(recipe, batch=64)) for b in own]
        best = 0.0
        for number, weights in enumerate(rounds_of(learners, rounds), start=1):
            if number % EVERY == 0:
                best = max(best, measured(_sequence_score(learners[0], weights)))
                progress(f"sequence, {way}: round {number} of {rounds}, nDCG@10 {best:.4f}")
        rows.append(_row("sequence", way, len(own), best))
    return rows


def _dealt(behaviour: Behaviour, members: int) -> Sequence[Behaviour]:
    of = np.random.default_rng(SEED).integers(0, members, len(behaviour.shoppers))
    return [behaviour.of_shoppers(of == member) for member in range(members)]


def _content_score(vectors: Floats, weights: Weights) -> Score:
    model = Content(vectors, weights["weight"], weights["bias"])
    return lambda shoppers, histories: model.score(histories)


def _sequence_score(learner: SequenceLearner, weights: Weights) -> Score:
    network = learner.network(weights)

    def score(shoppers: Ints, histories: Sequence[Ints]) -> Floats:
        return network.score(histories)

    return score


def _row(model: str, way: str, members: int, value: float) -> dict[str, Any]:
    return {"model": model, "learned": way, "members": members, "nDCG@10": round(value, 4)}
