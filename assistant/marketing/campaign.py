"""A campaign for one product: drafts for each segment, and a list of whom to write to, for another system to send.

Nobody is on the list who wants no messages, and nobody who was on one lately: both are looked up when it is made.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, insert, select

from assistant.explain import Explainer
from assistant.marketing.audience import audience, reasons
from assistant.marketing.segments import Rhythm, segments
from assistant.memory import NO_MESSAGES
from assistant.phrases import phrase, sentences
from assistant.profile import COUNTED, Portrait, kind_of, portrait
from assistant.ranking.recommenders import Recommenders
from assistant.state import DialogueState
from assistant.types import VISITOR, Recommendation
from catalog.errors import UserError
from catalog.schema import ContactRow, ForgottenRow
from catalog.store import ProductStore
from catalog.types import LANGUAGES, Interaction, Language, Product


@dataclass(frozen=True, slots=True)
class Draft:
    """A message for a segment, in both languages: a greeting by its rhythm, what the record says, how to have no more."""

    rhythm: Rhythm
    texts: Mapping[Language, str]


@dataclass(frozen=True, slots=True)
class Line:
    """One shopper of an exported list; `because` is in English, for the shop, `texts` are drafts of the segment."""

    shopper: str
    segment: str
    liking: float
    because: tuple[str, ...]
    draft: Draft


class Shoppers:
    """Everybody's history, read once: portraits, segments, and who may be written to.

    `now` is the time of the latest that anybody did: history that was imported once grows old all at once.
    """

    def __init__(self, store: ProductStore) -> None:
        self._engine = store.engine
        self.products = {p.external_id: p for p in store.all()}
        self.history = store.histories()
        self.now = max((i.time for i in self.history), default=datetime.now(UTC))
        self.by_shopper: dict[str, list[Interaction]] = {}
        for interaction in self.history:
            self.by_shopper.setdefault(interaction.shopper, []).append(interaction)

    def portraits(self) -> dict[str, Portrait]:
        """Shopper -> what ranking knows of them, without what they want forgotten."""
        forgotten: dict[str, set[str]] = {}
        with self._engine.connect() as connection:
            for shopper, name in connection.execute(select(ForgottenRow.shopper_id, ForgottenRow.name)).tuples():
                forgotten.setdefault(shopper, set()).add(name)
        return {
            shopper: portrait(own[-COUNTED:], self.products, frozenset(forgotten.get(shopper, ())))
            for shopper, own in self.by_shopper.items()
        }

    def silent(self, every: timedelta, now: datetime) -> set[str]:
        """Who wants no messages, and who was on a list less than `every` ago."""
        with self._engine.connect() as connection:
            unwilling = connection.scalars(select(ForgottenRow.shopper_id).where(ForgottenRow.name == NO_MESSAGES))
            lately = connection.scalars(select(ContactRow.shopper_id).where(ContactRow.time > now - every))
            return {*unwilling, *lately}


def draft(product: Product, rhythm: Rhythm, explainer: Explainer) -> Draft:
    """What to write about a product: its sentence says nothing that its record does not say."""
    return Draft(rhythm, {language: _text(product, rhythm, language, explainer) for language in LANGUAGES})


def lines(
    shoppers: Shoppers,
    models: Recommenders,
    product: str,
    most: int,
    every: timedelta,
    explainer: Explainer,
    now: datetime,
) -> list[Line]:
    """At most `most` shoppers to write to about a product, first who would like it most.

    Raises `UserError` for a product that the models do not know, or that is sold out.
    """
    there = shoppers.products.get(product)
    if there is None or product not in models.places:
        raise UserError(f"the ranker knows no product {product!r}")
    if there.stock <= 0:
        raise UserError(f"{product!r} is sold out")
    portraits = shoppers.portraits()
    of = {
        s: segment
        for segment in segments(shoppers.history, shoppers.products, shoppers.now, "en")
        for s in segment.shoppers
    }
    silent = shoppers.silent(every, now)
    may = {s for s in of if s not in silent and not s.startswith(VISITOR)}  # visitors are nobody whom the shop knows
    chosen = audience(there, {s: own for s, own in portraits.items() if s in may}, models)[:most]
    drafts = {rhythm: draft(there, rhythm, explainer) for rhythm in {of[p.shopper].rhythm for p in chosen}}
    return [
        Line(p.shopper, of[p.shopper].name, p.liking,
             tuple(reasons(there, portraits[p.shopper], models, shoppers.products, "en")), drafts[of[p.shopper].rhythm])
        for p in chosen
    ]  # fmt: skip


def note_contacts(engine: Engine, product: str, shoppers: Iterable[str], now: datetime) -> None:
    """Write down who is on a list, so that nobody is on the next one too soon."""
    rows = [{"shopper_id": shopper, "product": product, "time": now} for shopper in shoppers]
    if rows:
        with engine.begin() as connection:
            connection.execute(insert(ContactRow), rows)


def table(rows: Sequence[Line], product: str) -> list[dict[str, str]]:
    """The lines as an export has them."""
    return [
        {
            "shopper": line.shopper, "product": product, "segment": line.segment, "liking": f"{line.liking:.3f}",
            "because": "; ".join(line.because), **{f"message_{k}": text for k, text in line.draft.texts.items()},
        }
        for line in rows
    ]  # fmt: skip


def _text(product: Product, rhythm: Rhythm, language: Language, explainer: Explainer) -> str:
    state = DialogueState(language, slots={"category": (kind_of(product, language),)})
    (sentence,) = explainer.stream(state, [Recommendation(product, 0.0)])
    said = sentence.removeprefix("1. ").strip()
    parts = [phrase(f"campaign_{rhythm}", language), said, phrase("campaign_stop", language)]
    return sentences(parts, language)
