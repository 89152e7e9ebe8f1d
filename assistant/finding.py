"""What is answered to a request for goods: cards first, then a sentence on each, or what would have to give."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from time import perf_counter
from typing import Protocol

from assistant import offers
from assistant.explain import Explainer, composed, to_pick
from assistant.fitting import Fitted, FittingRoom, size_on_card
from assistant.phrases import contact_lines, money, phrase, sentences
from assistant.profile import Portrait, portrait_of
from assistant.question import next_question
from assistant.ranking.ranker import EXPLAINED, Ranker
from assistant.sizing import UNKNOWN
from assistant.state import DialogueState
from assistant.types import ParsedTurn, Pick, Recommendation, Reply
from catalog.search import RRF_K, Search
from catalog.store import ProductStore
from catalog.tracing import tracer
from catalog.types import Candidate, Filters, Language, Product, Query, Relaxation

CANDIDATES = 200
ALIKE = 20  # products most like a shown one that "more like this" chooses from


class Looks(Protocol):
    """Finds products by how they look, the most alike first, within a query's limits; none where it cannot."""

    def like_photo(self, name: str, query: Query) -> list[Candidate]:
        """What looks like a photo that was shown."""
        ...

    def like_product(self, external_id: str, query: Query) -> list[Candidate]:
        """What looks like a product."""
        ...


@dataclass
class Clock:
    """Milliseconds since the turn began, by stage."""

    start: float = field(default_factory=perf_counter)
    times: dict[str, float] = field(default_factory=dict)

    def mark(self, stage: str) -> None:
        self.times[stage] = round((perf_counter() - self.start) * 1000, 1)


class Finder:
    """Finds, ranks and explains products; `picks` of them are shown at once.

    `contact` tells how a person is reached beside the chat.
    """

    def __init__(
        self,
        search: Search,
        explainer: Explainer,
        products: ProductStore,
        ranker: Ranker,
        picks: int = 3,
        contact: str = "",
        looks: Looks | None = None,
        fitting: FittingRoom | None = None,
    ) -> None:
        self._search = search
        self._explainer = explainer
        self._products = products
        self._ranker = ranker
        self._picks = picks
        self._contact = contact
        self._looks = looks
        self._fitting = fitting

    def find(self, state: DialogueState, shopper: str, clock: Clock) -> Iterator[Reply]:
        """Replies that grow to a request, cards first."""
        taste = portrait_of(self._products, shopper)
        query = state.query(CANDIDATES)
        if like := self._like(state):
            query = replace(query, text=f"{like.text(state.language).title} {query.text}".strip())
        open_request = not (query.text or query.filters.include or state.photo)
        if open_request and not taste.kinds:
            yield self._ask_department(state)
            return
        if open_request:
            query = replace(query, text=" ".join(list(taste.kinds)[:2]))
        candidates = self._candidates(query, state)
        closest = not candidates and self._unknown_kind(query)
        if closest:
            query = _without_category(query)
            candidates = self._candidates(query, state)
        if like:
            candidates = self._alike(candidates, query, like)[:ALIKE]
        clock.mark("search")
        unwanted = {*state.seen, *taste.disliked, *state.items}
        unseen = [c for c in candidates if c.product.external_id not in unwanted]
        ranked = self._ranked(unseen, state, taste)
        clock.mark("rank")
        if not ranked:
            yield self._no_more(state) if candidates else self._nothing(state, query)
            return
        found = "found_for_you" if open_request else "photo" if state.photo else "found"
        opening = "closest" if closest else "like" if like else "more" if state.wants_more() else found
        yield from self._explained(state, ranked, opening, shopper, clock)

    def by_words(self, state: DialogueState, shopper: str, clock: Clock) -> Iterator[Reply]:
        """What search finds for a message that nobody could read, and that this is so.

        What was ruled out before stays so, and so do limits of price and rating; what kind of thing was looked for may be
        another now.
        """
        language, limits = state.language, replace(state.filters(), include={})
        ranked = self._ranker.rank(
            self._search.search(Query(state.text, limits, CANDIDATES)), state, portrait_of(self._products, shopper)
        )[: self._picks]
        clock.mark("rank")
        lines = [phrase("away_found" if ranked else "away_nothing", language), *contact_lines(self._contact, language)]
        picks = tuple(to_pick(r, state) for r in ranked)
        reply = Reply(language, sentences(lines, language), picks, quick_replies=(offers.person(language),))
        clock.mark("first_card")
        yield reply
        told = [f"{number}. {composed(r, language)}" for number, r in enumerate(ranked, start=1)]
        yield replace(reply, text="\n".join([reply.text, *told]))

    def recommend(self, shopper: str, query: Query, state: DialogueState | None = None) -> list[Recommendation]:
        """What suits a shopper, by history and a request, which may be empty; the best first."""
        taste = portrait_of(self._products, shopper)
        asked = query if query.text else replace(query, text=" ".join(list(taste.kinds)[:2]))
        return self._ranker.rank(self._search.search(asked), state or DialogueState(text=query.text), taste)

    def similar(self, shopper: str, product: Product) -> list[Recommendation]:
        """Products like one, the best for the shopper first."""
        titles = dict.fromkeys(text.title for text in product.texts.values())
        query = Query(" ".join(titles), k=CANDIDATES)
        alike = self._alike(self._search.search(query), query, product)[: ALIKE + 1]
        others = [c for c in alike if c.product.external_id != product.external_id]
        return self._ranker.rank(others, DialogueState(), portrait_of(self._products, shopper))

    def named(self, state: DialogueState, parsed: ParsedTurn) -> list[Product]:
        """The best product of the kind that a question names, unless that kind is being looked at already."""
        kind = parsed.slots.get("category")
        if not kind or (state.shown and kind == state.slots.get("category")):
            return []
        asked = DialogueState(
            state.language, slots={k: v for k, v in parsed.slots.items() if k in ("category", "brand")}
        )
        return [c.product for c in self._search.search(asked.query(1))]

    @tracer.start_as_current_span("sizes")
    def fit(self, products: Sequence[Product], state: DialogueState, shopper: str) -> list[Fitted]:
        """Which size of each a shopper should take."""
        if self._fitting is None:
            return [Fitted(p, UNKNOWN) for p in products]
        return self._fitting.fit(products, shopper, state.profile)

    def _candidates(self, query: Query, state: DialogueState) -> list[Candidate]:
        """What fits a query; where a photo was shown, what looks like it."""
        if not state.photo:
            return self._search.search(query)
        return self._looks.like_photo(state.photo, query) if self._looks else []

    def _alike(self, candidates: Sequence[Candidate], query: Query, product: Product) -> list[Candidate]:
        """The candidates by their likeness to a product, and what looks like it, as one list."""
        seen = self._looks.like_product(product.external_id, query) if self._looks else []
        return _merged(self._ranker.alike(candidates, product), seen)

    def _ranked(self, candidates: Sequence[Candidate], state: DialogueState, taste: Portrait) -> list[Recommendation]:
        """The best first. Of what looks like a photo the likest, unless another order was asked for."""
        if not state.photo:
            return self._ranker.rank(candidates, state, taste)
        ranked = self._ranker.rank(candidates[:EXPLAINED], state, taste)
        if "sort" in state.slots:
            return ranked
        place = {c.product.external_id: n for n, c in enumerate(candidates)}
        return sorted(ranked, key=lambda r: place[r.product.external_id])

    def _explained(
        self, state: DialogueState, ranked: Sequence[Recommendation], opening: str, shopper: str, clock: Clock
    ) -> Iterator[Reply]:
        """The first picks as cards, a sentence on each, and what would tell most among the others."""
        language, chosen = state.language, ranked[: self._picks]
        picks = self._sized([to_pick(r, state) for r in chosen], state, shopper)
        question = next_question(ranked[self._picks :], state)
        quick = (*(question.offers if question else ()),
                 offers.offer(phrase("quick_cheaper", language), language, sort="price_asc"),
                 offers.offer(phrase("quick_more", language), language),
                 offers.offer(phrase("quick_rated", language), language, sort="rating"),
                 *offers.similar(language, len(picks)))  # fmt: skip
        reply = Reply(language, phrase(opening, language), picks, quick, question.slot if question else "")
        clock.mark("first_card")
        yield reply
        for piece in chain(self._explainer.stream(state, chosen), [question.text] if question else []):
            reply = replace(reply, text=f"{reply.text}\n{piece.rstrip()}")
            yield reply

    def _sized(self, picks: Sequence[Pick], state: DialogueState, shopper: str) -> tuple[Pick, ...]:
        """The picks with the word on which size to take."""
        fits = self.fit([p.product for p in picks], state, shopper)
        return tuple(replace(p, size=size_on_card(f, state.language)) for p, f in zip(picks, fits, strict=True))

    def _like(self, state: DialogueState) -> Product | None:
        """The shown product that more of the like are wanted of."""
        return self._products.get(state.items[0]) if state.items else None

    def _nothing(self, state: DialogueState, query: Query) -> Reply:
        """Nothing fits: which limit would have to give, by how much, and an offer to take."""
        language = state.language
        if state.photo and query.filters == Filters():
            return Reply(language, phrase("photo_nothing", language))
        ways = self._search.relaxations(query.filters)[:2]
        currency = self._currency()
        lines = [phrase("nothing", language), *(_relaxation_line(way, language, currency) for way in ways)]
        cheapest = tuple(
            offers.offer(
                phrase("quick_budget", language, amount=f"{way.nearest:f}".removesuffix(".00")),
                language,
                price_max=str(way.nearest),
            )
            for way in ways
            if way.limit == "price_max" and way.nearest is not None
        )
        return Reply(language, " ".join(lines) if language == "en" else "".join(lines), quick_replies=cheapest)

    def _no_more(self, state: DialogueState) -> Reply:
        return Reply(state.language, phrase("no_more", state.language))

    def _ask_department(self, state: DialogueState) -> Reply:
        chinese = state.language == "zh"
        names = self._products.facet_values().get("department", frozenset())
        mine = sorted(n for n in names if any("\u4e00" <= c <= "\u9fff" for c in n) == chinese)
        some = tuple(offers.offer(n, state.language, "find", category=n) for n in (mine or sorted(names))[:6])
        return Reply(state.language, phrase("ask_department", state.language), quick_replies=some)

    def _unknown_kind(self, query: Query) -> bool:
        """Whether the kind of product asked for is none that the shop has a name for."""
        words = query.filters.include.get("category", ())
        return bool(words) and not any(self._search.means("category", w) for w in words)

    def _currency(self) -> str:
        first = next(iter(self._products.all()), None)
        return first.currency if first else ""


def _relaxation_line(way: Relaxation, language: Language, currency: str) -> str:
    if way.nearest is not None:
        shown = f"{way.nearest:.1f}" if way.limit == "rating_min" else money(way.nearest, currency)
        return phrase(f"relax_{way.limit}", language, nearest=shown)
    return phrase("relax_other", language, words=" / ".join(way.words), found=way.found)


def _without_category(query: Query) -> Query:
    include = {f: w for f, w in query.filters.include.items() if f != "category"}
    return replace(query, filters=replace(query.filters, include=include))


def _merged(said: Sequence[Candidate], seen: Sequence[Candidate]) -> list[Candidate]:
    """Two lists as one by reciprocal ranks; what was only seen has no words to its credit."""
    credit: defaultdict[str, float] = defaultdict(float)
    for ranked in (said, seen):
        for place, candidate in enumerate(ranked, start=1):
            credit[candidate.product.external_id] += 1 / (RRF_K + place)
    found = {c.product.external_id: c for c in (*(replace(c, dense_rank=None, score=0.0) for c in seen), *said)}
    return sorted(found.values(), key=lambda c: -credit[c.product.external_id])
