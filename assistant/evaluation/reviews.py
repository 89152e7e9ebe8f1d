"""Are reviews read rightly? Words of a list with the stars -> our reader, on the sample shop's reviews.

A review is written of one or two things that it praises or blames. "The screen is bright." praises performance or
appearance: a reader that says so is right, one that says battery is wrong, and one that says nothing has missed it.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.aspects import asked_aspects
from catalog.enrich import Reader
from catalog.sample.build import vocabulary
from catalog.types import Language, Reading

SENTENCES = 2  # of a review, at most
Read = Callable[["Written"], Reading]


@dataclass(frozen=True)
class Written:
    """A review with what it says: for each thing the aspects that it may be read as, and whether it is praise."""

    text: str
    language: Language
    stars: int
    said: tuple[tuple[frozenset[str], bool], ...]


def written(count: int, seed: int = 5) -> list[Written]:
    """Distinct reviews, half of each language."""
    rng = random.Random(seed)
    groups = list(vocabulary()["reviews"].values())
    found: dict[str, Written] = {}
    languages: tuple[Language, Language] = ("en", "zh")
    while len(found) < count:
        language = languages[len(found) % 2]
        chosen = rng.sample(rng.choice(groups), rng.randint(1, SENTENCES))
        liked = [rng.random() < 0.5 for _ in chosen]
        at = languages.index(language)
        text = (" " if language == "en" else "").join(
            one[at if good else at + 2] for one, good in zip(chosen, liked, strict=True)
        )
        said = tuple((frozenset(one[4]), good) for one, good in zip(chosen, liked, strict=True))
        found[text] = Written(text, language, 5 if all(liked) else 3 if any(liked) else 1, said)
    return list(found.values())


def run(reader: Reader, count: int, progress: Callable[[str], Any]) -> list[dict[str, Any]]:
    """A row for each language and system."""
    reviews = written(count)

    def ours(review: Written) -> Reading:
        return reader.read(review.text) or Reading("")

    rows = []
    for language in ("en", "zh"):
        own = [r for r in reviews if r.language == language]
        for system, read in (("words of a list, and the stars", by_words), ("ours", ours)):
            progress(f"{language}, {system}")
            rows.append({"language": language, "system": system, **score(own, [read(r) for r in own])})
    return rows


def by_words(review: Written) -> Reading:
    """The baseline: aspects that are named, all praised if the stars are good and else all blamed."""
    named = tuple(sorted(asked_aspects([review.text.strip(".。")])))
    good = review.stars >= 4
    return Reading("positive" if good else "negative", named if good else (), () if good else named)


def score(reviews: Sequence[Written], found: Sequence[Reading]) -> dict[str, Any]:
    """Precision and recall of aspects with their polarity."""
    n: Counter[str] = Counter()
    for review, reading in zip(reviews, found, strict=True):
        told = [*((aspect, True) for aspect in reading.good), *((aspect, False) for aspect in reading.bad)]
        n["told"] += len(told)
        n["right"] += sum(
            any(aspect in may and good == praised for may, good in review.said) for aspect, praised in told
        )
        n["said"] += len(review.said)
        n["met"] += sum(any(aspect in may and good == praised for aspect, praised in told) for may, good in review.said)
    return {
        "reviews": len(reviews),
        "precision": round(n["right"] / n["told"], 3) if n["told"] else None,
        "recall": round(n["met"] / n["said"], 3),
    }
