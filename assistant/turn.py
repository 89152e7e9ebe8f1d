"""One turn: hear a message, understand it, search, rank, explain."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from time import perf_counter
from typing import Any, Protocol

from assistant.custody import custody
from assistant.explain import Explainer, about, to_pick
from assistant.handoff import DEFAULTS, Thresholds, handoff_reason
from assistant.phrases import money, phrase
from assistant.profile import Portrait, portrait_of
from assistant.question import next_question
from assistant.ranking.ranker import Ranker
from assistant.state import DialogueState, fold, update
from assistant.store import ConversationStore, Event, EventKind
from assistant.types import Intent, ParsedTurn, Pick, QuickReply, Recommendation, Reply
from catalog.search import Search
from catalog.store import ProductStore
from catalog.types import Interaction, InteractionKind, Language, Product, Query, Relaxation

CANDIDATES = 200
ALIKE = 20  # products most like a shown one that "more like this" chooses from
GOOD_MOOD = 0.3
_SEARCHES = ("find", "refine", "recommend")


class Parser(Protocol):
    """Message and state to frame; see `assistant.parser.Parser`."""

    def parse(self, text: str, state: DialogueState) -> ParsedTurn: ...


@dataclass
class Clock:
    """Milliseconds since the turn began, by stage."""

    start: float = field(default_factory=perf_counter)
    times: dict[str, float] = field(default_factory=dict)

    def mark(self, stage: str) -> None:
        self.times[stage] = round((perf_counter() - self.start) * 1000, 1)


class Assistant:
    """Holds conversations. `picks` products are shown per answer."""

    def __init__(
        self,
        parser: Parser,
        search: Search,
        explainer: Explainer,
        products: ProductStore,
        conversations: ConversationStore,
        ranker: Ranker,
        picks: int = 3,
        support_contact: str = "",
        opening_hours: str = "",
        thresholds: Thresholds = DEFAULTS,
    ) -> None:
        self._parser = parser
        self._search = search
        self._explainer = explainer
        self._products = products
        self._conversations = conversations
        self._ranker = ranker
        self._picks = picks
        self._support_contact = support_contact
        self._opening_hours = opening_hours
        self._thresholds = thresholds

    def hear(self, conversation: str, text: str, client_message_id: str | None = None) -> Event:
        """Write a shopper's message down, durable before anything can fail, once per client id.

        Whoever waits for a person can go back to the bot.
        """
        if text in (phrase("quick_back", "en"), phrase("quick_back", "zh")):
            self._conversations.append_if(conversation, "returned", {"by": "shopper"}, _in_queue)
        return self._conversations.append(conversation, "message", {"role": "shopper", "text": text}, client_message_id)

    def answer(self, conversation: str) -> Iterator[Reply]:
        """Answer the latest message: replies that grow, cards first, the last one `done` and stored.

        Nothing is yielded if the latest message has its answer already, or if a person holds the conversation.
        An answer that a person has come before is dropped: the last reply is then not `done`.
        """
        events = self._conversations.events(conversation)
        if not (text := unanswered(events)):
            return
        clock = Clock()
        before = fold(events)
        parsed = _pressed(text, events) or self._parser.parse(text, before)
        clock.mark("parse")
        self._conversations.append(conversation, "parsed", {"frame": _storable(parsed)})
        state = update(before, parsed)
        shopper = self._conversations.shopper_of(conversation)
        reply = Reply(state.language)
        opening = _acknowledged(before, state)
        for answer in self._respond(conversation, state, parsed, shopper, clock):
            reply = replace(answer, text=f"{opening}{answer.text}")
            yield reply
        clock.mark("text")
        final = replace(reply, done=True, timings=dict(clock.times))
        reason = handoff_reason(state, self._thresholds)
        if self._conversations.append_if(conversation, "answer", to_payload(final), with_bot):
            if reason:
                self._conversations.append_if(conversation, "handoff", {"reason": reason}, with_bot)
            yield final

    def draft(self, conversation: str) -> Reply:
        """What the bot would say to the latest message: a suggestion, of which nothing is stored.

        What a message would change (the cart, a like) is not done.
        """
        before = fold(self._conversations.events(conversation))
        if not before.text:
            return Reply(before.language)
        parsed = self._parser.parse(before.text, before)
        state = update(before, parsed)
        shopper = self._conversations.shopper_of(conversation)
        if state.intent in _SEARCHES:
            *_, last = self._find(state, shopper, Clock())
            return last
        return (
            self._ask(state, parsed) if state.items or state.intent in ("ask", "compare") else self._small_talk(state)
        )

    def interact(self, conversation: str, product: str, kind: InteractionKind, value: float = 1.0) -> bool:
        """Note what the shopper did with a product; False if there is no such product."""
        if not self._note(conversation, product, kind, value):
            return False
        if kind in ("cart", "like", "dislike"):
            event: EventKind = "cart" if kind == "cart" else "feedback"
            self._conversations.append(conversation, event, {"product": product, "kind": kind})
        return True

    def _note(self, conversation: str, product: str, kind: InteractionKind, value: float = 1.0) -> bool:
        """Write an interaction down with where it happened: ranking learns what position does."""
        shown = next(
            (e.payload["picks"] for e in reversed(self._conversations.events(conversation)) if _shows(e, product)), ()
        )
        position = next((n for n, pick in enumerate(shown, start=1) if pick["product"] == product), 0)
        shopper = self._conversations.shopper_of(conversation)
        now = datetime.now(UTC)
        return self._products.interact(Interaction(shopper, product, kind, now, value, conversation, position))

    def portrait(self, shopper: str) -> Portrait:
        """What the shop knows of the shopper from history."""
        return portrait_of(self._products, shopper)

    # -- what each intent gets -----------------------------------------------------------

    def _respond(
        self, conversation: str, state: DialogueState, parsed: ParsedTurn, shopper: str, clock: Clock
    ) -> Iterator[Reply]:
        if handoff_reason(state, self._thresholds):
            yield self._person(state)
        elif state.intent in _SEARCHES:
            yield from self._find(state, shopper, clock)
        elif state.intent == "cart":
            yield self._cart(conversation, state)
        elif state.intent in ("ask", "compare"):
            yield self._ask(state, parsed)
        elif state.intent == "feedback":
            yield self._feedback(conversation, state)
        else:
            yield self._small_talk(state)

    def _find(self, state: DialogueState, shopper: str, clock: Clock) -> Iterator[Reply]:
        taste = self.portrait(shopper)
        query = state.query(CANDIDATES)
        if like := self._like(state):
            query = replace(query, text=f"{like.text(state.language).title} {query.text}".strip())
        open_request = not query.text and not query.filters.include
        if open_request and not taste.kinds:
            yield self._ask_department(state)
            return
        if open_request:
            query = replace(query, text=" ".join(list(taste.kinds)[:2]))
        candidates = self._search.search(query)
        closest = not candidates and self._unknown_kind(query)
        if closest:
            query = _without_category(query)
            candidates = self._search.search(query)
        if like:
            candidates = self._ranker.alike(candidates, like)[:ALIKE]
        clock.mark("search")
        unwanted = {*state.seen, *taste.disliked, *state.items}
        unseen = [c for c in candidates if c.product.external_id not in unwanted]
        ranked = self._ranker.rank(unseen, state, taste)
        clock.mark("rank")
        if not ranked:
            yield self._no_more(state) if candidates else self._nothing(state, query)
            return
        opening = (
            "closest"
            if closest
            else "like"
            if like
            else "more"
            if state.wants_more()
            else "found_for_you"
            if open_request
            else "found"
        )
        yield from self._explained(state, ranked, opening, clock)

    def _explained(
        self, state: DialogueState, ranked: Sequence[Recommendation], opening: str, clock: Clock
    ) -> Iterator[Reply]:
        """The first picks as cards, a sentence on each, and what would tell most among the others."""
        language, chosen = state.language, ranked[: self._picks]
        picks = tuple(to_pick(r, language) for r in chosen)
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

    def _like(self, state: DialogueState) -> Product | None:
        """The shown product that more of the like are wanted of."""
        return self._products.get(state.items[0]) if state.items else None

    def _nothing(self, state: DialogueState, query: Query) -> Reply:
        """Nothing fits: which limit would have to give, by how much, and an offer to take."""
        language = state.language
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

    def _ask(self, state: DialogueState, parsed: ParsedTurn) -> Reply:
        """What the record says of the products meant: named by place, by kind, or else those shown."""
        products = [] if state.items else self._named(state, parsed)
        products = products or self._meant(state, state.shown if state.intent == "compare" else state.shown[:1])
        if not products:
            person = QuickReply(phrase("quick_person", state.language), _frame(state.language, "human", {}))
            lines = [phrase("not_in_record", state.language), *self._contact(state.language)]
            return Reply(state.language, _sentences(lines, state.language), quick_replies=(person,))
        return Reply(state.language, "\n".join(about(p, state.language) for p in products))

    def _named(self, state: DialogueState, parsed: ParsedTurn) -> list[Product]:
        """The best product of the kind that a question names, unless that kind is being looked at already."""
        kind = parsed.slots.get("category")
        if not kind or (state.shown and kind == state.slots.get("category")):
            return []
        asked = DialogueState(
            state.language, slots={k: v for k, v in parsed.slots.items() if k in ("category", "brand")}
        )
        return [c.product for c in self._search.search(asked.query(1))]

    def _cart(self, conversation: str, state: DialogueState) -> Reply:
        products = self._meant(state, state.shown if len(state.shown) == 1 else ())
        if not products:
            return Reply(state.language, phrase("which_one", state.language))
        for product in products:
            self._note(conversation, product.external_id, "cart")
        language = state.language
        said = phrase("in_cart", language, names=_listed([p.text(language).title for p in products], language))
        together = self._bought_with(products[-1], language)
        opening = f"{said} {phrase('also_bought', language)}" if together else said
        return Reply(language, opening, together)

    def _bought_with(self, product: Product, language: Language) -> tuple[Pick, ...]:
        """What shoppers of a product took as well and can be had."""
        ids = self._ranker.bought_with(product.external_id, 4 * self._picks)
        found = self._products.by_external_id(ids)
        there = [found[i] for i in ids if i in found and found[i].stock > 0]
        return tuple(Pick(p, phrase("why_together", language)) for p in there[: self._picks])

    def _feedback(self, conversation: str, state: DialogueState) -> Reply:
        good = state.turn_mood >= 0
        for product in self._meant(state, ()):
            kind: InteractionKind = "like" if good else "dislike"
            self._note(conversation, product.external_id, kind)
        return Reply(state.language, phrase("feedback_good" if good else "feedback_bad", state.language))

    def _small_talk(self, state: DialogueState) -> Reply:
        language = state.language
        if state.not_understood:
            return Reply(language, phrase("not_understood", language))
        if state.intent == "order":
            person = QuickReply(phrase("quick_person", language), _frame(language, "human", {}))
            lines = [phrase("order", language), *self._contact(language)]
            return Reply(language, _sentences(lines, language), quick_replies=(person,))
        if state.intent == "other":
            return Reply(language, phrase("not_shopping", language))
        ideas = QuickReply(phrase("quick_ideas", language), _frame(language, "recommend", {}))
        greeting = "thanks" if state.shown or state.mood > GOOD_MOOD / 2 else "hello"
        return Reply(language, phrase(greeting, language), quick_replies=(ideas,))

    def _person(self, state: DialogueState) -> Reply:
        """A person is called: how many wait before, when staff are there, how else they can be reached."""
        language = state.language
        lines = [phrase("called", language, place=len(self._conversations.waiting()) + 1)]
        if self._opening_hours:
            lines.append(phrase("hours", language, hours=self._opening_hours))
        back = QuickReply(phrase("quick_back", language), _frame(language, "chitchat", {}))
        return Reply(language, _sentences([*lines, *self._contact(language)], language), quick_replies=(back,))

    # -- helpers -------------------------------------------------------------------------

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


def _acknowledged(before: DialogueState, state: DialogueState) -> str:
    """What comes before an answer: regret where it is due, and every fact learned or forgotten."""
    language = state.language
    lines = [phrase("sorry", language)] if state.turn_mood < 0 else []
    if learned := {k: f for k, f in state.profile.items() if before.profile.get(k) != f}:
        shown = [
            f"{phrase(f'fact_{name}', language)} {_plainly(fact.value, language)}" for name, fact in learned.items()
        ]
        example = phrase(f"fact_{next(iter(learned))}", language)
        lines.append(phrase("noted", language, facts=_listed(shown, language), example=example))
    if lost := [phrase(f"fact_{name}", language) for name in before.profile if name not in state.profile]:
        lines.append(phrase("forgotten", language, facts=_listed(lost, language)))
    return "".join(f"{line} " if language == "en" else line for line in lines)


def _sentences(lines: Sequence[str], language: Language) -> str:
    return (" " if language == "en" else "").join(lines)


def _listed(words: Sequence[str], language: Language) -> str:
    return (", " if language == "en" else "、").join(words)


def _plainly(value: Any, language: Language) -> str:
    return _listed([str(v) for v in value], language) if isinstance(value, list | tuple) else str(value)


def unanswered(events: Sequence[Event]) -> str | None:
    """The latest message's text if it is the bot's to answer and no answer came after it."""
    if not with_bot(events):
        return None
    for event in reversed(events):
        if event.kind in ("answer", "returned"):
            return None
        if event.kind == "message":
            return str(event.payload["text"])
    return None


def with_bot(events: Sequence[Event]) -> bool:
    """Whether the bot may speak."""
    return custody(events).holder == "bot"


def _in_queue(events: Sequence[Event]) -> bool:
    return custody(events).holder == "queue"


def _shows(event: Event, product: str) -> bool:
    return event.kind == "answer" and any(pick["product"] == product for pick in event.payload["picks"])


def to_payload(reply: Reply) -> dict[str, Any]:
    """An answer as the event log keeps it."""
    return {
        "role": "bot",
        "language": reply.language,
        "text": reply.text,
        "picks": [{"product": p.product.external_id, "why": p.why, "parts": p.parts} for p in reply.picks],
        "quick_replies": [{"text": q.text, "frame": dict(q.frame), "item": q.item} for q in reply.quick_replies],
        "asks": reply.asks,
        "timings": dict(reply.timings),
    }


def from_payload(payload: Mapping[str, Any], products: Mapping[str, Product]) -> Reply:
    """An answer read back; products that are no longer sold are left out."""
    return Reply(
        payload["language"],
        payload["text"],
        tuple(
            Pick(products[p["product"]], p["why"], tuple((name, value) for name, value in p.get("parts", ())))
            for p in payload["picks"]
            if p["product"] in products
        ),
        tuple(QuickReply(q["text"], q["frame"], q.get("item", 0)) for q in payload["quick_replies"]),
        payload.get("asks", ""),
        True,
        payload["timings"],
    )


def _relaxation_line(way: Relaxation, language: Language, currency: str) -> str:
    if way.nearest is not None:
        shown = f"{way.nearest:.1f}" if way.limit == "rating_min" else money(way.nearest, currency)
        return phrase(f"relax_{way.limit}", language, nearest=shown)
    return phrase("relax_other", language, words=" / ".join(way.words), found=way.found)


def _without_category(query: Query) -> Query:
    include = {f: w for f, w in query.filters.include.items() if f != "category"}
    return replace(query, filters=replace(query.filters, include=include))


def _pressed(text: str, events: Sequence[Event]) -> ParsedTurn | None:
    """What a quick reply of the latest answer means, if the message is one."""
    answers = (e for e in reversed(events) if e.kind == "answer")
    for offer in next((a.payload["quick_replies"] for a in answers), ()):
        if offer["text"] == text:
            return ParsedTurn.model_validate(offer["frame"])
    return None


def _quick(name: str, language: Language, **slots: str) -> QuickReply:
    return QuickReply(phrase(name, language), _frame(language, "refine", slots))


def _similar(language: Language, count: int) -> Iterator[QuickReply]:
    """For each pick an offer of others like it."""
    for number in range(1, count + 1):
        frame = ParsedTurn(language=language, intent="recommend", items=(number,)).frame()
        yield QuickReply(phrase("quick_similar", language, number=number), frame, number)


def _frame(language: Language, intent: Intent, slots: Mapping[str, str]) -> dict[str, Any]:
    return ParsedTurn(language=language, intent=intent, slots=dict(slots)).frame()


def _storable(parsed: ParsedTurn) -> dict[str, Any]:
    return {**parsed.frame(), "understood": parsed.understood}
