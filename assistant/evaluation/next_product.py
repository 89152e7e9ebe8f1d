"""What will a shopper take next? Popularity -> neighbours -> factors -> sequences -> our blend.

Leave one out by time: the last product of each shopper is the test, the one before it the validation, the
rest trains. Every product is ranked but those of the history (full ranking). For a history a, b, c and the
target d, a system that puts d third among the products other than a, b and c has HR@10 1 and nDCG@10 .5.
"""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

from assistant.ranking.behaviour import Behaviour, Floats, Ints, indicator
from assistant.ranking.blend import Blend, Lists
from assistant.ranking.collaborative import Factors, ItemItem, popularity
from assistant.ranking.content import Content
from assistant.ranking.metrics import ndcg, places, summary
from assistant.ranking.sequence import SequenceRecipe
from assistant.training.content import Loss, fit_content
from assistant.training.sequence import train_sequence
from assistant.training.sequence_network import SequenceNetwork
from catalog.errors import UserError
from catalog.feeds.orders import read
from catalog.feeds.source import FeedOptions, Reject, open_text

BATCH = 512
VALIDATED = 4_000  # shoppers looked at after each epoch
BLENDED = 8_000  # shoppers whose validation targets train the blend
POOL = 150  # best products of each model that the blend orders anew
CONTENT_WIDTH = 64

# (shoppers, histories) -> scores (B, P)
Score = Callable[[Ints, Sequence[Ints]], Floats]
Progress = Callable[[str], Any]


@dataclass(frozen=True)
class Split:
    """Histories (one for each shopper) and the product that came after each."""

    histories: Sequence[Ints]
    targets: Ints


def load_behaviour(interactions: Path, columns: Mapping[str, str]) -> Behaviour:
    """From a table with shopper, product and time, or lines of a shopper and their products in order.

    Raises `FeedError` for a file that is neither.
    """
    with open_text(interactions) as file:
        first = file.readline().split()
    if len(first) > 2 and "," not in first[0]:
        return _of_lines(interactions)
    rows = read(interactions, FeedOptions(columns=columns))
    return Behaviour.of(row for row in rows if not isinstance(row, Reject))


def load_attributes(path: Path, products: Sequence[str]) -> Any:
    """Sparse (products, attributes), from JSON {product: [attributes]} or a table of product and attribute."""
    try:
        if path.suffix == ".json":
            found: dict[str, list[Any]] = json.loads(path.read_text("utf-8"))
        else:
            found = {}
            with path.open(encoding="utf-8") as file:
                for product, *attributes in csv.reader(file):
                    found.setdefault(product, []).extend(attributes)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: {error}") from error
    return indicator([found.get(product, ()) for product in products])


def run(behaviour: Behaviour, content: Any, recipe: SequenceRecipe, progress: Progress) -> list[dict[str, Any]]:
    """A row of measures for each system, ours last."""
    sequences = behaviour.sequences()
    long = [shopper for shopper, s in enumerate(sequences) if len(s) >= 3]
    train, before = behaviour.without_last(2), behaviour.without_last(1)
    validation, test = split(train, sequences, -2), split(before, sequences, -1)
    shoppers = np.array(long)
    few = np.random.default_rng(recipe.seed).permutation(shoppers)

    def validate(model: SequenceNetwork) -> float:
        found, _ = ranked(lambda s, h: model.score(h), validation, few[:VALIDATED])
        return float(ndcg(found).mean())

    progress("training SASRec as published: no content, no pre-training")
    plain = replace(recipe, pretraining_epochs=0)
    sasrec, _ = train_sequence(train, None, plain, validate, progress)
    ours = sasrec
    if content is not None:
        ours, _ = train_sequence(train, content, recipe, validate, progress)
    vectors = dense(content) if content is not None else None
    progress("blending")
    early, late = (_models(b, ours, vectors) for b in (train, before))
    blend = _fit_blend(early, validation, few[:BLENDED])
    progress("ranking")
    systems: dict[str, Score] = {
        "popularity": late["popularity"],
        "item-item": late["neighbours"],
        "ALS (implicit)": late["factors"],
        "BPR (implicit)": bpr(before),
        "SASRec": lambda s, h: sasrec.score(h),
        "ours, sequence": late["sequence"],
        "ours, blend": lambda s, h: _blended(late, blend, s, h),
    }
    return [_row(name, score, test, shoppers, len(behaviour.products)) for name, score in systems.items()]


def run_losses(behaviour: Behaviour, content: Any, progress: Progress) -> list[dict[str, Any]]:
    """The content model alone, trained by each of its losses, beside what is popular."""
    before = behaviour.without_last(1)
    test = split(before, behaviour.sequences(), -1)
    shoppers = np.array([shopper for shopper, s in enumerate(behaviour.sequences()) if len(s) >= 3])
    often, vectors = popularity(before), dense(content)
    systems: dict[str, Score] = {"popularity": lambda s, h: np.tile(often, (len(h), 1))}
    for loss in get_args(Loss):
        progress(f"content model by {loss}")
        systems[f"content, {loss}"] = partial(_by_history, fit_content(before, vectors, loss))
    return [_row(name, score, test, shoppers, len(behaviour.products)) for name, score in systems.items()]


def _row(name: str, score: Score, test: Split, shoppers: Ints, products: int) -> dict[str, Any]:
    found, top = ranked(score, test, shoppers)
    coverage = len(np.unique(top)) / products
    return {"system": name, "shoppers": len(found), **summary(found), "coverage": round(coverage, 3)}


def _by_history(model: Content, shoppers: Ints, histories: Sequence[Ints]) -> Floats:
    return model.score(histories)


def bpr(behaviour: Behaviour, seed: int = 7) -> Score:
    """Bayesian personalised ranking (Rendle et al., 2009) by the `implicit` library."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(64, learning_rate=0.05, regularization=0.01, iterations=200, num_threads=2,
                                        random_state=seed)  # fmt: skip
    model.fit(behaviour.matrix(), show_progress=False)
    return lambda shoppers, histories: np.asarray(model.user_factors[shoppers] @ model.item_factors.T)


def _models(behaviour: Behaviour, sequence: SequenceNetwork, vectors: Floats | None) -> dict[str, Score]:
    """The models that the blend is made of, as of the end of `behaviour`."""
    neighbours, factors, often = ItemItem.fit(behaviour), Factors.fit(behaviour), popularity(behaviour)
    models: dict[str, Score] = {
        "sequence": lambda s, h: sequence.score(h),
        "neighbours": lambda s, h: neighbours.score(h),
        "latest": lambda s, h: neighbours.score([one[-1:] for one in h]),
        "factors": lambda s, h: factors.score(h),
        "popularity": lambda s, h: np.tile(often, (len(h), 1)),
    }
    if vectors is not None:
        content = fit_content(behaviour, vectors)
        models["content"] = lambda s, h: content.score(h)
    return models


def _fit_blend(models: Mapping[str, Score], split: Split, shoppers: Ints) -> Blend:
    rows, gains, sizes = [], [], []
    for batch in _batches(shoppers):
        scores = _all_scores(models, batch, [split.histories[s] for s in batch])
        for at, shopper in enumerate(batch):
            pool = _pool(scores[at])
            right = pool == split.targets[shopper]
            if right.any():
                rows.append(_features(scores[at], pool))
                gains.append(right)
                sizes.append(len(pool))
    lists = Lists(np.concatenate(rows), np.concatenate(gains).astype(np.float32), sizes)
    cut = len(sizes) * 4 // 5
    names = [*models, *(f"place by {name}" for name in models)]
    return Blend.fit(names, lists.part(0, cut), lists.part(cut, len(sizes)))


def _blended(models: Mapping[str, Score], blend: Blend, shoppers: Ints, histories: Sequence[Ints]) -> Floats:
    """The pool in the blend's order, above all others."""
    scores = _all_scores(models, shoppers, histories)
    pools = [_pool(row) for row in scores]
    found = blend.score(np.concatenate([_features(row, pool) for row, pool in zip(scores, pools, strict=True)]))
    result = np.full((len(histories), scores.shape[2]), -1e6, dtype=np.float32)
    at = 0
    for row, pool in enumerate(pools):
        result[row, pool] = found[at : at + len(pool)]
        at += len(pool)
    return result


def _all_scores(models: Mapping[str, Score], shoppers: Ints, histories: Sequence[Ints]) -> Floats:
    """(B, models, P); products of the history at minus infinity."""
    scores = np.stack([model(shoppers, histories) for model in models.values()], axis=1).astype(np.float32)
    for row, history in enumerate(histories):
        scores[row][:, history] = -np.inf
    return scores


def _pool(scores: Floats) -> Ints:
    """The best products (at most models * POOL) of any of the models, by `scores` (models, P)."""
    return np.unique(np.argpartition(-scores, min(POOL, scores.shape[1] - 1), axis=1)[:, :POOL])


def _features(scores: Floats, pool: Ints) -> Floats:
    """(pool, 2 * models): each model's score, and the place that it gives within the pool."""
    chosen = scores[:, pool]
    chosen = np.where(np.isfinite(chosen), chosen, -1e3)
    place = np.argsort(np.argsort(-chosen, axis=1), axis=1)
    rows: Floats = np.concatenate([chosen, place], axis=0).T.astype(np.float32)
    return rows


def ranked(score: Score, split: Split, shoppers: Ints) -> tuple[Ints, Ints]:
    """The place of each shopper's target in the full ranking, and the first ten products of all."""
    found, top = [], []
    for batch in _batches(shoppers):
        histories = [split.histories[s] for s in batch]
        scores = score(batch, histories).copy()
        for row, history in enumerate(histories):
            scores[row, history] = -np.inf
        found.append(places(scores, split.targets[batch]))
        top.append(np.argpartition(-scores, 9, axis=1)[:, :10].ravel())
    return np.concatenate(found), np.concatenate(top)


def split(behaviour: Behaviour, sequences: Sequence[Ints], at: int) -> Split:
    return Split(behaviour.sequences(), np.array([s[at] if len(s) >= -at else -1 for s in sequences]))


def _batches(shoppers: Ints) -> list[Ints]:
    return [shoppers[at : at + BATCH] for at in range(0, len(shoppers), BATCH)]


def dense(content: Any) -> Floats:
    """The content's principal directions as unit vectors (P, CONTENT_WIDTH)."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.preprocessing import normalize

    width = min(CONTENT_WIDTH, content.shape[1] - 1)
    reduced = TruncatedSVD(width, random_state=0).fit_transform(content)
    return np.asarray(normalize(reduced), dtype=np.float32)


def _of_lines(path: Path) -> Behaviour:
    shoppers: list[str] = []
    products: dict[str, int] = {}
    rows = []
    with open_text(path) as lines:
        for line in lines:
            shopper, *taken = line.split()
            for time, product in enumerate(taken):
                rows.append((len(shoppers), products.setdefault(product, len(products)), float(time), 1.0))
            shoppers.append(shopper)
    return Behaviour.sorted(shoppers, list(products), rows)
