"""Text about picks that may only say what the catalog and the ranking say.

The model writes a sentence from a pick's facts; a checker compares every number, brand and
property in it with the record. A sentence that fails is replaced by one made from the facts.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from assistant.aspects import aspect_name
from assistant.llm import LLM, LLMError
from assistant.phrases import listed, money, phrase
from assistant.prompts import render
from assistant.ranking.ranker import BASE
from assistant.ranking.record import folded, record, stands_in
from assistant.state import DialogueState
from assistant.types import Contribution, Pick, Recommendation
from catalog.facets import Vocabulary
from catalog.tracing import tracer
from catalog.types import Language, Product

MAX_TOKENS = 48
MOST_PARTS = 5  # of a score that a shopper is shown
LEAST_PART = 0.05  # of a score that is worth a word
FEWEST_VOICES = 2  # buyers who must say the same before it is told ...
MOST_TOLD = 2  # ... of so many aspects
NEAR = Decimal("0.15")  # share of a price named that a price near it may be off
SHORTEST = 8  # characters; less is no advice
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NUMBER_WORDS = re.compile(r"[零一二三四五六七八九十百千万两]+(?:元|块|折|分|星|年|天|个月|小时)")
_HAN = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True)
class Shop:
    """Words that name something: a sentence may only use those that its product's record has.

    `brands` as the feed writes them; `properties` are attribute values of any product.
    """

    brands: frozenset[str] = frozenset()
    properties: frozenset[str] = frozenset()


class Explainer:
    """Writes about picks. Without a model every sentence is made from the facts; `shop` tells the words as they are now."""

    def __init__(self, llm: LLM | None, shop: Callable[[], Shop]) -> None:
        self._llm = llm
        self._shop = shop

    def stream(self, state: DialogueState, picks: Sequence[Recommendation]) -> Iterator[str]:
        """Numbered sentences, one per pick, each passed on when it has been checked."""
        shop = self._shop()
        for number, recommendation in enumerate(picks, start=1):
            yield f"{number}. {self._sentence(state, recommendation, shop)}\n"

    @tracer.start_as_current_span("sentence")
    def _sentence(self, state: DialogueState, recommendation: Recommendation, shop: Shop) -> str:
        language, product = state.language, recommendation.product
        written = self._written(state, recommendation)
        name = product.text(language).title
        if written and faithful(written, product, state, shop):
            if name in written:
                return written
            return f"{name}: {written}" if language == "en" else f"{name}：{written}"
        return composed(recommendation, language, fits(state))

    def _written(self, state: DialogueState, recommendation: Recommendation) -> str:
        if self._llm is None:
            return ""
        name = "explain" if self._llm.tuned else f"explain_few_shot_{state.language}"
        prompt = render(name, facts=facts(recommendation, state))
        try:
            return self._llm.complete(prompt, max_tokens=MAX_TOKENS, stop=("\n",)).strip()
        except LLMError:
            return ""


def facts(recommendation: Recommendation, state: DialogueState) -> str:
    """What the model is told of a pick: its record in the shopper's language, wishes met, brand known."""
    language, product = state.language, recommendation.product
    text = product.text(language)
    apart = "; " if language == "en" else "；"
    parts = [text.title, *_properties(product, language)]
    line = apart.join(dict.fromkeys(filter(None, parts)))
    evidence = {c.feature: c.evidence for c in recommendation.contributions if c.value > 0 or c.feature == "wishes"}
    if wishes := evidence.get("wishes"):
        line += (". Asked for: " if language == "en" else "。顾客要：") + ", ".join(wishes)
    if brand := evidence.get("brand"):
        line += (". Bought before: " if language == "en" else "。买过：") + brand[0]
    return line


def faithful(sentence: str, product: Product, state: DialogueState, shop: Shop) -> bool:
    """Whether every number, brand and property in the sentence stands in the record.

    A sentence that is too short, in the wrong language, or cut off is not faithful either.
    """
    if len(sentence) < SHORTEST or not sentence.endswith((".", "!", "。", "！")):
        return False
    if (len(_HAN.findall(sentence)) > len(sentence) / 4) != (state.language == "zh"):
        return False
    words = record(product).words
    allowed = {*_NUMBER.findall(words), *_NUMBER.findall(f"{product.price:f} {product.rating}")}
    if not set(_NUMBER.findall(sentence)) <= allowed or _NUMBER_WORDS.search(sentence):
        return False
    said = folded(sentence)
    other_brands = (part for brand in shop.brands for part in brand.split(" ") if len(part) > 1)
    if any(stands_in(part, said) and not stands_in(part, words) for part in other_brands):
        return False
    vocabulary = Vocabulary.load()
    for facet in ("color", "material", "category"):
        named = vocabulary.mentions(facet, sentence)
        if not all(any(stands_in(a, words) for a in vocabulary.aliases(facet, v)) for v in named):
            return False
    return all(stands_in(p, words) for p in shop.properties if stands_in(p, said))


def fits(state: DialogueState) -> str:
    """The name of what is said for a pick where no part of its score has anything to say."""
    return "why_photo" if state.photo else "why_text"


def composed(recommendation: Recommendation, language: Language, otherwise: str = "why_text") -> str:
    """The sentence that the facts alone make."""
    product = recommendation.product
    name = product.text(language).title
    properties = ("、" if language == "zh" else ", ").join(_properties(product, language)[:4])
    reason = why(recommendation, language, otherwise)
    if language == "zh":
        return f"{name}：{'；'.join(filter(None, (properties, reason)))}。"
    return f"{name}: {'; '.join(filter(None, (properties, reason)))}."


def why(recommendation: Recommendation, language: Language, otherwise: str = "why_text") -> str:
    """One line on why this pick, from the contributions that have something to say, or else the phrase `otherwise`."""
    said = [
        line
        for c in recommendation.contributions
        if (c.value > LEAST_PART or c.feature == "wishes") and (line := _reason(c, recommendation, language))
    ]
    return (" · ".join(said[:3])) or phrase(otherwise, language)


def to_pick(recommendation: Recommendation, state: DialogueState) -> Pick:
    """A recommendation as a card shows it."""
    return Pick(recommendation.product, why(recommendation, state.language, fits(state)), parts(recommendation))


def parts(recommendation: Recommendation) -> tuple[tuple[str, float], ...]:
    """The greatest contributions beside the greatest of them, what all picks start from left out."""
    told = [c for c in recommendation.contributions if c.feature != BASE][:MOST_PARTS]
    greatest = max((abs(c.value) for c in told), default=0.0)
    return tuple((c.feature, round(c.value / greatest, 2)) for c in told) if greatest else ()


def about(product: Product, language: Language) -> str:
    """What the record says of a product: properties, price, sizes and stock."""
    sizes = [v.size for v in product.variants if v.stock > 0 and v.size]
    known = [
        *_properties(product, language),
        phrase("fact_price", language, price=money(product.price, product.currency)),
        phrase("fact_sizes", language, sizes=", ".join(sizes)) if sizes else "",
        phrase("fact_stock", language, stock=product.stock) if product.stock else phrase("fact_sold_out", language),
        *buyers_say(product, language),
    ]
    facts_line = ("；" if language == "zh" else "; ").join(filter(None, known))
    return phrase("about", language, name=product.text(language).title, facts=facts_line)


def buyers_say(product: Product, language: Language) -> list[str]:
    """What most buyers praise and what most of them blame, each with how many of how many do."""
    lines = []
    for key_, voices in (("praised", "good"), ("blamed", "bad")):
        told = [
            phrase("voices", language, aspect=aspect_name(o.aspect, language), count=f"{getattr(o, voices):.0f}",
                   of=f"{o.good + o.bad:.0f}")
            for o in product.opinions
            if getattr(o, voices) >= FEWEST_VOICES and getattr(o, voices) > (o.good + o.bad) / 2
        ]  # fmt: skip
        if told:
            lines.append(phrase(key_, language, told=listed(told[:MOST_TOLD], language)))
    return lines


def _reason(part: Contribution, recommendation: Recommendation, language: Language) -> str:
    product, evidence = recommendation.product, part.evidence
    if part.feature == "wishes" and evidence:
        return phrase("why_wishes", language, words=("、" if language == "zh" else ", ").join(evidence))
    if part.feature == "brand" and evidence:
        return phrase("why_brand", language, brand=evidence[0], count=evidence[1])
    if part.feature == "rating" and product.review_count and product.rating >= 4:
        return phrase("why_rating", language, rating=evidence[0], count=evidence[1])
    if part.feature == "opinion" and evidence:
        aspect, good, voices = evidence
        return phrase("why_opinion", language, aspect=aspect_name(aspect, language), good=good, voices=voices)
    if part.feature == "color" and evidence:
        return phrase("why_color", language, words=evidence[0]) if _in(evidence[0], language) else ""
    if part.feature == "history":
        return phrase("why_history", language, name=evidence[0]) if evidence else phrase("why_taste", language)
    if part.feature == "price" and evidence and abs(product.price - (named := Decimal(evidence[0]))) <= NEAR * named:
        return phrase("why_price", language, price=money(named, product.currency))
    return ""


def _in(word: str, language: Language) -> bool:
    return bool(_HAN.search(word)) == (language == "zh")


def _properties(product: Product, language: Language) -> list[str]:
    return list(dict.fromkeys(a.value for a in product.attributes if a.language in ("", language)))
