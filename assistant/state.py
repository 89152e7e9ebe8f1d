"""What a conversation has come to: a pure fold over its events."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from assistant.cart import cart_after
from assistant.types import NUMBER_SLOTS, PRICE_SLOTS, Fact, ParsedTurn
from catalog.types import FACETS, Filters, Language, Query

MOOD_MEMORY = 0.6  # share of the mood so far in the running estimate
REMEMBERED = 6  # messages and moods
ABOUT = Decimal("0.25")  # "around 60" is 45 to 75
_SEARCHES = ("find", "refine", "recommend")


@dataclass(frozen=True, slots=True)
class DialogueState:
    """Everything later turns depend on.

    `slots` and `exclude` are the limits now in force; `profile` lasts longer than a search.
    `shown` holds product ids in the order last shown, `seen` all ids shown in this search (what
    "more" must not repeat), `asked` the properties that it was asked about, `cart` how many of each product
    were put in it here.
    `mood` is a running estimate in [-1, 1], `turn_mood` that of the last message.
    `said` and `moods` are the last messages and the running moods after them.
    `photo` names what the search is to look like, if one was shown for it.
    """

    language: Language = "en"
    intent: str = "chitchat"
    slots: Mapping[str, Any] = field(default_factory=dict)
    exclude: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    profile: Mapping[str, Fact] = field(default_factory=dict)
    items: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    cart: Mapping[str, int] = field(default_factory=dict)
    mood: float = 0.0
    turn_mood: float = 0.0
    not_understood: int = 0
    text: str = ""
    said: tuple[str, ...] = ()
    moods: tuple[float, ...] = ()
    photo: str = ""

    def query(self, k: int = 200) -> Query:
        """The search that the limits in force ask for."""
        words = [
            *(_words(self.slots.get(name)) for name in ("color", "material", "feature", "style", "brand")),
            *(_words(self.slots.get(name)) for name in ("category", "occasion", "recipient")),
        ]
        return Query(" ".join(w for group in words for w in group), self.filters(), k)

    def filters(self) -> Filters:
        """The hard limits in force. What the shopper is allergic to is excluded without asking."""
        exclude = {**self.exclude}
        if allergies := self.profile.get("allergies"):
            exclude["feature"] = (*exclude.get("feature", ()), *_words(allergies.value))
        low, high = self.slots.get("price_min"), self.slots.get("price_max")
        if about := self.slots.get("price_about"):
            low, high = low or about * (1 - ABOUT), high or about * (1 + ABOUT)
        rating = self.slots.get("rating_min")
        return Filters(
            include={f: _words(self.slots[f]) for f in FACETS if self.slots.get(f)},
            exclude=exclude,
            price_min=low,
            price_max=high,
            rating_min=float(rating) if rating is not None else None,
        )

    def wants_more(self) -> bool:
        """Whether the last turn asked for further results of the same search."""
        return self.intent == "refine" and bool(self.seen)


def fold(events: Iterable[Any], state: DialogueState | None = None) -> DialogueState:
    """The state after `events` (anything with `kind`, `payload` and `time`), from `state` on."""
    state = state or DialogueState()
    for event in events:
        if event.kind == "message":
            text = event.payload["text"]
            state = replace(state, text=text, said=(*state.said, *filter(None, [text]))[-REMEMBERED:])
        elif event.kind == "parsed":
            turn = ParsedTurn.model_validate(event.payload["frame"])
            state = update(state, turn, event.time, event.payload.get("photo", ""))
        elif event.kind in ("cart", "uncart"):
            state = replace(state, cart=cart_after([event], state.cart))
        elif event.kind == "fact":
            state = replace(state, profile=_corrected(state.profile, event))
        elif event.kind in ("answer", "staff"):
            ids = tuple(pick["product"] for pick in event.payload.get("picks", ()))
            ids = ids or tuple(event.payload.get("named", ()))  # by a person, in words
            if ids:
                state = replace(state, shown=ids, seen=(*state.seen, *ids))
            if asked := event.payload.get("asks"):
                state = replace(state, asked=(*state.asked, asked))
    return state


def message_at(events: Sequence[Any], seq: int) -> tuple[str, DialogueState] | None:
    """What the message numbered `seq` says, and the state that it came to; none if there is no such message."""
    message = next((e for e in events if e.seq == seq and e.kind == "message"), None)
    if message is None:
        return None
    return message.payload["text"], fold(e for e in events if e.seq < seq and e.payload.get("message", 0) < seq)


def update(state: DialogueState, turn: ParsedTurn, time: datetime | None = None, photo: str = "") -> DialogueState:
    """The state after one parsed message, with which a photo may have been shown.

    A photo, a `find` of another category, and any `recommend`, start afresh and keep the profile. A `refine`
    keeps what was said, replaces what is contradicted, and drops what is taken back. Other intents
    leave the search as it is.
    """
    mood = MOOD_MEMORY * state.mood + (1 - MOOD_MEMORY) * turn.sentiment.score
    state = replace(
        state,
        language=turn.language,
        intent=turn.intent,
        profile=_profile(state, turn, time),
        items=_resolve(turn.items, state.shown),
        mood=mood,
        turn_mood=turn.sentiment.score,
        moods=(*state.moods, mood)[-REMEMBERED:],
        not_understood=0 if turn.understood else state.not_understood + 1,
    )
    if turn.intent not in _SEARCHES:
        return state
    changes = bool(photo or turn.slots or turn.exclude or turn.drop or turn.profile)
    if not changes and turn.intent == "refine":
        return state  # more of the same
    if photo or _starts_afresh(state, turn):
        state = replace(state, slots={}, exclude={}, asked=(), photo=photo)
    slots = {k: v for k, v in state.slots.items() if k not in turn.drop}
    exclude = {k: v for k, v in state.exclude.items() if k not in turn.drop}
    if set(turn.slots) & set(PRICE_SLOTS):
        slots = {k: v for k, v in slots.items() if k not in _contradicted_prices(turn.slots)}
    slots.update(_numbers(turn.slots))
    for facet, words in turn.exclude.items():
        exclude[facet] = tuple(dict.fromkeys((*exclude.get(facet, ()), *words)))
        if facet in slots:
            slots = {**slots, facet: tuple(w for w in _words(slots[facet]) if w not in words)}
    for facet in turn.slots:
        if facet in exclude:
            exclude[facet] = tuple(w for w in exclude[facet] if w not in _words(turn.slots[facet]))
    return replace(
        state,
        slots={k: v for k, v in slots.items() if v not in ((), "")},
        exclude={k: v for k, v in exclude.items() if v},
        seen=(),
    )


def _profile(state: DialogueState, turn: ParsedTurn, time: datetime | None) -> dict[str, Fact]:
    """The facts after a turn. A name that is an active limit as well means the limit."""
    limits = {**state.slots, **state.exclude}
    kept = {k: v for k, v in state.profile.items() if k not in turn.drop or k in limits}
    return {**kept, **{k: Fact(v, state.text, time) for k, v in turn.profile.items()}}


def _corrected(profile: Mapping[str, Fact], event: Any) -> dict[str, Fact]:
    """The facts after the shopper put one right, or took it back, by hand."""
    name, value = event.payload["name"], event.payload["value"]
    rest = {k: v for k, v in profile.items() if k != name}
    return rest if value is None else {**rest, name: Fact(value, str(value), event.time)}


def _starts_afresh(state: DialogueState, turn: ParsedTurn) -> bool:
    if turn.intent == "recommend":
        return True
    category = turn.slots.get("category")
    return turn.intent == "find" and category is not None and category != state.slots.get("category")


def _contradicted_prices(said: Mapping[str, Any]) -> set[str]:
    """A new maximum keeps an older minimum below it; "around" replaces both."""
    if "price_about" in said:
        return set(PRICE_SLOTS)
    return {"price_about", *(set(PRICE_SLOTS) & set(said))}


def _numbers(slots: Mapping[str, Any]) -> dict[str, Any]:
    return {k: Decimal(str(v)) if k in NUMBER_SLOTS else v for k, v in slots.items()}


def _resolve(items: Iterable[int], shown: tuple[str, ...]) -> tuple[str, ...]:
    """Positions in what was shown, 1-based, -1 the last, to product ids."""
    return tuple(shown[i - 1 if i > 0 else i] for i in items if 0 < abs(i) <= len(shown))


def _words(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(str(v) for v in value)
