import gzip
from pathlib import Path

from assistant.training.open_data import Utterance, reviews, utterances


def write_lines(path: Path, *sentences: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join("\n".join(pair.replace("/", "\t") for pair in s.split()) for s in sentences), "utf-8")


def test_tags_become_entities(tmp_path: Path) -> None:
    write_lines(tmp_path / "ec-ner-zh" / "train", "买/O 海/B-pp 蓝/I-pp 鞋/B-cp", "好/O")
    first, second = utterances(tmp_path, "train")
    assert first == Utterance("买海蓝鞋", (("brand", "海蓝"), ("category", "鞋")))
    assert second.entities == ()


def test_a_line_is_complete_if_labels_and_fillers_are_all_of_it() -> None:
    assert Utterance("我要买鞋", (("category", "鞋"),)).complete()
    assert not Utterance("我要买红鞋", (("category", "鞋"),)).complete()


def test_entities_become_slots_of_at_most_three_words() -> None:
    line = Utterance("帽子鞋子袜子手套", tuple(("category", w) for w in ("帽子", "鞋子", "袜子", "手套")))
    assert line.slots() == {"category": ["帽子", "鞋子", "袜子"]}


def test_a_review_is_always_on_the_same_side(tmp_path: Path) -> None:
    (tmp_path / "zh-reviews").mkdir()
    for name, word in (("pos", "好"), ("neg", "差")):
        with gzip.open(tmp_path / "zh-reviews" / f"{name}.txt.gz", "wt", encoding="utf-8") as file:
            file.write("\n".join(f"{word}{n}" for n in [*range(200), *range(50)]))
    train, test = reviews(tmp_path)
    assert len(train) + len(test) == 400
    assert 5 <= len(test) <= 50
    assert reviews(tmp_path) == (train, test)
