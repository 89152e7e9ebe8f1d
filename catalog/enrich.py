"""What buyers say of products: every review is read once, and the readings are summed up by aspect."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from sqlalchemy import Engine, select

from catalog.facets import key
from catalog.jobs import WHOLE, Part, Progress, in_batches
from catalog.schema import ReadingRow, ReviewRow, insert_of
from catalog.store import ProductStore, batches
from catalog.types import Opinion, Reading, Review

BATCH = 50  # readings written at once; a run that is killed loses no more
BURST = timedelta(days=1)
BURST_SHARE = 0.5  # of a product's reviews within a day ...
BURST_LEAST = 5  # ... and so many of them, are a burst
LONG_ENOUGH = 30  # characters from which the same text is no coincidence
ONE_SIDED = 10  # reviews of one account that all give the same extreme rating
DISTRUSTED = 0.2  # what a suspicious review counts
# A product that few speak of is taken to be about as good as most are.
PRIOR_SHARE, PRIOR_VOICES = 0.75, 4.0


class Reader(Protocol):
    """Reads a review; readings are kept by the reader's name."""

    name: str

    def read(self, text: str) -> Reading | None:
        """What the review says; nothing where it cannot be told, and the next run tries again."""
        ...


def review_hash(text: str) -> str:
    """The key that a reading is kept under."""
    return hashlib.sha256(text.strip().encode()).hexdigest()


def read_reviews(engine: Engine, reader: Reader, progress: Progress = lambda done, of: None, part: Part = WHOLE) -> int:
    """Have every text read that the reader has not read yet; how many there were.

    What was read before a run was killed is not read again. Of several processes each does its `part`.
    """

    def read(batch: Sequence[tuple[str, str]]) -> None:
        add_readings(engine, reader.name, {d: found for d, text in batch if (found := reader.read(text))})

    return in_batches(list(_unread(engine, reader.name).items()), BATCH, read, progress, part)


def add_readings(engine: Engine, reader: str, readings: Mapping[str, Reading]) -> None:
    """Keep readings by the hash of what was read; those already there stay."""
    rows = [
        {"reader": reader, "review_hash": digest, "polarity": r.polarity, "good": list(r.good), "bad": list(r.bad),
         "tags": list(r.tags)}
        for digest, r in readings.items()
    ]  # fmt: skip
    if rows:
        with engine.begin() as connection:
            connection.execute(insert_of(engine)(ReadingRow).on_conflict_do_nothing(), rows)


def readings(engine: Engine, reader: str) -> dict[str, Reading]:
    """Everything that a reader has read, by the hash of the text."""
    with engine.connect() as connection:
        rows = connection.execute(select(ReadingRow.__table__).where(ReadingRow.reader == reader))
        return {r.review_hash: Reading(r.polarity, tuple(r.good), tuple(r.bad), tuple(r.tags)) for r in rows}


def sum_up(store: ProductStore, reader: str) -> int:
    """Write the opinions of all products anew out of the readings; how many products have any."""
    found, one_sided = readings(store.engine, reader), one_sided_accounts(store.engine)
    count = 0
    for page in batches(store.all(reviews=True)):
        summed = {p.external_id: opinions(p.reviews, found, one_sided) for p in page}
        store.set_opinions(summed)
        count += sum(bool(said) for said in summed.values())
    return count


def opinions(
    reviews: Sequence[Review], found: Mapping[str, Reading], one_sided: frozenset[str] = frozenset()
) -> tuple[Opinion, ...]:
    """Who praises and who blames what; each review counts as far as it is trusted."""
    good: defaultdict[str, float] = defaultdict(float)
    bad: defaultdict[str, float] = defaultdict(float)
    for review, weight in zip(reviews, trust(reviews, one_sided), strict=True):
        reading = found.get(review_hash(review.text), Reading(""))
        for aspect in reading.good:
            good[aspect] += weight
        for aspect in reading.bad:
            bad[aspect] += weight
    return tuple(Opinion(a, round(good[a], 2), round(bad[a], 2)) for a in sorted({*good, *bad}))


def pleased(voices: Iterable[Opinion]) -> float:
    """The share of buyers who praise, over all these opinions, with a prior against few voices."""
    told = list(voices)
    good, bad = sum(o.good for o in told), sum(o.bad for o in told)
    return (good + PRIOR_SHARE * PRIOR_VOICES) / (good + bad + PRIOR_VOICES)


def trust(reviews: Sequence[Review], one_sided: frozenset[str] = frozenset()) -> list[float]:
    """How much each review of one product counts, from 0 to 1: all copies of a text as one review."""
    return [
        min(1 / max(1, copies), DISTRUSTED if {"burst", "one-sided"} & set(signs) else 1.0)
        for copies, signs in _judged(reviews, one_sided)
    ]


def suspicions(reviews: Sequence[Review], one_sided: frozenset[str] = frozenset()) -> list[tuple[str, ...]]:
    """What speaks against each review of one product.

    `copy` of a long text, part of a `burst`, or `one-sided`: of an account that knows one rating only (signs of
    opinion spam after Jindal & Liu, "Opinion Spam and Analysis", 2008).
    """
    return [signs for _, signs in _judged(reviews, one_sided)]


def _judged(reviews: Sequence[Review], one_sided: frozenset[str]) -> list[tuple[int, tuple[str, ...]]]:
    """For each review how many long texts are the same, and what speaks against it."""
    keys, burst = [key(r.text) for r in reviews], _burst(reviews)
    copies = Counter(k for k, r in zip(keys, reviews, strict=True) if len(r.text) >= LONG_ENOUGH)
    found = []
    for own, review in zip(keys, reviews, strict=True):
        signs = {"copy": copies[own] > 1, "burst": review in burst, "one-sided": review.author in one_sided}
        found.append((copies[own], tuple(name for name, holds in signs.items() if holds)))
    return found


def _burst(reviews: Sequence[Review]) -> frozenset[Review]:
    """Reviews of one product that came within a day, if most did."""
    dated = sorted((r for r in reviews if r.created), key=lambda r: str(r.created))
    for first in dated:
        near = [r for r in dated if r.created and first.created and timedelta() <= r.created - first.created <= BURST]
        if len(near) >= BURST_LEAST and len(near) > BURST_SHARE * len(reviews):
            return frozenset(near)
    return frozenset()


def one_sided_accounts(engine: Engine) -> frozenset[str]:
    """Accounts with many reviews, all of the best or all of the worst rating."""
    given: defaultdict[str, Counter[int]] = defaultdict(Counter)
    with engine.connect() as connection:
        for author, rating in connection.execute(select(ReviewRow.author, ReviewRow.rating)):
            given[author][rating] += 1
    return frozenset(
        author
        for author, ratings in given.items()
        if author and len(ratings) == 1 and next(iter(ratings)) in (1, 5) and ratings.total() >= ONE_SIDED
    )


def _unread(engine: Engine, reader: str) -> dict[str, str]:
    """Hash -> text of every review that has no reading by the reader."""
    with engine.connect() as connection:
        read = set(connection.scalars(select(ReadingRow.review_hash).where(ReadingRow.reader == reader)))
        texts: Iterable[str] = connection.scalars(select(ReviewRow.text).distinct().order_by(ReviewRow.text))
        found = {review_hash(text): text for text in texts if text.strip()}
    return {digest: text for digest, text in found.items() if digest not in read}
