"""Reviews as the shop's owner wants to see them: how many and how good, what is praised and blamed, what is odd."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from catalog.enrich import one_sided_accounts, pleased, suspicions
from catalog.store import ProductStore
from catalog.types import Opinion, Product

MOST = 10  # products in a list


@dataclass
class ReviewInsights:
    """`ratings` counts by stars, `months` by `2026-01` (reviews, mean stars), `aspects` buyers who (praise, blame).

    `blamed` and `praised` are what buyers agree on most, `suspicious` counts by sign, `odd` products with how many
    of their reviews are suspicious, and how many there are.
    """

    reviews: int = 0
    ratings: dict[int, int] = field(default_factory=dict)
    months: dict[str, tuple[int, float]] = field(default_factory=dict)
    aspects: dict[str, tuple[float, float]] = field(default_factory=dict)
    blamed: list[tuple[Product, Opinion]] = field(default_factory=list)
    praised: list[tuple[Product, Opinion]] = field(default_factory=list)
    suspicious: dict[str, int] = field(default_factory=dict)
    odd: list[tuple[Product, int, int]] = field(default_factory=list)


def review_insights(store: ProductStore) -> ReviewInsights:
    """The insights of the whole catalog; reads every review, in bounded memory."""
    return summed(store.all(reviews=True), one_sided_accounts(store.engine))


def summed(products: Iterable[Product], one_sided: frozenset[str] = frozenset()) -> ReviewInsights:
    """The insights of some products with their reviews and opinions."""
    ratings: Counter[int] = Counter()
    months: defaultdict[str, Counter[int]] = defaultdict(Counter)
    aspects: defaultdict[str, list[Opinion]] = defaultdict(list)
    signs: Counter[str] = Counter()
    said: list[tuple[Product, Opinion]] = []
    odd: list[tuple[Product, int, int]] = []
    for product in products:
        ratings.update(r.rating for r in product.reviews)
        for review in product.reviews:
            if review.created:
                months[f"{review.created:%Y-%m}"][review.rating] += 1
        for opinion in product.opinions:
            aspects[opinion.aspect].append(opinion)
            said.append((product, opinion))
        found = [own for own in suspicions(product.reviews, one_sided) if own]
        signs.update(name for own in found for name in own)
        if found:
            odd.append((product, len(found), len(product.reviews)))
    by_share = sorted(said, key=lambda pair: pleased([pair[1]]))
    voices = {a: (sum(o.good for o in own), sum(o.bad for o in own)) for a, own in aspects.items()}
    return ReviewInsights(
        reviews=ratings.total(),
        ratings=dict(sorted(ratings.items())),
        months={month: (own.total(), _mean(own)) for month, own in sorted(months.items())},
        aspects=dict(sorted(voices.items(), key=lambda item: -sum(item[1]))),
        blamed=[pair for pair in by_share if pair[1].bad > pair[1].good][:MOST],
        praised=[pair for pair in by_share[::-1] if pair[1].good > pair[1].bad][:MOST],
        suspicious=dict(signs.most_common()),
        odd=sorted(odd, key=lambda row: (-row[1], row[0].external_id))[:MOST],
    )


def _mean(ratings: Counter[int]) -> float:
    return round(sum(stars * count for stars, count in ratings.items()) / ratings.total(), 2)
