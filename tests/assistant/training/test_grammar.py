import random

import pytest

from assistant.training.grammar import load_grammar, parse_grammar
from assistant.types import INTENTS
from catalog.types import LANGUAGES, Language


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(ValueError, match="no section defines wnat"):
        parse_grammar(["[find]", "<wnat> {category}"])


def test_a_sign_is_not_a_rule() -> None:
    assert parse_grammar(["[price]", "< {price_max}"])["price"][0].pieces == ("< ", "{price_max}")


def test_equal_lines_are_on_one_side_of_the_split() -> None:
    lines = parse_grammar(["[a]", *["x {color}"] * 5, *[f"line {n}" for n in range(100)]])["a"]
    assert len({line.held_out for line in lines[:5]}) == 1
    assert 4 <= sum(line.held_out for line in lines[5:]) <= 30


def test_a_section_keeps_a_line_to_train_on() -> None:
    for number in range(50):
        assert not parse_grammar(["[a]", f"only line {number}"])["a"][0].held_out


def test_held_out_lines_are_not_chosen_for_training() -> None:
    grammar = load_grammar("en")
    rng = random.Random(1)
    assert not any(grammar.choose("find", rng, held_out=False).held_out for _ in range(500))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_phrasings_are_sound(language: Language) -> None:
    rules = load_grammar(language).rules
    assert set(INTENTS) <= set(rules)
    assert sum(len(lines) for lines in rules.values()) > 1_000
    for lines in rules.values():
        for line in lines:
            text = "".join(line.pieces)
            for name, value in line.effects.items():
                assert name in ("mood", "sort", "drop", "intent", "items") or name.startswith("slots."), line.key
                if name.startswith("slots."):
                    assert value in text, line.key
                    text = text.replace(value, "\0", 1)
