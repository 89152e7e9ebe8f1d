"""What each intent is answered with. Nothing is stored here."""

from collections.abc import Iterator
from typing import Any

from assistant import offers
from assistant.basket import Basket, Note, meant
from assistant.explain import about
from assistant.finding import Clock, Finder
from assistant.fitting import size_line, sizes_of
from assistant.phrases import contact_lines, listed, phrase, sentences
from assistant.state import DialogueState
from assistant.types import ParsedTurn, Reply
from catalog.fit import asks_size
from catalog.store import ProductStore
from catalog.types import InteractionKind, Language

GOOD_MOOD = 0.3
SEARCHES = ("find", "refine", "recommend")


class Answers:
    """Answers a state. `contact` and `opening_hours` tell how and when a person is reached."""

    def __init__(
        self, finder: Finder, basket: Basket, products: ProductStore, contact: str = "", opening_hours: str = ""
    ) -> None:
        self.finder = finder
        self._basket = basket
        self._products = products
        self._contact = contact
        self._opening_hours = opening_hours

    def respond(
        self, state: DialogueState, parsed: ParsedTurn, shopper: str, clock: Clock, note: Note
    ) -> Iterator[Reply]:
        """Replies that grow."""
        if state.intent in SEARCHES:
            yield from self.finder.find(state, shopper, clock)
        elif state.intent == "cart":
            yield self._basket.answer(state, parsed, note)
        elif state.intent == "feedback":
            yield self._feedback(state, note)
        else:
            yield self._talk(state, parsed, shopper)

    def suggest(self, state: DialogueState, parsed: ParsedTurn, shopper: str) -> Reply:
        """The whole reply as staff are offered it: what a message would change (the cart, a like) is not done."""
        if state.intent in SEARCHES:
            *_, last = self.finder.find(state, shopper, Clock())
            return last
        return self._ask(state, parsed, shopper) if state.items else self._talk(state, parsed, shopper)

    def person(self, state: DialogueState, place: int) -> Reply:
        """A person is called: the place in the queue, when staff are there, how else they can be reached."""
        language = state.language
        lines = [phrase("called", language, place=place)]
        if self._opening_hours:
            lines.append(phrase("hours", language, hours=self._opening_hours))
        back = offers.offer(phrase("quick_back", language), language, "chitchat")
        return Reply(
            language, sentences([*lines, *contact_lines(self._contact, language)], language), quick_replies=(back,)
        )

    def _ask(self, state: DialogueState, parsed: ParsedTurn, shopper: str) -> Reply:
        """What the record says of the products meant: named by place, by kind, or else those shown."""
        language, among = state.language, state.shown if state.intent == "compare" else state.shown[:1]
        products = [] if state.items else self.finder.named(state, parsed)
        products = products or meant(self._products, state, among)
        if not products:
            lines = [phrase("not_in_record", language), *contact_lines(self._contact, language)]
            return Reply(language, sentences(lines, language), quick_replies=(offers.person(language),))
        lines = [about(p, language) for p in products]
        if asks_size(state.text) and any(sizes_of(p) for p in products):
            lines = [size_line(f, language) for f in self.finder.fit(products, state, shopper)] + lines
        return Reply(language, "\n".join(lines))

    def _feedback(self, state: DialogueState, note: Note) -> Reply:
        good = state.turn_mood >= 0
        for product in meant(self._products, state, ()):
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
            lines = [phrase("order", language), *contact_lines(self._contact, language)]
            return Reply(language, sentences(lines, language), quick_replies=(offers.person(language),))
        if state.intent == "other":
            return Reply(language, phrase("not_shopping", language))
        ideas = offers.offer(phrase("quick_ideas", language), language, "recommend")
        greeting = "thanks" if state.shown or state.mood > GOOD_MOOD / 2 else "hello"
        return Reply(language, phrase(greeting, language), quick_replies=(ideas,))


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


def _plainly(value: Any, language: Language) -> str:
    return listed([str(v) for v in value], language) if isinstance(value, list | tuple) else str(value)
