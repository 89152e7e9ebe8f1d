"""What chats teach: a pick that was liked, put in the cart or bought is a request answered, and where it stood counts.

Shoppers look at the first pick more often than at the third, so that what stands first is liked more often
for standing there. Each like therefore weighs 1 / (chance that its place was looked at): inverse propensity,
after Joachims, Swaminathan & Schnabel, "Unbiased Learning-to-Rank with Biased Feedback", 2017.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from assistant.state import DialogueState, fold
from assistant.store import ConversationStore, Event
from assistant.training.requests import Request
from catalog.types import Interaction

POSITION_BIAS = 1.0  # the chance that place k is looked at is 1 / k ** POSITION_BIAS
MOST_WEIGHT = 10.0  # a rare like from far down must not outweigh everything
BOUGHT_WITHIN = timedelta(days=7)  # after a chat that showed the product
_CANDIDATES = 200
_GOOD = ("like", "cart", "purchase")


@dataclass(frozen=True)
class Answer:
    """Picks as they were shown, with the state that they answered."""

    time: datetime
    state: DialogueState
    picks: tuple[str, ...]


def examined(position: int) -> float:
    """The chance that a shopper looks at the pick in a place, from 1."""
    return float(1 / max(1, position) ** POSITION_BIAS)


def weight(position: int) -> float:
    """How much a like in a place counts."""
    return min(MOST_WEIGHT, 1 / examined(position))


def feedback_requests(conversations: ConversationStore, history: Sequence[Interaction]) -> list[Request]:
    """A request for every pick that was taken to, and for every one that was turned down, oldest first."""
    done: dict[str, list[Interaction]] = {}
    for interaction in history:
        done.setdefault(interaction.shopper, []).append(interaction)
    found: list[Request] = []
    for conversation, shopper in conversations.all():
        answers = list(answers_of(conversations.events(conversation)))
        for interaction in done.get(shopper, ()):
            if answer := _answer_to(interaction, answers, conversation):
                found += _learned(interaction, answer)
    return sorted(found, key=lambda r: r.time)


def answers_of(events: Sequence[Event]) -> Iterator[Answer]:
    """The answers of a conversation that showed picks."""
    for at, event in enumerate(events):
        if event.kind == "answer" and event.payload["picks"]:
            picks = tuple(pick["product"] for pick in event.payload["picks"])
            yield Answer(event.time, fold(events[:at]), picks)


def _answer_to(interaction: Interaction, answers: Iterable[Answer], conversation: str) -> Answer | None:
    """The latest answer that showed the product before it was dealt with in the chat, or bought soon after."""
    if interaction.session != conversation and interaction.kind != "purchase":
        return None
    within = [
        a for a in answers
        if interaction.product in a.picks and a.time <= interaction.time <= a.time + BOUGHT_WITHIN
    ]  # fmt: skip
    return within[-1] if within else None


def _learned(interaction: Interaction, answer: Answer) -> Iterator[Request]:
    asked = Request(interaction.shopper, answer.time, answer.state.query(_CANDIDATES), answer.state, "")
    if interaction.kind in _GOOD:
        place = answer.picks.index(interaction.product) + 1
        yield replace(asked, target=interaction.product, weight=weight(place))
    elif interaction.kind == "dislike":
        yield replace(asked, shown=frozenset(answer.picks), disliked=frozenset([interaction.product]))
