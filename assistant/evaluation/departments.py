"""Does a department that no training has seen work? Its messages alone -> with what its feed calls things in the prompt.

The department is `garage.yaml`: a feed is made of it, with properties by names of its own, and turns of phrasings that
training never saw. "Front brake pads, low dust" is right if `brake pads` is the kind and both others are wishes.
"""

import random
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from assistant.evaluation.parser import Progress, evaluate, llm_system, rows
from assistant.llm import LLM
from assistant.parser import Parser, tuned_prompt
from assistant.schema import ShopSchema
from assistant.training.draft import Turn
from assistant.training.lexicon import Department, Lexicon, load_lexicon
from assistant.training.turns import write_turns
from catalog.schema import open_database
from catalog.store import ProductStore
from catalog.tables import load_table
from catalog.types import LANGUAGES, Attribute, Language, Product, ProductText

SEED = 3_000_017
EACH = 8  # products of a kind
MOST = 3  # properties of a product


def run(llm: LLM, count: int, folder: Path, progress: Progress) -> list[dict[str, Any]]:
    """A row for each language and way; the shop of the department is made in `folder`."""
    store, turns = garage_shop(folder), garage_turns(count)
    systems = [
        llm_system("message alone", Parser(llm, tuned_prompt)),
        llm_system("with the schema", Parser(llm, tuned_prompt, ShopSchema(store).line)),
    ]
    told = ("language", "system", "turns", "intent_accuracy", "slot_f1", "exclude_f1", "frame_exact", "seconds_p50")
    return [{name: row[name] for name in told} for row in rows(evaluate(systems, turns, progress))]


def garage_shop(folder: Path) -> ProductStore:
    """A shop of the department alone."""
    store = ProductStore(open_database(f"sqlite:///{folder}/garage.db"))
    store.upsert(garage())
    return store


def garage_turns(count: int) -> list[Turn]:
    """What its shoppers say, in phrasings that no training has seen."""
    return write_turns(count, SEED, {language: garage_lexicon(language) for language in LANGUAGES}, held_out=True)


def garage() -> list[Product]:
    """The products of the department."""
    rng = random.Random(SEED)
    return [_product(kind, number, rng) for kind in _told()["kinds"] for number in range(EACH)]


def garage_lexicon(language: Language) -> Lexicon:
    """What shoppers of the department say: its own words, and what all departments share."""
    told, at = _told(), LANGUAGES.index(language)
    properties = {name: [pair[at] for pair in values] for name, values in told["attributes"].items()}
    words = {
        "category": [kind["name"][at] for kind in told["kinds"]],
        "brand": [pair[at] for pair in told["brands"]],
        "material": properties.pop("material"),
        "feature": [value for values in properties.values() for value in values],
    }
    return replace(load_lexicon(language), departments=[Department("garage", words, (20, 2_500))])


def _product(kind: Mapping[str, Any], number: int, rng: random.Random) -> Product:
    told = _told()
    named = rng.sample(kind["has"], min(MOST, len(kind["has"])))
    pairs = [(name, rng.choice(told["attributes"][name])) for name in named]
    brand = rng.choice(told["brands"])
    texts: dict[str, ProductText] = {
        language: ProductText(
            _title([brand[at], *(pair[at] for _, pair in pairs), kind["name"][at]], language),
            category=(told["department"][at], kind["name"][at]),
        )
        for at, language in enumerate(LANGUAGES)
    }
    attributes = [Attribute(name, pair[at], language) for name, pair in pairs for at, language in enumerate(LANGUAGES)]
    price = Decimal(rng.randint(*kind["price"]))
    return Product(
        f"{kind['name'][0].replace(' ', '-')}-{number}",
        price,
        "CNY",
        texts,
        " ".join(brand),
        tuple(attributes),
        stock=9,
    )


def _title(words: list[str], language: Language) -> str:
    return (" " if language == "en" else "").join(words)


def _told() -> Any:
    return load_table("garage.yaml", "assistant.evaluation")
