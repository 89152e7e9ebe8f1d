"""Texts of products are read with what the model is sure of."""

import pytest

from assistant.attributes import AttributeReader, attributes_schema, read_attributes
from assistant.build import open_attribute_reader
from assistant.llm import LLMError
from assistant.llm.protocol import Piece
from assistant.settings import Settings
from tests.fakes import ScriptedLLM


def test_a_value_is_as_sure_as_the_pieces_that_lead_to_it() -> None:
    pieces = [
        Piece('{"', 1.0), Piece("color", 0.8), Piece('":["', 1.0), Piece("navy", 0.5), Piece(" blue", 0.5),
        Piece('","', 0.9), Piece("red", 1.0), Piece('"],"', 0.5), Piece("style", 1.0), Piece('":["retro', 0.5), Piece('"]}', 0.1),
    ]  # fmt: skip
    said = read_attributes(ScriptedLLM(pieces), "Navy blue or red, retro.")
    assert [(s.name, s.span) for s in said] == [("color", "navy blue"), ("color", "red"), ("style", "retro")]
    assert [s.confidence for s in said] == pytest.approx([0.8 * 0.5 * 0.5 * 0.9, 0.5, 0.5 * 0.1])


def test_what_cannot_be_read_is_nothing_and_what_says_nothing_is_empty() -> None:
    assert AttributeReader(ScriptedLLM(LLMError("away")), "x").read("A scarf.") is None
    assert AttributeReader(ScriptedLLM({}), "x").read("A scarf.") == ()
    assert attributes_schema("")["$defs"]["span"]["enum"] == [""]


def test_values_are_spans_of_the_text() -> None:
    assert {"red", "red scarf"} <= set(attributes_schema("A red scarf")["$defs"]["span"]["enum"])


@pytest.fixture(scope="module")
def reader() -> AttributeReader:
    return open_attribute_reader(Settings())


@pytest.mark.model
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Navy wool scarf. A soft, warm scarf for winter.", {("color", "Navy"), ("material", "wool")}),
        (
            "红色纯棉连衣裙。特点：透气、修身。适合通勤。",
            {("color", "红色"), ("material", "纯棉"), ("feature", "透气")},
        ),
    ],
)
def test_the_shipped_adapter_reads_texts(reader: AttributeReader, text: str, wanted: set[tuple[str, str]]) -> None:
    said = reader.read(text)
    assert said
    assert wanted <= {(s.name, s.span) for s in said}
    assert all(s.span in text and 0 < s.confidence <= 1 for s in said)
