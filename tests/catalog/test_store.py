"""Schema and store on both databases."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import Engine, inspect, text

from catalog.schema import Base, migrate
from catalog.store import ProductStore, Written
from catalog.types import Interaction, Review
from tests.toy_shop import PRODUCTS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_migrations_make_the_tables_that_the_code_expects(engine: Engine) -> None:
    inspector = inspect(engine)
    for table in Base.metadata.sorted_tables:
        assert {c["name"] for c in inspector.get_columns(table.name)} == {c.name for c in table.columns}


def test_migrations_go_down_and_up_again(engine: Engine) -> None:
    migrate(engine, "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    migrate(engine)
    assert ProductStore(engine).count() == 0


def test_products_come_back_as_they_went_in(engine: Engine) -> None:
    store = ProductStore(engine)
    review = Review("Lin", 5, "Soft and warm.", "en", NOW)
    rich = replace(PRODUCTS[0], reviews=(review,), price=Decimal("88.88"), created=NOW)
    store.upsert([rich, *PRODUCTS[1:]])
    assert store.get("red-scarf", reviews=True) == rich
    assert {p.external_id for p in store.all()} == {p.external_id for p in PRODUCTS}


def test_importing_again_updates_and_does_not_double(engine: Engine) -> None:
    store = ProductStore(engine)
    assert store.upsert(PRODUCTS) == Written(added=len(PRODUCTS))
    assert store.upsert(PRODUCTS) == Written(unchanged=len(PRODUCTS))
    version = store.version()
    dearer = replace(PRODUCTS[0], price=Decimal("99"))
    assert store.upsert([dearer]) == Written(updated=1)
    assert store.version() > version
    found = store.get("red-scarf")
    assert found is not None
    assert found.price == 99
    assert store.count() == len(PRODUCTS)


def test_a_failure_midway_leaves_nothing_behind(engine: Engine) -> None:
    store = ProductStore(engine)

    def broken():  # type: ignore[no-untyped-def]
        yield from PRODUCTS
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="the disk went away"):
        store.upsert(broken())
    assert store.count() == 0


def test_interactions_are_written_once(engine: Engine) -> None:
    store = ProductStore(engine)
    store.upsert(PRODUCTS)
    bought = Interaction("ann", "red-scarf", "purchase", NOW, 2)
    assert store.interact(bought)
    assert store.interact(bought)
    assert not store.interact(replace(bought, product="nowhere"))
    assert store.history("ann") == [bought]
    assert store.history("bob") == []


def test_what_feeds_call_things_is_told_by_attribute_and_language(engine: Engine) -> None:
    store = ProductStore(engine)
    store.upsert(PRODUCTS)
    english, chinese = (store.attribute_values(language, 100) for language in ("en", "zh"))
    assert {"scarf", "jacket"} <= set(english["category"])
    assert chinese["category"] == ["冲锋衣"]
    assert "Lune" in english["brand"]
    assert set(english["feature"]) == {"waterproof", "sugar-free"}
    assert "color" not in chinese
    assert {name: len(store.attribute_values("en", 1).get(name, ())) for name in ("color", "feature")} == {
        "color": 1,
        "feature": 0,
    }


def test_sqlite_runs_with_log_and_foreign_keys(store: ProductStore) -> None:
    with store.engine.connect() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
