"""What does it cost that histories stay where they are? Popularity -> federated -> everything in one place.

The next product of `daogou evaluate ranking`: each shopper's last is the test, the one before it says when to stop, and all
products but the history's are ranked. Shoppers are dealt out to so many members by lot. In one place the sequence model is
trained as the ranker trains it; the federated one learns in every round from a few histories of each member.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from assistant.evaluation.next_product import Score, Split, dense, ranked, split
from assistant.ranking.behaviour import Behaviour, Floats
from assistant.ranking.collaborative import popularity
from assistant.ranking.content import Content
from assistant.ranking.metrics import ndcg
from assistant.ranking.sequence import SequenceRecipe
from assistant.training.federated import Adam, ContentLearner, SequenceLearner, Weights, rounds_of
from assistant.training.sequence import train_sequence
from assistant.training.sequence_network import SequenceNetwork

SEED = 3
LOOKED_AT = 4_000  # shoppers
EVERY = 20  # rounds between two looks at the sequence model
PATIENCE = 5  # looks without a better one
CONTENT_ROUNDS = 30
Progress = Callable[[str], Any]
Measure = Callable[[Score], float]


def run(
    behaviour: Behaviour, content: Any, members: int, rounds: int, recipe: SequenceRecipe, progress: Progress
) -> list[dict[str, Any]]:
    """A row for each model and way, with its nDCG@10."""
    known, sequences = behaviour.without_last(2), behaviour.sequences()
    long = np.array([shopper for shopper, s in enumerate(sequences) if len(s) >= 3])
    few = np.random.default_rng(SEED).permutation(long)[:LOOKED_AT]
    test, valid = split(behaviour.without_last(1), sequences, -1), split(known, sequences, -2)

    def measure(on: Split) -> Measure:
        return lambda score: float(ndcg(ranked(score, on, few)[0]).mean())

    often = popularity(known)
    rows = [_row("popularity", "counts only", 1, measure(test)(lambda s, h: np.tile(often, (len(h), 1))))]
    parts = _dealt(known, members)
    if content is not None:
        vectors = dense(content)
        for way, own in (("in one place", [known]), ("federated", parts)):
            *_, last = rounds_of([ContentLearner(b, vectors) for b in own], CONTENT_ROUNDS)
            rows.append(_row("content", way, len(own), measure(test)(_content_score(vectors, last))))
            progress(f"content, {way}: {rows[-1]['nDCG@10']}")
    whole, _ = train_sequence(known, content, recipe, lambda network: measure(valid)(_score_of(network)), progress)
    rows.append(_row("sequence", "in one place", 1, measure(test)(_score_of(whole))))
    learners = [SequenceLearner(b, content, recipe) for b in parts]
    best = learners[0].network(_best(learners, rounds, measure(valid), progress))
    return [*rows, _row("sequence", "federated", members, measure(test)(_score_of(best)))]


def _best(learners: Sequence[SequenceLearner], rounds: int, measure: Measure, progress: Progress) -> Weights:
    """The weights of the round that did best, until it has not become better for a while."""
    best, kept, since = -1.0, learners[0].first(), 0
    for number, weights in enumerate(rounds_of(learners, rounds, Adam()), start=1):
        if number % EVERY:
            continue
        value = measure(_score_of(learners[0].network(weights)))
        progress(f"sequence, federated: round {number} of {rounds}, nDCG@10 {value:.4f}")
        best, kept, since = (value, weights, 0) if value > best else (best, kept, since + 1)
        if since == PATIENCE:
            break
    return kept


def _dealt(behaviour: Behaviour, members: int) -> Sequence[Behaviour]:
    of = np.random.default_rng(SEED).integers(0, members, len(behaviour.shoppers))
    return [behaviour.of_shoppers(of == member) for member in range(members)]


def _content_score(vectors: Floats, weights: Weights) -> Score:
    model = Content(vectors, weights["weight"], weights["bias"])
    return lambda shoppers, histories: model.score(histories)


def _score_of(network: SequenceNetwork) -> Score:
    return lambda shoppers, histories: network.score(histories)


def _row(model: str, way: str, members: int, value: float) -> dict[str, Any]:
    return {"model": model, "learned": way, "members": members, "nDCG@10": round(value, 4)}
