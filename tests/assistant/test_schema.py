"""What a message is told of the shop's schema."""

from hypothesis import given
from hypothesis import strategies as st

from assistant.schema import LONGEST, MOST_VALUES, AttributeSchema, ShopSchema
from catalog.types import Language

PARTS = AttributeSchema.of({
    "category": ["brake pads", "wiper blades", "tow hitch"],
    "position": ["front", "rear"],
    "viscosity": ["75W-90"],
    "fits": ["for suvs"],
    "类型": ["雨刮器", "刹车片"],
})  # fmt: skip


def test_values_that_share_words_with_the_message_are_told_the_nearest_first() -> None:
    assert PARTS.line("Front brake pads?") == "category brake pads; position front"
    assert PARTS.line("a tow bar") == "category tow hitch"


def test_many_and_one_are_the_same_word() -> None:
    assert PARTS.line("one wiper blade, SUV") == "category wiper blades; fits for suvs"


def test_codes_are_found_in_any_case() -> None:
    assert PARTS.line("got 75w-90 ?") == "viscosity 75W-90"


def test_chinese_is_compared_by_pairs_of_characters() -> None:
    assert PARTS.line("有没有雨刮") == "类型 雨刮器"
    assert PARTS.line("雨天用的") == ""


def test_words_that_say_nothing_find_nothing() -> None:
    assert PARTS.line("something for my mother") == ""


def test_text_is_no_value() -> None:
    assert AttributeSchema.of({"about": ["x" * (LONGEST + 1), "red, green", "a; b", " "]}).values == ()


def test_no_more_is_told_than_a_model_reads_at_a_glance() -> None:
    many = AttributeSchema.of({"kind": [f"lamp {n}" for n in range(100)]})
    assert many.line("a lamp").count("lamp") == MOST_VALUES


def test_a_message_is_told_the_words_of_its_language() -> None:
    shop = ShopSchema(Catalog({"en": {"category": ["lamp"]}, "zh": {"类型": ["台灯"]}}))
    assert shop.line("a lamp") == "category lamp"
    assert shop.line("要台灯") == "类型 台灯"


def test_what_is_imported_while_the_shop_serves_is_told() -> None:
    catalog = Catalog({"en": {"category": ["lamp"]}, "zh": {}})
    shop = ShopSchema(catalog)
    catalog.write({"en": {"category": ["lamp", "teapot"]}, "zh": {"类型": ["茶壶"]}})
    assert shop.line("a teapot") == "category teapot"
    assert shop.line("要茶壶") == "类型 茶壶"
    assert catalog.read == 4


class Catalog:
    """A catalog that counts how often it was read."""

    def __init__(self, values: dict[Language, dict[str, list[str]]]) -> None:
        self._values, self._version, self.read = values, 1, 0

    def write(self, values: dict[Language, dict[str, list[str]]]) -> None:
        self._values, self._version = values, self._version + 1

    def version(self) -> int:
        return self._version

    def attribute_values(self, language: Language, limit: int) -> dict[str, list[str]]:
        self.read += 1
        return self._values[language]


@given(
    st.dictionaries(st.text(max_size=12), st.lists(st.text(max_size=60), max_size=5), max_size=5), st.text(max_size=80)
)
def test_whatever_records_and_messages_say_the_line_is_one_line(attributes: dict[str, list[str]], message: str) -> None:
    line = AttributeSchema.of(attributes).line(message)
    assert "\n" not in line
    assert line.isprintable() or not line.isascii()
