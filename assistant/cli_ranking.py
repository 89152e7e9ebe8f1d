"""Commands about picks that know the shopper: tuning and measuring."""

from contextlib import contextmanager
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli_models import bench_app, evaluate_app, train_app
from assistant.console import Json, note, out, print_columns, print_rows, spinner

if TYPE_CHECKING:
    from assistant.settings import Settings
    from assistant.training.ranker import Data
    from catalog.search import Search

Columns = Annotated[list[str] | None, typer.Option("--map", help="field=column, repeatable.", metavar="FIELD=COLUMN")]
Orders = Annotated[Path | None, typer.Option(help="Order lines with item texts and prices; the shop's own by default.")]


@train_app.command("ranker")
def train_ranker(
    destination: Annotated[
        Path | None, typer.Option("--out", help="Folder of the ranker; the shop uses the one in its data directory.")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Most passes of the sequence model.")] = 30,
    most_lists: Annotated[int, typer.Option(help="Most purchases that the trees learn from.")] = 6_000,
    seed: Annotated[int, typer.Option(help="Of requests, order and weights.")] = 7,
    as_json: Json = False,
) -> None:
    """Learn from what was bought here how to rank for each shopper.

    Example: daogou train ranker
    """
    from dataclasses import replace

    from assistant.build import open_search, open_store
    from assistant.training.ranker import RankerRecipe, load_data
    from assistant.training.ranker import train_ranker as train

    settings = _settings()
    recipe = RankerRecipe(most_lists=most_lists, seed=seed)
    recipe = replace(recipe, sequence=replace(recipe.sequence, epochs=epochs, seed=seed))
    store = open_store(settings)
    folder = destination or settings.data_dir / "ranker"
    data = load_data(store, settings.embedding_model)
    facts = train(data, open_search(settings, store), folder, recipe, note)
    shown = {k: v for k, v in facts.items() if k not in ("recipe", "curve")}
    print_rows([{**shown, "folder": str(folder)}], as_json)


@evaluate_app.command("ranking")
def evaluate_ranking(
    interactions: Annotated[Path, typer.Option(help="Table of shopper, product and time, or lines of sequences.")],
    attributes: Annotated[Path | None, typer.Option(help="JSON or table: what the products are like.")] = None,
    columns: Columns = None,
    epochs: Annotated[int, typer.Option(help="Most passes of the sequence models.")] = 60,
    as_json: Json = False,
) -> None:
    """The next product: popularity, neighbours, factors and sequences beside our blend; full ranking.

    Example: daogou evaluate ranking --interactions ../shared/data/amazon-beauty/Beauty.txt
    """
    from assistant.evaluation.next_product import load_attributes, load_behaviour, run
    from assistant.ranking.sequence import SequenceRecipe

    behaviour = load_behaviour(interactions, _pairs(columns))
    content = load_attributes(attributes, behaviour.products) if attributes else None
    print_rows(run(behaviour, content, SequenceRecipe(epochs=epochs), note), as_json)


@evaluate_app.command("requests")
def evaluate_requests(
    interactions: Orders = None,
    columns: Columns = None,
    most: Annotated[int, typer.Option(help="Most shoppers that are asked.")] = 2_000,
    as_json: Json = False,
) -> None:
    """A request of a known shopper: search alone and history alone beside our blend.

    Example: daogou evaluate requests --interactions ../shared/data/uci-online-retail/online_retail.csv.gz
    """
    from assistant.evaluation.requests import run
    from assistant.training.ranker import RankerRecipe

    with _shop(_settings(), interactions, _pairs(columns)) as (data, search):
        recipe = RankerRecipe() if interactions is None else RankerRecipe(styles=("words",))
        print_rows(run(data, search, recipe, most, note), as_json)


@contextmanager
def _shop(settings: "Settings", interactions: Path | None, columns: dict[str, str]) -> Iterator[tuple["Data", "Search"]]:
    """The shop's own data, or a shop made of order lines that is gone afterwards."""
    from assistant.build import open_search, open_store
    from assistant.evaluation.requests import shop_of_orders
    from assistant.training.ranker import load_data
    from catalog.embedding import open_embedder

    if interactions is None:
        store = open_store(settings)
        yield load_data(store, settings.embedding_model), open_search(settings, store)
        return
    with TemporaryDirectory() as folder:
        note("making a shop of the orders")
        yield shop_of_orders(interactions, columns, f"sqlite:///{folder}/shop.db", open_embedder(settings.embedding_model))
