"""The next product on a shop of two tastes: who takes things of one kind goes on with that kind."""

import json
import random
from pathlib import Path

import pytest

from assistant.evaluation.next_product import load_attributes, load_behaviour, run, run_losses
from assistant.ranking.sequence import SequenceRecipe
from catalog.errors import UserError

KINDS, EACH = ("tea", "tool"), 12


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """(interactions as lines of sequences, attributes)."""
    rng = random.Random(0)
    lines = []
    for shopper in range(60):
        kind = KINDS[shopper % 2]
        taken = [f"{kind}{n}" for n in rng.sample(range(EACH), 6)]
        lines.append(" ".join([f"s{shopper}", *taken]))
    (tmp_path / "lines.txt").write_text("\n".join(lines))
    (tmp_path / "attributes.json").write_text(json.dumps({f"{k}{n}": [k] for k in KINDS for n in range(EACH)}))
    return tmp_path / "lines.txt", tmp_path / "attributes.json"


def test_our_blend_beats_what_is_popular(files: tuple[Path, Path]) -> None:
    behaviour = load_behaviour(files[0], {})
    content = load_attributes(files[1], behaviour.products)
    recipe = SequenceRecipe(dim=8, layers=1, epochs=2, pretraining_epochs=1, batch=16)
    rows = {row["system"]: row for row in run(behaviour, content, recipe, lambda step: None)}
    assert rows["ours, blend"]["nDCG@10"] > rows["popularity"]["nDCG@10"]
    assert {row["shoppers"] for row in rows.values()} == {60}


def test_the_losses_of_the_content_model_stand_side_by_side(files: tuple[Path, Path]) -> None:
    behaviour = load_behaviour(files[0], {})
    rows = {
        row["system"]: row["nDCG@10"]
        for row in run_losses(behaviour, load_attributes(files[1], behaviour.products), lambda step: None)
    }
    assert list(rows) == ["popularity", "content, cross-entropy", "content, mse", "content, bpr"]
    assert all(value > rows["popularity"] for name, value in rows.items() if name != "popularity")


def test_attributes_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(UserError, match=r"a\.json"):
        load_attributes(tmp_path / "a.json", ["x"])
