"""Whom the sample shop may write to: its own shoppers, with its own trained models."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from assistant.build import open_store, ranker_path
from assistant.cli import app
from assistant.explain import Explainer, Shop
from assistant.marketing.campaign import Line, Shoppers, draft, lines, note_contacts
from assistant.memory import NO_MESSAGES, Memory
from assistant.ranking.recommenders import Recommenders, load
from assistant.settings import Settings
from assistant.store import ConversationStore
from catalog.errors import UserError
from catalog.schema import ContactRow
from catalog.store import ProductStore
from catalog.types import Interaction
from tests.fakes import ScriptedLLM

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MONTH = timedelta(days=30)


@pytest.fixture
def store(data_dir: Path) -> Iterator[ProductStore]:
    found = open_store(Settings(data_dir=data_dir))
    yield found
    found.engine.dispose()


@pytest.fixture(scope="module")
def models() -> Recommenders:
    folder = ranker_path(Settings())
    assert folder is not None
    return load(folder)[0]


def told(store: ProductStore, models: Recommenders, now: datetime = NOW, most: int = 20) -> list[Line]:
    return lines(Shoppers(store), models, "scarf-03", most, MONTH, Explainer(None, Shop), now)


def test_who_would_like_it_most_comes_first_with_reasons(store: ProductStore, models: Recommenders) -> None:
    found = told(store, models)
    assert [line.liking for line in found] == sorted((line.liking for line in found), reverse=True)
    assert found[0].liking > 0.9
    assert all(line.because for line in found[:5])
    have = {i.shopper for i in store.histories() if i.kind == "purchase" and i.product == "scarf-03"}
    assert not have & {line.shopper for line in found}


def test_nobody_is_written_to_who_does_not_want_it(store: ProductStore, models: Recommenders) -> None:
    first = told(store, models)[0].shopper
    memory = Memory(store, ConversationStore(store.engine))
    assert [k for k in memory.known(first, "en") if k.name == NO_MESSAGES]
    memory.forget(first, NO_MESSAGES)
    assert not [k for k in memory.known(first, "en") if k.name == NO_MESSAGES]
    assert first not in {line.shopper for line in told(store, models, most=1_000)}


def test_nobody_is_on_a_list_too_often(store: ProductStore, models: Recommenders) -> None:
    first = {line.shopper for line in told(store, models)}
    note_contacts(store.engine, "scarf-03", first, NOW)
    assert not first & {line.shopper for line in told(store, models, NOW + timedelta(days=29), 1_000)}
    assert first <= {line.shopper for line in told(store, models, NOW + timedelta(days=31), 1_000)}


def test_visitors_whom_nobody_knows_are_on_no_list(store: ProductStore, models: Recommenders) -> None:
    for day in range(3):
        for product in ("scarf-01", "scarf-02", "scarf-04"):
            store.interact(Interaction("web-abc", product, "purchase", NOW - timedelta(days=day)))
    assert "web-abc" not in {line.shopper for line in told(store, models, most=1_000)}


def test_a_draft_says_what_the_record_says_and_how_to_have_no_more(store: ProductStore) -> None:
    product = store.by_external_id(["scarf-03"])["scarf-03"]
    lies = ScriptedLLM("It costs 1 yuan today only!", "今天只要一元，全网最低！")
    found = draft(product, "lapsing", Explainer(lies, Shop))
    for language, stop in (("en", "forget"), ("zh", "忘掉")):
        text = found.texts["en" if language == "en" else "zh"]
        assert product.text("en" if language == "en" else "zh").title in text
        assert stop in text
        assert "1 yuan" not in text
        assert "一元" not in text


def test_what_is_sold_out_or_unknown_is_named(store: ProductStore, models: Recommenders) -> None:
    with pytest.raises(UserError, match="no product 'nothing'"):
        lines(Shoppers(store), models, "nothing", 5, MONTH, Explainer(None, Shop), NOW)
    store.set_stock("scarf-03", 0)
    with pytest.raises(UserError, match="sold out"):
        told(store, models)


def test_a_list_is_exported_and_nothing_is_sent(
    store: ProductStore, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAOGOU_DATA_DIR", str(data_dir))
    monkeypatch.setenv("DAOGOU_EXPLAIN", "false")
    out = tmp_path / "campaign.csv"
    command = ["marketing", "export", "scarf-03", "--out", str(out), "--most", "7"]
    assert CliRunner().invoke(app, command).exit_code == 0
    with out.open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7
    assert set(rows[0]) == {"shopper", "product", "segment", "liking", "because", "message_en", "message_zh"}
    with store.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(ContactRow)) == 7
    assert CliRunner().invoke(app, command).exit_code != 0  # it is there already
