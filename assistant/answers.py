"""What each intent is answered with: picks and questions, what the record says, small talk. Nothing is stored here."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import chain
from time import perf_counter
from typing import Any, Literal, Protocol

from assistant.cart import deed, how_many
from assistant.explain import Explainer, about, composed, to_pick
from assistant.fitting import Fitted, FittingRoom, size_line, size_on_card, sizes_of
from assistant.phrases import listed, money, phrase, sentences
from assistant.profile import Portrait, portrait_of
from assistant.question import next_question
from assistant.ranking.features import slot_words
from assistant.ranking.ranker import EXPLAINED, Ranker
from assistant.ranking.record import record, stands_in
from assistant.sizing import UNKNOWN
from assistant.state import DialogueState
from assistant.types import Intent, ParsedTurn, Pick, QuickReply, Recommendation, Reply
from catalog.fit import asks_size
from catalog.search import RRF_K, Search
from catalog.store import ProductStore
from catalog.tracing import tracer
from catalog.types import Candidate, Filters, InteractionKind, Language, Product, Query, Relaxation

CANDIDATES = 200
ALIKE = 20  # products most like a shown one that "more like this" chooses from
GOOD_MOOD = 0.3
SEARCHES = ("find", "refine", "recommend")

Done = InteractionKind | Literal["uncart"]


class Note(Protocol):
    """Writes down what the shopper did with a product, and with how many of it where that was said."""

    def __call__(self, product: str, done: Done, quantity: int | None = None) -> Any: ...


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


class Answers:
    """Answers a state. `picks` products are shown per answer."""

    def __init__(
        self,
        search: Search,
        explainer: Explainer,
        products: ProductStore,
        ranker: Ranker,
        picks: int = 3,
        support_contact: str = "",
        opening_hours: str = "",
        looks: Looks | None = None,
        fitting: FittingRoom | None = None,
    ) -> None:
        self._search = search
        self._explainer = explainer
        self._products = products
        self._ranker = ranker
        self._picks = picks
        self._support_contact = support_contact
        self._opening_hours = opening_hours
        self._looks = looks
        self._fitting = fitting

    def respond(
        self, state: DialogueState, parsed: ParsedTurn, shopper: str, clock: Clock, note: Note
    ) -> Iterator[Reply]:
        """Replies that grow, cards first."""
        if state.intent in SEARCHES:
            yield from self._find(state, shopper, clock)
        elif state.intent == "cart":
            yield self._cart(state, parsed, note)
        elif state.intent == "feedback":
            yield self._feedback(state, note)
        else:
            yield self._talk(state, parsed, shopper)

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
        person = QuickReply(phrase("quick_person", language), _frame(language, "human", {}))
        lines = [phrase("away_found" if ranked else "away_nothing", language), *self._contact(language)]
        picks = tuple(to_pick(r, state) for r in ranked)
        reply = Reply(language, sentences(lines, language), picks, quick_replies=(person,))
        clock.mark("first_card")
        yield reply
        told = [f"{number}. {composed(r, language)}" for number, r in enumerate(ranked, start=1)]
        yield replace(reply, text="\n".join([reply.text, *told]))

    def suggest(self, state: DialogueState, parsed: ParsedTurn, shopper: str) -> Reply:
        """The whole reply as staff are offered it: what a message would change (the cart, a like) is not done."""
        if state.intent in SEARCHES:
            *_, last = self._find(state, shopper, Clock())
            return last
        return self._ask(state, parsed, shopper) if state.items else self._talk(state, parsed, shopper)

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

    def person(self, state: DialogueState, place: int) -> Reply:
        """A person is called: the place in the queue, when staff are there, how else they can be reached."""
        language = state.language
        lines = [phrase("called", language, place=place)]
        if self._opening_hours:
            lines.append(phrase("hours", language, hours=self._opening_hours))
        back = QuickReply(phrase("quick_back", language), _frame(language, "chitchat", {}))
        return Reply(language, sentences([*lines, *self._contact(language)], language), quick_replies=(back,))

    def _find(self, state: DialogueState, shopper: str, clock: Clock) -> Iterator[Reply]:
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
                 _quick("quick_cheaper", language, sort="price_asc"), _quick("quick_more", language),
                 _quick("quick_rated", language, sort="rating"), *_similar(language, len(picks)))  # fmt: skip
        reply = Reply(language, phrase(opening, language), picks, quick, question.slot if question else "")
        clock.mark("first_card")
        yield reply
        for piece in chain(self._explainer.stream(state, chosen), [question.text] if question else []):
            reply = replace(reply, text=f"{reply.text}\n{piece.rstrip()}")
            yield reply

    def _sized(self, picks: Sequence[Pick], state: DialogueState, shopper: str) -> tuple[Pick, ...]:
        """The picks with the word on which size to take."""
        fits = self._fit([p.product for p in picks], state, shopper)
        return tuple(replace(p, size=size_on_card(f, state.language)) for p, f in zip(picks, fits, strict=True))

    @tracer.start_as_current_span("sizes")
    def _fit(self, products: Sequence[Product], state: DialogueState, shopper: str) -> list[Fitted]:
        if self._fitting is None:
            return [Fitted(p, UNKNOWN) for p in products]
        return self._fitting.fit(products, shopper, state.profile)

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
        offers = tuple(
            QuickReply(
                phrase("quick_budget", language, amount=f"{way.nearest:f}".removesuffix(".00")),
                _frame(language, "refine", {"price_max": str(way.nearest)}),
            )
            for way in ways
            if way.limit == "price_max" and way.nearest is not None
        )
        return Reply(language, " ".join(lines) if language == "en" else "".join(lines), quick_replies=offers)

    def _no_more(self, state: DialogueState) -> Reply:
        return Reply(state.language, phrase("no_more", state.language))

    def _ask_department(self, state: DialogueState) -> Reply:
        chinese = state.language == "zh"
        names = self._products.facet_values().get("department", frozenset())
        mine = sorted(n for n in names if any("\u4e00" <= c <= "\u9fff" for c in n) == chinese)
        offers = tuple(
            QuickReply(n, _frame(state.language, "find", {"category": n})) for n in (mine or sorted(names))[:6]
        )
        return Reply(state.language, phrase("ask_department", state.language), quick_replies=offers)

    def _ask(self, state: DialogueState, parsed: ParsedTurn, shopper: str) -> Reply:
        """What the record says of the products meant: named by place, by kind, or else those shown."""
        products = [] if state.items else self._named(state, parsed)
        products = products or self._meant(state, state.shown if state.intent == "compare" else state.shown[:1])
        if not products:
            person = QuickReply(phrase("quick_person", state.language), _frame(state.language, "human", {}))
            lines = [phrase("not_in_record", state.language), *self._contact(state.language)]
            return Reply(state.language, sentences(lines, state.language), quick_replies=(person,))
        lines = [about(p, state.language) for p in products]
        if asks_size(state.text) and any(sizes_of(p) for p in products):
            lines = [size_line(f, state.language) for f in self._fit(products, state, shopper)] + lines
        return Reply(state.language, "\n".join(lines))

    def _named(self, state: DialogueState, parsed: ParsedTurn) -> list[Product]:
        """The best product of the kind that a question names, unless that kind is being looked at already."""
        kind = parsed.slots.get("category")
        if not kind or (state.shown and kind == state.slots.get("category")):
            return []
        asked = DialogueState(
            state.language, slots={k: v for k, v in parsed.slots.items() if k in ("category", "brand")}
        )
        return [c.product for c in self._search.search(asked.query(1))]

    def _cart(self, state: DialogueState, parsed: ParsedTurn, note: Note) -> Reply:
        done = deed(state.text)
        if done in ("show", "pay"):
            return self._cart_told(state, "" if done == "show" else "pay")
        if done == "add":
            return self._put_in(state, parsed, note)
        held = tuple(state.cart)
        chosen = held if done == "empty" else [p.external_id for p in self._chosen(state, parsed, held)]
        gone = [product for product in chosen if product in state.cart]
        if not gone and state.cart:
            return Reply(state.language, phrase("which_one", state.language))
        for product in gone:
            note(product, "uncart")
        return self._cart_told(replace(state, cart={p: n for p, n in state.cart.items() if p not in gone}), "out")

    def _put_in(self, state: DialogueState, parsed: ParsedTurn, note: Note) -> Reply:
        language, quantity = state.language, how_many(parsed.slots.get("quantity"))
        products = self._chosen(state, parsed, state.shown)
        if not products and quantity:  # "make it three"
            products = self._chosen(state, parsed, tuple(state.cart))
        if not products:
            return Reply(language, phrase("which_one", language))
        for product in products:
            note(product.external_id, "cart", quantity)
        said = phrase("in_cart", language, names=_pieces([(p, quantity or 1) for p in products], language))
        together = self._bought_with(products[-1], language)
        opening = f"{said} {phrase('also_bought', language)}" if together else said
        return Reply(language, opening, together)

    def _cart_told(self, state: DialogueState, what: str) -> Reply:
        """What is in the cart and what it comes to; `what` says what was asked for beside."""
        language = state.language
        found = self._products.by_external_id(state.cart)
        held = [(found[product], count) for product, count in state.cart.items() if product in found]
        lines = [phrase("out_of_cart", language)] if what == "out" else []
        if held:
            total = money(sum((p.price * n for p, n in held), Decimal(0)), held[0][0].currency)
            lines.append(phrase("cart_holds", language, names=_pieces(held, language), total=total))
            lines += [phrase("pay", language), *self._contact(language)] if what == "pay" else []
        else:
            lines.append(phrase("cart_empty", language))
        return Reply(language, sentences(lines, language))

    def _chosen(self, state: DialogueState, parsed: ParsedTurn, among: Sequence[str]) -> list[Product]:
        """The products meant: those pointed at, else the only one of `among` that has all words said."""
        if state.items or len(among) == 1:
            return self._meant(state, among)
        words = [w for name in ("category", "brand", "color") for w in slot_words(parsed.slots.get(name))]
        there = self._meant(state, among) if words else []
        named = [p for p in there if all(stands_in(w, record(p).words) for w in words)]
        return named if len(named) == 1 else []

    def _bought_with(self, product: Product, language: Language) -> tuple[Pick, ...]:
        """What shoppers of a product took as well and can be had."""
        ids = self._ranker.bought_with(product.external_id, 4 * self._picks)
        found = self._products.by_external_id(ids)
        there = [found[i] for i in ids if i in found and found[i].stock > 0]
        return tuple(Pick(p, phrase("why_together", language)) for p in there[: self._picks])

    def _feedback(self, state: DialogueState, note: Note) -> Reply:
        good = state.turn_mood >= 0
        for product in self._meant(state, ()):
            kind: InteractionKind = "like" if good else "dislike"
            note(product.external_id, kind)
        return Reply(state.language, phrase("feedback_good" if good else "feedback_bad", state.language))

    def _talk(self, state: DialogueState, parsed: ParsedTurn, shopper: str) -> Reply:
        return self._ask(state, parsed, shopper) if state.intent in ("ask", "compare") else self._small_talk(state)

    def _small_talk(self, state: DialogueState) -> Reply:
        language = state.language
        if state.not_understood:
            return Reply(language, phrase("not_understood", language))
        if state.intent == "order":
            person = QuickReply(phrase("quick_person", language), _frame(language, "human", {}))
            lines = [phrase("order", language), *self._contact(language)]
            return Reply(language, sentences(lines, language), quick_replies=(person,))
        if state.intent == "other":
            return Reply(language, phrase("not_shopping", language))
        ideas = QuickReply(phrase("quick_ideas", language), _frame(language, "recommend", {}))
        greeting = "thanks" if state.shown or state.mood > GOOD_MOOD / 2 else "hello"
        return Reply(language, phrase(greeting, language), quick_replies=(ideas,))

    def _unknown_kind(self, query: Query) -> bool:
        """Whether the kind of product asked for is none that the shop has a name for."""
        words = query.filters.include.get("category", ())
        return bool(words) and not any(self._search.means("category", w) for w in words)

    def _contact(self, language: Language) -> list[str]:
        return [phrase("person", language, contact=self._support_contact)] if self._support_contact else []

    def _meant(self, state: DialogueState, default: Sequence[str]) -> list[Product]:
        ids = state.items or tuple(default)
        products = self._products.by_external_id(ids)
        return [products[i] for i in ids if i in products]

    def _currency(self) -> str:
        first = next(iter(self._products.all()), None)
        return first.currency if first else ""


def acknowledged(before: DialogueState, state: DialogueState) -> str:
    """What comes before an answer: regret where it is due, and every fact learned or forgotten."""
    language = state.language
    lines = [phrase("sorry", language)] if state.turn_mood < 0 else []
    if learned := {k: f for k, f in state.profile.items() if before.profile.get(k) != f}:
        shown = [
            f"{phrase(f'fact_{name}', language)} {_plainly(fact.value, language)}" for name, fact in learned.items()
        ]
        example = phrase(f"fact_{next(iter(learned))}", language)
        lines.append(phrase("noted", language, facts=listed(shown, language), example=example))
    if lost := [phrase(f"fact_{name}", language) for name in before.profile if name not in state.profile]:
        lines.append(phrase("forgotten", language, facts=listed(lost, language)))
    return "".join(f"{line} " if language == "en" else line for line in lines)


def _pieces(held: Sequence[tuple[Product, int]], language: Language) -> str:
    """Products with how many there are of each, where that is more than one."""
    titles = [(product.text(language).title, count) for product, count in held]
    return listed([f"{count} × {title}" if count > 1 else title for title, count in titles], language)


def _plainly(value: Any, language: Language) -> str:
    return listed([str(v) for v in value], language) if isinstance(value, list | tuple) else str(value)


def _relaxation_line(way: Relaxation, language: Language, currency: str) -> str:
    if way.nearest is not None:
        shown = f"{way.nearest:.1f}" if way.limit == "rating_min" else money(way.nearest, currency)
        return phrase(f"relax_{way.limit}", language, nearest=shown)
    return phrase("relax_other", language, words=" / ".join(way.words), found=way.found)


def _without_category(query: Query) -> Query:
    include = {f: w for f, w in query.filters.include.items() if f != "category"}
    return replace(query, filters=replace(query.filters, include=include))


def _quick(name: str, language: Language, **slots: str) -> QuickReply:
    return QuickReply(phrase(name, language), _frame(language, "refine", slots))


def _merged(said: Sequence[Candidate], seen: Sequence[Candidate]) -> list[Candidate]:
    """Two lists as one by reciprocal ranks; what was only seen has no words to its credit."""
    credit: defaultdict[str, float] = defaultdict(float)
    for ranked in (said, seen):
        for place, candidate in enumerate(ranked, start=1):
            credit[candidate.product.external_id] += 1 / (RRF_K + place)
    found = {c.product.external_id: c for c in (*(replace(c, dense_rank=None, score=0.0) for c in seen), *said)}
    return sorted(found.values(), key=lambda c: -credit[c.product.external_id])


def _similar(language: Language, count: int) -> Iterator[QuickReply]:
    """For each pick an offer of others like it."""
    for number in range(1, count + 1):
        frame = ParsedTurn(language=language, intent="recommend", items=(number,)).frame()
        yield QuickReply(phrase("quick_similar", language, number=number), frame, number)


def _frame(language: Language, intent: Intent, slots: Mapping[str, str]) -> dict[str, Any]:
    return ParsedTurn(language=language, intent=intent, slots=dict(slots)).frame()
