"""Everything that the adapter is trained on: prompts as serving renders them, and the answers wanted."""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from assistant.attributes import ATTRIBUTES, attributes_prompt
from assistant.brief import brief_prompt
from assistant.frame import ENTITIES, readable, write_frame
from assistant.labels import Label
from assistant.parser import SchemaLine, active_line, tuned_prompt
from assistant.prompts import render
from assistant.schema import AttributeSchema
from assistant.training.departments import invented, schema_of
from assistant.training.draft import Turn
from assistant.training.lexicon import Lexicon, load_lexicon
from assistant.training.open_data import Utterance, reviews, utterances
from assistant.training.texts import brief, caption, review
from assistant.training.turns import write_goods, write_turns
from catalog.types import LANGUAGES, Language

Task = Literal["parse", "explain", "review", "brief", "attributes"]
TEXT_TASKS = ("explain", "brief")  # written freely; the others are decoded under a schema
TURNS_OF_SHOP = 120  # with the same schema
LABEL_PASSES = 6  # times that a label by hand is seen in an epoch: there are few beside what is written
_LONGEST_REVIEW = 400  # characters
_POLARITY, _MOOD = '{"polarity":"', '{"mood":'
_ASKS = ("多少钱", "怎么样", "好吗", "什么牌子好")


@dataclass(frozen=True)
class Example:
    """One prompt with its answer, which stops early where the labels do.

    `given` is how an answer begins that is one label and nothing else: the schema leaves no choice there, and
    nothing is to be learned.
    """

    task: Task
    prompt: str
    answer: str
    given: str = ""


@dataclass(frozen=True)
class Amounts:
    """How many examples of each kind a recipe takes; those of a corpus only if it is there."""

    turns: int = 70_000
    captions: int = 3_000
    reviews: int = 3_000
    briefs: int = 1_500
    goods: int = 8_000
    shop_turns: int = 14_000  # told with what a shop's records call things
    corpus_reviews: int = 17_000
    corpus_moods: int = 1_200
    corpus_passes: int = 5  # times that each labelled utterance is seen in an epoch

    def scaled(self, share: float) -> "Amounts":
        """A share of everything; a corpus is passed once at least, and more often than in the whole recipe never."""
        amounts = {name: round(count * share) for name, count in asdict(self).items()}
        return Amounts(**amounts | {"corpus_passes": min(max(1, amounts["corpus_passes"]), self.corpus_passes)})


def training_examples(
    amounts: Amounts,
    seed: int,
    lexicons: Mapping[Language, Lexicon],
    data: Path | None,
    own: Sequence[Example] = (),
) -> list[Example]:
    """The training set, shuffled: written turns and texts, what lies in `data`, and the shop's `own`."""
    rng = random.Random(seed)
    turns = write_turns(amounts.turns, seed, lexicons)
    found = [parse_example(turn) for turn in turns]
    found += _in_shops(amounts.shop_turns, seed, lexicons)
    for language in LANGUAGES:
        lexicon = lexicons.get(language) or load_lexicon(language)
        found += [_caption(lexicon, rng) for _ in range(amounts.captions // 2)]
        found += [_review(language, rng) for _ in range(amounts.reviews // 2)]
        found += _briefs([t for t in turns if t.language == language], amounts.briefs // 2, rng)
    found += [_goods(product) for product in write_goods(amounts.goods, seed)]
    if data is not None:
        found += _labelled(utterances(data, "train"), amounts.corpus_passes)
        found += _judged(reviews(data)[0], amounts, rng)
    found += own
    rng.shuffle(found)
    return found


def label_examples(labels: Sequence[Label], sure: Sequence[Label], schema: SchemaLine) -> list[Example]:
    """A shop's messages as its parser puts them to the model: labels many times, what a model was sure of itself once."""
    return [
        Example("parse", tuned_prompt(one.text, one.active, schema(one.text)), write_frame(one.frame))
        for one in (*sure, *LABEL_PASSES * list(labels))
    ]


def parse_example(turn: Turn, schema: AttributeSchema | None = None) -> Example:
    """A turn as the parser puts it to the model, with what a shop's schema has for it."""
    active = active_line(turn.slots, turn.exclude, dict.fromkeys(turn.known))
    shop = schema.line(turn.text) if schema is not None else ""
    return Example("parse", tuned_prompt(turn.text, active, shop), write_frame(turn.frame))


def _in_shops(count: int, seed: int, lexicons: Mapping[Language, Lexicon]) -> Iterable[Example]:
    """Turns in shops whose schema is told, every other one of departments that no shop has."""
    rng = random.Random(seed)
    for shop in range(count // TURNS_OF_SHOP):
        known = {language: lexicons.get(language) or load_lexicon(language) for language in LANGUAGES}
        sold = {language: invented(own, rng) if shop % 2 else own for language, own in known.items()}
        schemas = {language: schema_of(own, rng) for language, own in sold.items()}
        for turn in write_turns(TURNS_OF_SHOP, rng.randrange(10**9), sold):
            yield parse_example(turn, schemas[turn.language])


def _caption(lexicon: Lexicon, rng: random.Random) -> Example:
    facts, sentence = caption(lexicon, rng)
    return Example("explain", render("explain", facts=facts), sentence)


def _review(language: Language, rng: random.Random) -> Example:
    text, reading = review(language, rng)
    return Example("review", render("review", review=readable(text)), _json({k: v for k, v in reading.items() if v}))


def _goods(product: Turn) -> Example:
    slots = product.frame["slots"]
    found = {name: said if isinstance(said := slots[name], list) else [said] for name in ATTRIBUTES if name in slots}
    return Example("attributes", attributes_prompt(product.text), _json(found))


def _briefs(turns: Sequence[Turn], count: int, rng: random.Random) -> Iterable[Example]:
    firsts = [t for t in turns if t.frame["intent"] in ("find", "recommend") and not t.slots]
    for _ in range(count):
        told = [rng.choice(firsts), *rng.sample(turns, rng.choice((0, 1, 2, 3)))]
        conversation, lines = brief(told, rng)
        yield Example("brief", brief_prompt(conversation), lines)


def _labelled(lines: Sequence[Utterance], passes: int) -> Iterable[Example]:
    """Utterances as entities, and as whole frames where their labels leave nothing out."""
    for line in list(lines) * passes:
        message, slots = readable(line.text), line.slots()
        if not message:
            continue
        yield entities_example(line)
        if slots and line.complete():
            intent = "ask" if any(a in message for a in _ASKS) else "find"
            yield Example("parse", tuned_prompt(message, "nothing"), write_frame({"slots": slots, "intent": intent}))


def entities_example(line: Utterance) -> Example:
    """An utterance whose entities are labelled, and nothing else."""
    slots = line.slots()
    answer = _json({name: slots[name] for name in ENTITIES if name in slots})
    return Example("parse", render("entities", message=readable(line.text)), answer)


def _judged(labelled: Sequence[tuple[str, str]], amounts: Amounts, rng: random.Random) -> Iterable[Example]:
    """Reviews of which only the polarity is known; the answer stops behind it."""
    whole = [(text, p) for t, p in labelled if len(t) <= _LONGEST_REVIEW and (text := readable(t))]
    chosen = rng.sample(whole, min(amounts.corpus_reviews, len(whole)))
    for text, polarity in chosen:
        yield Example("review", render("review", review=text), _POLARITY + polarity, given=_POLARITY)
    for text, polarity in chosen[: amounts.corpus_moods]:
        mood = 2 if polarity == "positive" else -2
        yield Example("parse", tuned_prompt(text, "nothing"), f"{_MOOD}{mood}", given=_MOOD)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
