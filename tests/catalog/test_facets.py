import pytest

from catalog.facets import FacetIndex, Vocabulary, facet_values
from tests.toy_shop import PRODUCTS, product

VOCABULARY = Vocabulary.load()


def index(**values: set[str]) -> FacetIndex:
    return FacetIndex({f: frozenset(v) for f, v in values.items()}, VOCABULARY, lambda word, known: ())


@pytest.mark.parametrize(
    ("word", "value"), [("红色", "red"), ("Crimson", "red"), ("紅色", "red"), ("grey", "grey"), ("gray", "grey")]
)
def test_words_have_a_canonical_value(word: str, value: str) -> None:
    assert VOCABULARY.canonical("color", word) == value


def test_a_narrow_value_counts_as_the_broader_one() -> None:
    assert {("color", "navy"), ("color", "blue")} <= facet_values(PRODUCTS[2], VOCABULARY)


def test_longest_words_are_read_first() -> None:
    assert VOCABULARY.mentions("material", "vegan leather tote") == ("faux leather",)


def test_colour_comes_from_the_title_where_the_feed_has_none() -> None:
    bare = product("x", "Crimson silk throw", "10", "throw")
    assert ("color", "red") in facet_values(bare, VOCABULARY)
    assert ("material", "silk") in facet_values(bare, VOCABULARY)


def test_resolving_a_category() -> None:
    shop = index(category={"shoes", "running shoes", "sofa", "跑鞋"})
    assert shop.resolve("category", "shoe") == {"shoes"}
    assert shop.resolve("category", "trail running shoes") == {"running shoes"}
    assert shop.resolve("category", "鞋") == {"跑鞋"}
    assert shop.resolve("category", "kayak") == frozenset()


def test_resolving_compound_colours() -> None:
    shop = index(color={"green", "blue"})
    assert shop.resolve("color", "forest green") == {"green"}
    assert shop.resolve("color", "孔雀蓝") == {"blue"}
    assert shop.resolve("color", "plaid") == frozenset()


def test_brands_forgive_one_typing_error() -> None:
    shop = index(brand={"northfell", "velora"})
    assert shop.resolve("brand", "Northfel") == {"northfell"}
    assert shop.resolve("brand", "Nike") == frozenset()


def test_an_unknown_facet_is_named() -> None:
    with pytest.raises(ValueError, match="'smell' is not one of"):
        index().resolve("smell", "nice")
