"""The values that a turn passes on: frozen, without identity in any database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from catalog.types import Language, Product

Intent = Literal[
    "find", "refine", "recommend", "ask", "compare", "cart", "feedback", "order", "human", "chitchat", "other"
]
Sort = Literal["price_asc", "price_desc", "rating", "newest", "popular"]
INTENTS: tuple[str, ...] = get_args(Intent)
SORTS: tuple[str, ...] = get_args(Sort)
LIST_SLOTS = ("brand", "color", "size", "material", "style", "feature")
TEXT_SLOTS = ("category", "occasion", "recipient")
PRICE_SLOTS = ("price_min", "price_max", "price_about")
NUMBER_SLOTS = (*PRICE_SLOTS, "rating_min", "quantity")
SLOTS = ("category", *LIST_SLOTS, "occasion", "recipient", *NUMBER_SLOTS, "currency", "sort")
PROFILE_FIELDS = ("height_cm", "weight_kg", "size", "shoe_size", "skin", "diet", "allergies")

VISITOR = "web-"  # what the ids of shoppers begin with whom nobody vouches for
SlotValue = str | Decimal | tuple[str, ...]


class Sentiment(BaseModel):
    """Mood of a message towards the shop or its goods; `score` is in [-1, 1]."""

    model_config = ConfigDict(frozen=True)
    label: Literal["negative", "neutral", "positive"] = "neutral"
    score: float = Field(default=0.0, ge=-1, le=1)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something lasting that the shopper said of themselves: the message that it was said in, and when."""

    value: Any
    said: str
    time: datetime | None = None


class ParsedTurn(BaseModel):
    """The frame of one message: what it says, in the shopper's own words, and nothing else.

    `slots` maps a slot's name to its value: text for category, occasion and recipient, a number for
    prices, rating and quantity, a sort order, or a tuple of words. `exclude` maps list slots to
    words that must not hold. `drop` names slots, or facts about the shopper, that are taken back.
    `items` are 1-based positions in what was shown, -1 for the last. `profile` holds facts, `PROFILE_FIELDS`.
    `understood` is False where the model gave no frame; `doubt`, in [0, 1], is how unsure it was of its least sure word,
    0 where it does not tell.
    """

    model_config = ConfigDict(frozen=True)
    language: Language = "en"
    intent: Intent = "other"
    slots: dict[str, Any] = Field(default_factory=dict)
    exclude: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    drop: tuple[str, ...] = ()
    items: tuple[int, ...] = ()
    profile: dict[str, Any] = Field(default_factory=dict)
    sentiment: Sentiment = Sentiment()
    understood: bool = True
    doubt: float = 0.0

    def frame(self) -> dict[str, Any]:
        """The frame as JSON values, empty fields left out, as the contract has it."""
        whole = self.model_dump(mode="python")
        return {k: _plain(v) for k, v in whole.items() if k not in ("understood", "doubt") and v not in ({}, (), None)}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value


@dataclass(frozen=True, slots=True)
class Contribution:
    """A part of a pick's score. The parts of a pick add up to its score exactly."""

    feature: str
    value: float
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A product in its place, and why: contributions, greatest first."""

    product: Product
    score: float
    contributions: tuple[Contribution, ...] = ()


@dataclass(frozen=True, slots=True)
class Pick:
    """A recommendation as the shopper sees it.

    `size` is the word on which size to take, empty where there is none.
    `why` is one line made from the record, `parts` the greatest parts of the score, in [-1, 1] of the
    greatest, by what they come from.
    """

    product: Product
    why: str
    parts: tuple[tuple[str, float], ...] = ()
    size: str = ""


@dataclass(frozen=True, slots=True)
class QuickReply:
    """A button that says `text`. What it means is known, so no model has to read it.

    `item` is the position of the pick that it stands on, 0 for none.
    """

    text: str
    frame: Mapping[str, Any]
    item: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, whole or still growing (`done` is False). `timings` are in milliseconds.

    `asks` is the property that the answer ends with a question about, if it does.
    """

    language: Language
    text: str = ""
    picks: tuple[Pick, ...] = ()
    quick_replies: tuple[QuickReply, ...] = ()
    asks: str = ""
    done: bool = False
    timings: Mapping[str, float] = field(default_factory=dict)
