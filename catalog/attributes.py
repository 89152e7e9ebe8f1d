"""Attributes out of titles and descriptions, for feeds that name few of them.

A reader says which words of a text are attributes, and how sure it is of each. What the feed names itself counts more:
it is kept, and where a text says something else, that is a conflict for the shop to look at. The feed also shows what
there is in a department: a text adds no attribute that the feed never names there, and a value that the feed spells in
its own way is spelt so.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from sqlalchemy import Engine, select

from catalog.facets import Vocabulary, is_chinese, key
from catalog.jobs import WHOLE, Part, Progress, in_batches
from catalog.schema import ExtractionRow, insert_of
from catalog.store import ProductStore, batches
from catalog.types import Attribute, Product, ProductText, Said

BATCH = 20  # texts read at once; a run that is killed loses no more
# Confidence from which a value is taken: where the feed names nothing of the kind, where it names the very value of
# another product, and where it names others only.
LEAST, LEAST_KNOWN, LEAST_NEW = 0.5, 0.3, 0.9
KIND = "category"  # read for the reader's sake: what a product is, its feed says


class TextReader(Protocol):
    """Reads a product's text; what it says is kept by the reader's name."""

    name: str

    def read(self, text: str) -> tuple[Said, ...] | None:
        """The attributes that the text says; nothing where that cannot be told, and the next run tries again."""
        ...


@dataclass(frozen=True, slots=True)
class Conflict:
    """Where a text says other than the feed, which wins."""

    product: str
    name: str
    feed: tuple[str, ...]
    text: Said


@dataclass(frozen=True)
class Schema:
    """What the feed names in each department: `values[department][name][key]` is a value as the feed spells it.

    `single` holds the (department, name) of which no product has two values in one language.
    """

    values: Mapping[str, Mapping[str, Mapping[str, str]]]
    single: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, products: Iterable[Product]) -> "Schema":
        """The schema of a catalog."""
        values: defaultdict[str, defaultdict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
        several: set[tuple[str, str]] = set()
        for product, language in ((p, language) for p in products for language in p.texts):
            own: set[str] = set()
            for attribute in (a for a in product.named if a.language in ("", language)):
                place = department(product, language)
                values[place][attribute.name].setdefault(key(attribute.value), attribute.value)
                if attribute.name in own:
                    several.add((place, attribute.name))
                own.add(attribute.name)
        return cls(values, frozenset((d, n) for d in values for n in values[d]) - several)

    def allows(self, place: str, name: str) -> bool:
        """Whether a department has an attribute; one of which the feed names none has them all."""
        return name != KIND and (name in self.values[place] if self.values.get(place) else True)

    def least(self, place: str, name: str, span: str) -> float:
        """The confidence from which a span is taken for a value."""
        known = self.values.get(place, {}).get(name, {})
        return LEAST if not known else LEAST_KNOWN if key(span) in known else LEAST_NEW

    def spelt(self, place: str, name: str, span: str) -> str:
        """The feed's spelling of a value, or the words of the text."""
        return self.values.get(place, {}).get(name, {}).get(key(span), span)


def department(product: Product, language: str) -> str:
    """The widest kind that a product is of."""
    return next(iter(product.text(language).category), "")


def product_text(text: ProductText) -> str:
    """What is read of a product in one language: the title as a sentence, and the description."""
    if not text.title or text.title[-1] in ".!?。！？":
        return f"{text.title} {text.description}".strip()
    return f"{text.title}。{text.description}" if is_chinese(text.title[-1]) else f"{text.title}. {text.description}"


def text_hash(text: str) -> str:
    """The key that a reading is kept under."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_texts(
    store: ProductStore, reader: TextReader, progress: Progress = lambda done, of: None, part: Part = WHOLE
) -> int:
    """Have every text read that the reader has not read yet; how many there were.

    What was read before a run was killed is not read again. Of several processes each does its `part`.
    """

    def read(batch: Sequence[tuple[str, str]]) -> None:
        _keep(store.engine, reader.name, {d: said for d, t in batch if (said := reader.read(t)) is not None})

    known = said_by(store.engine, reader.name).keys()
    texts = {text_hash(t): t for p in store.all() for t in map(product_text, p.texts.values()) if t}
    waiting = [item for item in sorted(texts.items()) if item[0] not in known]
    return in_batches(waiting, BATCH, read, progress, part)


def _keep(engine: Engine, reader: str, found: Mapping[str, Sequence[Said]]) -> None:
    rows = [
        {"reader": reader, "text_hash": d, "said": [[s.name, s.span, round(s.confidence, 3)] for s in said]}
        for d, said in found.items()
    ]
    if rows:
        with engine.begin() as connection:
            connection.execute(insert_of(engine)(ExtractionRow).on_conflict_do_nothing(), rows)


def said_by(engine: Engine, reader: str) -> dict[str, tuple[Said, ...]]:
    """Everything that a reader has read, by the hash of the text."""
    statement = select(ExtractionRow.text_hash, ExtractionRow.said).where(ExtractionRow.reader == reader)
    with engine.connect() as connection:
        return {digest: tuple(Said(*one) for one in said) for digest, said in connection.execute(statement)}


def merge(
    store: ProductStore, said: Mapping[str, Sequence[Said]], more: Mapping[str, Sequence[Attribute]]
) -> tuple[int, list[Conflict]]:
    """Write what texts say, and `more` that was found by product, beside what the feed names.

    Returns how many products it changed and where texts and feed differ.
    """
    schema, changed, conflicts = Schema.of(store.all()), 0, list[Conflict]()
    for page in batches(store.all()):
        found: dict[str, tuple[Attribute, ...]] = {}
        for product in page:
            own, against = found_in(product, said, schema)
            taken = {(a.name, a.language) for a in own}
            found[product.external_id] = (
                *own,
                *(a for a in more.get(product.external_id, ()) if (a.name, a.language) not in taken),
            )
            conflicts += against
        changed += store.set_found(found)
    return changed, conflicts


def found_in(
    product: Product, said: Mapping[str, Sequence[Said]], schema: Schema
) -> tuple[tuple[Attribute, ...], list[Conflict]]:
    """The attributes that a product's texts add to its feed's, and where they differ from it."""
    added: dict[tuple[str, str, str], Attribute] = {}
    conflicts: list[Conflict] = []
    for language, text in product.texts.items():
        place = department(product, language)
        for one in said.get(text_hash(product_text(text)), ()):
            if not schema.allows(place, one.name) or one.confidence < schema.least(place, one.name, one.span):
                continue
            feed = product.named_values(one.name, language)
            if not feed and not any(a.name == one.name for a in product.named):
                value = schema.spelt(place, one.name, one.span)
                found = Attribute(one.name, value, language, one.span, one.confidence)
                added.setdefault((one.name, language, key(value)), found)
            elif feed and (place, one.name) in schema.single and not same(one.name, one.span, feed):
                conflicts.append(Conflict(product.external_id, one.name, feed, one))
    return tuple(added.values()), conflicts


def same(name: str, span: str, values: Sequence[str]) -> bool:
    """Whether a span means one of the values: equal words, or words of one meaning in the vocabulary."""
    vocabulary = Vocabulary.load()

    def names(word: str) -> set[str]:
        return {key(v) for v in vocabulary.with_broader(vocabulary.canonical(name, word))}

    return bool(names(span) & set(chain.from_iterable(map(names, values))))
