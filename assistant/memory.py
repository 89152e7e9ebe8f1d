"""What is known of a shopper, for the shopper to read, correct and delete: said, done and inferred.

Each has its source and its date. What is said lies in the conversation, what is done in the history; what
is inferred from it is worked out anew whenever it is looked at. The ranking uses nothing else.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import Literal

from assistant.phrases import money, phrase
from assistant.profile import REMEMBERED, kept, kind_of
from assistant.state import DialogueState, fold
from assistant.store import ConversationStore
from assistant.types import PROFILE_FIELDS, VISITOR
from catalog.errors import UserError
from catalog.store import ProductStore
from catalog.types import Interaction, Language, Product

Source = Literal["said", "done", "inferred", "used"]
EVERYTHING = "everything"
NO_MESSAGES = "use:messages"  # forgotten by whoever wants the shop not to write to them
MOST_SHOWN = 5  # of each kind
FEWEST = 3  # observations that something is inferred from
_FACETS = ("kind", "brand", "color")
_GROUPS = (*_FACETS, "price", "size", "style", "rhythm", "use")
# Shares of the usual price looked at, below and above which somebody is careful with money, or is not.
_CAREFUL, _GENEROUS = 0.9, 1.1


@dataclass(frozen=True, slots=True)
class Known:
    """One thing known of a shopper. `name` is what it is forgotten by, `because` where it comes from."""

    source: Source
    name: str
    text: str
    because: str
    time: datetime | None
    value: str = ""  # of a fact that can be corrected


class Memory:
    """Reads, corrects and deletes what is known of shoppers."""

    def __init__(self, products: ProductStore, conversations: ConversationStore) -> None:
        self._products = products
        self._conversations = conversations

    def known(self, shopper: str, language: Language) -> list[Known]:
        """All that is known and used, what was said first."""
        history = self._products.history(shopper, REMEMBERED)
        products = self._products.by_external_id(i.product for i in history)
        pairs = [(i, products[i.product]) for i in history if i.product in products]
        forgotten = self._products.forgotten(shopper)
        found = [*said(self._state(shopper), language), *done(pairs, language), *inferred(pairs, language)]
        if not shopper.startswith(VISITOR):
            found += used(pairs, language)
        return [known for known in found if known.name not in forgotten]

    def forget(self, shopper: str, name: str) -> None:
        """Make no more use of what `name` says; `everything` deletes the facts and the history.

        Raises `UserError` for a name that says nothing.
        """
        if name == EVERYTHING:
            self._products.forget_history(shopper)
            self._products.forget(shopper, NO_MESSAGES)
            for fact in self._state(shopper).profile:
                self._note(shopper, fact, None)
            return
        group, _, rest = name.partition(":")
        if group == "fact" and rest in PROFILE_FIELDS:
            self._note(shopper, rest, None)
        elif group in _GROUPS and rest:
            self._products.forget(shopper, name)
        else:
            raise UserError(f"{name!r} is nothing that is known of a shopper")

    def correct(self, shopper: str, fact: str, value: str) -> None:
        """Put `value` in the place of a fact that was said. Raises `UserError` for one that cannot be."""
        if fact not in PROFILE_FIELDS or not value.strip():
            raise UserError(f"{fact!r} cannot be {value!r}: facts are {', '.join(PROFILE_FIELDS)}")
        number = fact in ("height_cm", "weight_kg")
        try:
            self._note(shopper, fact, float(value) if number else value.strip())
        except ValueError:
            raise UserError(f"{fact} must be a number, not {value!r}") from None

    def _state(self, shopper: str) -> DialogueState:
        conversation = self._conversations.latest(shopper)
        return fold(self._conversations.events(conversation)) if conversation else DialogueState()

    def _note(self, shopper: str, fact: str, value: float | str | None) -> None:
        self._conversations.append(self._conversations.open(shopper), "fact", {"name": fact, "value": value})


def said(state: DialogueState, language: Language) -> Iterator[Known]:
    """The facts told in the conversation, each with the words that told it."""
    for name, fact in state.profile.items():
        value = (", " if language == "en" else "、").join(
            map(str, fact.value if isinstance(fact.value, list | tuple) else [fact.value])
        )
        text = phrase("known_fact", language, name=phrase(f"fact_{name}", language), value=value)
        yield Known("said", f"fact:{name}", text, phrase("known_said", language, words=fact.said), fact.time, value)


def done(pairs: Sequence[tuple[Interaction, Product]], language: Language) -> Iterator[Known]:
    """What was bought most: kinds, brands, colours, and the usual price of a kind."""
    stayed = set(kept(i for i, _ in pairs))
    bought = [(i, p) for i, p in pairs if i in stayed]
    for facet in _FACETS:
        for name, own in _grouped(bought, facet)[:MOST_SHOWN]:
            shown = next(filter(None, (_shown(facet, name, p, language) for _, p in own)), "")
            if shown:
                yield _of_history("done", f"{facet}:{name}", phrase(f"known_{facet}", language, value=shown), own, language)  # fmt: skip
    for name, own in _grouped(bought, "kind")[:MOST_SHOWN]:
        if sizes := Counter(i.size for i, _ in own if i.size):
            size, _ = sizes.most_common(1)[0]
            text = phrase("known_size", language, kind=kind_of(own[0][1], language), size=size)
            yield _of_history("done", f"size:{name}", text, [(i, p) for i, p in own if i.size == size], language)
        if len(own) >= FEWEST:
            price = money(median(p.price for _, p in own), own[0][1].currency)
            text = phrase("known_price", language, kind=kind_of(own[0][1], language), price=price)
            yield _of_history("done", f"price:{name}", text, own, language)


def inferred(pairs: Sequence[tuple[Interaction, Product]], language: Language) -> Iterator[Known]:
    """Style, care with money and rhythm, as far as there is enough to tell them by."""
    bought = [(i, p) for i, p in pairs if i.kind == "purchase"]
    styles = Counter(v for _, p in bought for v in {*p.values("style", language), *p.values("occasion", language)})
    for style, count in styles.most_common(2):
        if count >= FEWEST:
            own = [(i, p) for i, p in bought if style in (*p.values("style"), *p.values("occasion"))]
            yield _of_history("inferred", f"style:{style}", phrase("known_style", language, value=style), own, language)
    shares = list(_price_shares(pairs))
    if len(shares) >= FEWEST and not _CAREFUL <= median(shares) <= _GENEROUS:
        said_as = "known_careful" if median(shares) < 1 else "known_generous"
        yield _of_history("inferred", "price:sensitivity", phrase(said_as, language), bought, language)
    for name, own in _grouped(bought, "kind"):
        days = sorted({i.time.date() for i, _ in own})
        if len(days) > FEWEST:
            gap = round(median((b - a).days for a, b in pairwise(days)))
            text = phrase("known_rhythm", language, kind=kind_of(own[0][1], language), days=gap)
            yield _of_history("inferred", f"rhythm:{name}", text, own, language)


def used(pairs: Sequence[tuple[Interaction, Product]], language: Language) -> Iterator[Known]:
    """What else the shop may use it for: to forget this is to have no messages."""
    if bought := [(i, p) for i, p in pairs if i.kind == "purchase"]:
        yield _of_history("used", NO_MESSAGES, phrase("known_messages", language), bought, language)


def _price_shares(pairs: Sequence[tuple[Interaction, Product]]) -> Iterator[float]:
    """What each purchase cost beside the usual price of the products of its kind that were looked at."""
    for name, own in _grouped(pairs, "kind"):
        if name and len({p.external_id for _, p in own}) >= FEWEST:
            usual = median(p.price for p in {p.external_id: p for _, p in own}.values())
            yield from (float(p.price / usual) for i, p in own if i.kind == "purchase" and usual)


def _grouped(
    pairs: Iterable[tuple[Interaction, Product]], facet: str
) -> list[tuple[str, list[tuple[Interaction, Product]]]]:
    """Interactions by kind, brand or colour, the commonest first."""
    groups: dict[str, list[tuple[Interaction, Product]]] = {}
    for interaction, product in pairs:
        for name in _names(facet, product):
            groups.setdefault(name, []).append((interaction, product))
    return sorted(((n, own) for n, own in groups.items() if n), key=lambda pair: -len(pair[1]))


def _names(facet: str, product: Product) -> tuple[str, ...]:
    if facet == "color":
        return product.values("color")
    return (product.brand if facet == "brand" else kind_of(product),)


def _shown(facet: str, name: str, product: Product, language: Language) -> str:
    """A group's name in the shopper's language, empty where it has none."""
    if facet == "kind":
        return kind_of(product, language)
    return name if facet == "brand" or name in product.values("color", language) else ""


def _of_history(
    source: Source, name: str, text: str, own: Sequence[tuple[Interaction, Product]], language: Language
) -> Known:
    return Known(source, name, text, phrase("known_bought", language, count=len(own)), max(i.time for i, _ in own))
