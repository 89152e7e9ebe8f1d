"""Attributes that a feed names of some products, inferred for the others from their texts.

A logistic regression for each attribute of a department that has one value a product, over the vectors of title and
text and the values that they mention. Only guesses so sure that nine in ten of their like were right, by
cross-validation on the products that are named, are taken: where the texts do not tell, nothing is inferred.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.attributes import Schema, department, product_text
from catalog.embedding import Embedder
from catalog.facets import Vocabulary, mentioned
from catalog.types import LANGUAGES, Attribute, Language, Product

PRECISION = 0.9  # wanted of what is inferred
FOLDS = 5  # of the cross-validation
STRENGTH = 30.0  # the inverse of the regularisation
LEAST_NAMED = 10  # products from which a department's attribute is learned


@dataclass(frozen=True)
class Task:
    """One attribute of one department in one language: the named products teach, the blank ones are to be filled."""

    name: str
    language: Language
    named: Sequence[tuple[Product, str]]
    blank: Sequence[Product]


@dataclass(frozen=True)
class Guesses:
    """What a task's blank products may have, and how guesses like these came out for the named ones."""

    task: Task
    values: Sequence[str]
    confidence: NDArray[Any]  # (blank,)
    tried: NDArray[Any]  # (named,) confidence of each product's guess by a model that has not seen it
    right: NDArray[Any]  # (named,)


def infer(products: Sequence[Product], embedder: Embedder, precision: float = PRECISION) -> dict[str, list[Attribute]]:
    """Attributes for products whose feed does not name them, by the shop's own ids."""
    found: defaultdict[str, list[Attribute]] = defaultdict(list)
    alike: defaultdict[tuple[str, str], list[Guesses]] = defaultdict(list)
    for task in _tasks(products):
        alike[task.name, task.language].append(_guess(task, embedder))
    for (name, language), guesses in alike.items():
        tried, right = (np.concatenate([getattr(g, part) for g in guesses]) for part in ("tried", "right"))
        least = least_confidence(tried, right, precision)
        for product, value, confidence in chain.from_iterable(
            zip(g.task.blank, g.values, g.confidence, strict=True) for g in guesses
        ):
            if least is not None and confidence >= least:
                title = product.texts[language].title
                found[product.external_id].append(Attribute(name, value, language, title, round(float(confidence), 3)))
    return dict(found)


def _tasks(products: Sequence[Product]) -> Iterator[Task]:
    schema = Schema.of(products)
    # Colours, materials and sizes are told by words and pictures, and where nothing tells them, there may be none.
    told = Vocabulary.load().words.keys() | {"size"}
    for language in LANGUAGES:
        inside: defaultdict[str, list[Product]] = defaultdict(list)
        for product in products:
            if language in product.texts:
                inside[department(product, language)].append(product)
        for place, own in inside.items():
            for name in sorted(name for where, name in schema.single if where == place and name not in told):
                named = [(p, v[0]) for p in own if (v := p.named_values(name, language))]
                blank = [p for p in own if not any(a.name == name for a in p.named)]
                if blank and len(named) >= LEAST_NAMED and len({value for _, value in named}) > 1:
                    yield Task(name, language, named, blank)


def _guess(task: Task, embedder: Embedder) -> Guesses:
    """The likeliest value of each blank product; a value of one product alone is never guessed rightly in trying."""
    from sklearn.model_selection import KFold

    values = sorted({value for _, value in task.named})
    rows = _rows([p for p, _ in task.named], task.language, values, embedder)
    wanted = np.array([values.index(value) for _, value in task.named])
    tried = np.zeros((len(rows), len(values)))
    for seen, unseen in KFold(FOLDS, shuffle=True, random_state=0).split(rows):
        tried[unseen] = _likely(rows[seen], wanted[seen], rows[unseen], len(values))
    likely = _likely(rows, wanted, _rows(task.blank, task.language, values, embedder), len(values))
    right = tried.argmax(axis=1) == wanted
    return Guesses(task, [values[i] for i in likely.argmax(axis=1)], likely.max(axis=1), tried.max(axis=1), right)


def _likely(rows: NDArray[Any], wanted: NDArray[Any], others: NDArray[Any], values: int) -> NDArray[Any]:
    """The probability of each value (N, V) for other rows; none where all that is known is one value."""
    from sklearn.linear_model import LogisticRegression

    likely = np.zeros((len(others), values))
    if len(set(wanted)) > 1:
        model: Any = LogisticRegression(C=STRENGTH, max_iter=1_000).fit(rows, wanted)
        likely[:, model.classes_] = model.predict_proba(others)
    return likely


def _rows(
    products: Sequence[Product], language: Language, values: Sequence[str], embedder: Embedder
) -> NDArray[np.float32]:
    """Features (N, 2 D + 2 V): vectors of title and text, and which of the values each of them mentions."""
    titles = [p.texts[language].title for p in products]
    texts = [product_text(p.texts[language]) for p in products]
    mentions = np.array([[mentioned(v, t) for t in pair for v in values] for pair in zip(titles, texts, strict=True)])
    return np.hstack([embedder.embed(titles), embedder.embed(texts), mentions.astype(np.float32)])


def least_confidence(confidence: NDArray[Any], right: NDArray[Any], precision: float) -> float | None:
    """The lowest confidence from which at least `precision` are right; None where there is none."""
    order = np.argsort(-confidence, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(share >= precision)
    return float(confidence[order][enough[-1]]) if len(enough) else None
