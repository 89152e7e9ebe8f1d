"""Commands about picks that know the shopper: tuning and measuring."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli_evaluate import evaluate_app
from assistant.cli_models import train_app
from assistant.console import Columns, Json, note, pairs, print_rows, settings_of, spinner

if TYPE_CHECKING:
    from assistant.settings import Settings
    from assistant.training.ranker import Data
    from catalog.search import Search

Orders = Annotated[Path | None, typer.Option(help="Order lines with item texts and prices; the shop's own by default.")]


@train_app.command("ranker")
def train_ranker(
    destination: Annotated[
        Path | None, typer.Option("--out", help="Folder of the ranker; the shop uses the one in its data directory.")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Most passes of the sequence model.")] = 60,
    most_lists: Annotated[int, typer.Option(help="Most purchases that the trees learn from.")] = 16_000,
    from_feedback: Annotated[
        bool,
        typer.Option("--from-feedback", help="Learn from chats too: likes weigh by how seldom their place is seen."),
    ] = False,
    federated: Annotated[
        Path | None, typer.Option(help="What a federation learned, to go on from: its federated.npz.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of requests, order and weights.")] = 7,
    as_json: Json = False,
) -> None:
    """Learn from what was bought here how to rank for each shopper.

    Training that was cut off is gone on with. TensorBoard's logs lie in the folder's `run`.

    Example: daogou train ranker --from-feedback
    """
    from dataclasses import replace

    from assistant.build import open_search, open_store
    from assistant.store import ConversationStore
    from assistant.training.federated import load_start
    from assistant.training.feedback import feedback_requests
    from assistant.training.ranker import RankerRecipe, Start, load_data
    from assistant.training.ranker import train_ranker as train

    settings = settings_of()
    recipe = RankerRecipe(most_lists=most_lists, seed=seed)
    recipe = replace(recipe, sequence=replace(recipe.sequence, epochs=epochs, seed=seed))
    store = open_store(settings)
    folder = destination or settings.data_dir / "ranker"
    data = load_data(store, settings.embedding_model)
    told = feedback_requests(ConversationStore(store.engine), data.history) if from_feedback else []
    start = load_start(federated, list(data.products), data.vectors.shape[1]) if federated else Start()
    facts = train(data, open_search(settings, store), folder, recipe, note, told, start)
    shown = {k: v for k, v in facts.items() if k not in ("recipe", "curve")}
    print_rows([{**shown, "folder": str(folder)}], as_json)


@train_app.command("fusion")
def train_fusion(
    steps: Annotated[int, typer.Option(help="Most steps of learning.")] = 600,
    seed: Annotated[int, typer.Option(help="Of requests, order and what is left out.")] = 7,
    as_json: Json = False,
) -> None:
    """Learn to make one vector of a product's text, attributes, opinions and picture, by which it is found.

    From the next start on search uses it. Run it again when many products, opinions or pictures have come.

    Example: daogou train fusion
    """
    from assistant.build import fusion_path, open_store
    from assistant.training.fusion import FusionRecipe
    from assistant.training.fusion import train_fusion as train
    from catalog.embedding import embed_products, open_embedder

    settings = settings_of()
    store, embedder = open_store(settings), open_embedder(settings.embedding_model)
    with spinner("embedding products") as progress:
        embed_products(store, embedder, lambda done, of: progress(f"embedding {done:,} of {of:,}"))
        recipe = FusionRecipe(steps=steps, seed=seed)
        fusion, facts = train(store, embedder, settings.picture_model, recipe, progress)
    fusion.save(fusion_path(settings))
    print_rows([{**facts, "folder": str(fusion_path(settings))}], as_json)


@evaluate_app.command("ranking")
def evaluate_ranking(
    interactions: Annotated[Path, typer.Option(help="Table of shopper, product and time, or lines of sequences.")],
    attributes: Annotated[Path | None, typer.Option(help="JSON or table: what the products are like.")] = None,
    columns: Columns = None,
    epochs: Annotated[int, typer.Option(help="Most passes of the sequence models.")] = 60,
    losses: Annotated[bool, typer.Option("--losses", help="Only the content model, by each of its losses.")] = False,
    as_json: Json = False,
) -> None:
    """The next product: popularity, neighbours, factors and sequences beside our blend; full ranking.

    Example: daogou evaluate ranking --interactions ../shared/data/amazon-beauty/Beauty.txt
    """
    from assistant.evaluation.next_product import load_attributes, load_behaviour, run, run_losses
    from assistant.ranking.sequence import SequenceRecipe

    if losses and attributes is None:
        raise typer.BadParameter("--losses needs --attributes: without them there is no content")

    behaviour = load_behaviour(interactions, pairs(columns))
    content = load_attributes(attributes, behaviour.products) if attributes else None
    if losses:
        print_rows(run_losses(behaviour, content, note), as_json)
    else:
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

    with shop_of(settings_of(), interactions, pairs(columns)) as (data, search):
        recipe = RankerRecipe() if interactions is None else RankerRecipe(styles=("words",))
        print_rows(run(data, search, recipe, most, note), as_json)


@evaluate_app.command("feedback")
def evaluate_feedback(
    most: Annotated[int, typer.Option(help="Most shoppers that are asked.")] = 300,
    picture: Annotated[Path | None, typer.Option(help="Where the curve is drawn.")] = None,
    as_json: Json = False,
) -> None:
    """What likes in chats teach the trees: likes alike beside likes weighed by their place.

    Example: daogou evaluate feedback --picture curve.png
    """
    from assistant.evaluation.feedback import draw, run
    from assistant.training.ranker import RankerRecipe

    with shop_of(settings_of(), None, {}) as (data, search):
        rows = run(data, search, RankerRecipe(), most, note)
    if picture is not None:
        draw(rows, picture)
    print_rows(rows, as_json)


@evaluate_app.command("federated")
def evaluate_federated(
    interactions: Annotated[Path, typer.Option(help="Table of shopper, product and time, or lines of sequences.")],
    attributes: Annotated[Path | None, typer.Option(help="JSON or table: what the products are like.")] = None,
    columns: Columns = None,
    members: Annotated[int, typer.Option(help="To whom the shoppers are dealt out.")] = 50,
    rounds: Annotated[int, typer.Option(help="How often the sequence model is sent round, at most.")] = 600,
    as_json: Json = False,
) -> None:
    """The next product by models that were learned without bringing histories together, beside the same in one place.

    Example: daogou evaluate federated --interactions ../shared/data/amazon-beauty/Beauty.txt
    """
    from assistant.evaluation.federated import run
    from assistant.evaluation.next_product import load_attributes, load_behaviour
    from assistant.ranking.sequence import SequenceRecipe

    behaviour = load_behaviour(interactions, pairs(columns))
    content = load_attributes(attributes, behaviour.products) if attributes else None
    print_rows(run(behaviour, content, members, rounds, SequenceRecipe(patience=20), note), as_json)


@evaluate_app.command("fairness")
def evaluate_fairness(
    interactions: Orders = None,
    columns: Columns = None,
    most: Annotated[int, typer.Option(help="Most shoppers that are asked.")] = 2_000,
    picture: Annotated[Path | None, typer.Option(help="Where the charts are drawn.")] = None,
    as_json: Json = False,
) -> None:
    """Which products are shown beside what is bought, which shoppers are served, and what a floor under small brands costs.

    Example: daogou evaluate fairness --picture fairness.png
    """
    from assistant.evaluation.fairness import draw, run
    from assistant.training.ranker import RankerRecipe

    with shop_of(settings_of(), interactions, pairs(columns)) as (data, search):
        recipe = RankerRecipe() if interactions is None else RankerRecipe(styles=("words",))
        products, shoppers, floors = run(data, search, recipe, most, note)
    if picture is not None:
        draw(products, floors, picture)
    for table in (products, shoppers, floors):
        print_rows(table, as_json)


@evaluate_app.command("shilling")
def evaluate_shilling(
    shoppers: Annotated[int, typer.Option(help="Most real shoppers whose picks are looked at.")] = 100,
    targets: Annotated[int, typer.Option(help="Pushed products for each kind and size of attack.")] = 2,
    seed: Annotated[int, typer.Option(help="Of accounts, products and shoppers.")] = 7,
    as_json: Json = False,
) -> None:
    """False accounts that push a product: how far it gets into the picks, without and with defence.

    Example: daogou evaluate shilling
    """
    from assistant.evaluation.shilling import run

    with shop_of(settings_of(), None, {}) as (data, search):
        print_rows(run(data, search, shoppers, targets, seed, note), as_json)


@evaluate_app.command("questions")
def evaluate_questions(
    shoppers: Annotated[int, typer.Option(help="How many simulated shoppers.")] = 200, as_json: Json = False
) -> None:
    """Answers needed to find a product: without questions, in a fixed order, and with the most telling question.

    Example: daogou evaluate questions
    """
    from assistant.build import open_ranker, open_search, open_store
    from assistant.evaluation.questions import run

    settings = settings_of()
    store = open_store(settings)
    rows = run(list(store.all()), open_search(settings, store), open_ranker(settings, store), shoppers, note)
    print_rows(rows, as_json)


@contextmanager
def shop_of(
    settings: "Settings", interactions: Path | None, columns: dict[str, str]
) -> Iterator[tuple["Data", "Search"]]:
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
        yield shop_of_orders(
            interactions, columns, f"sqlite:///{folder}/shop.db", open_embedder(settings.embedding_model)
        )


def explain(
    shopper: Annotated[str, typer.Option(help="For whom.")],
    product: Annotated[str, typer.Option(help="Which product; the id that the feed has.")],
    query: Annotated[str, typer.Option(help="The request.")] = "",
    as_json: Json = False,
) -> None:
    """Why a product stands where it does for a shopper: every part of its score.

    Example: daogou explain --shopper shopper-007 --product scarf-01 --query scarf
    """
    from assistant.build import open_ranker, open_search, open_store
    from assistant.profile import portrait_of
    from assistant.state import DialogueState
    from catalog.errors import UserError
    from catalog.types import Query

    settings = settings_of()
    store = open_store(settings)
    if store.get(product) is None:
        raise UserError(f"no product {product!r}")
    taste = portrait_of(store, shopper)
    candidates = open_search(settings, store).search(Query(query))
    ids = [c.product.external_id for c in candidates]
    if product not in ids:
        raise UserError(f"{product!r} is not among the {len(ids)} products found for {query!r}")
    state = DialogueState(text=query)
    place, one = open_ranker(settings, store).explain(candidates, state, taste, product)
    note(f"place {place} of {len(ids)}, score {one.score:.4f}")
    parts = [
        {"part": c.feature, "adds": round(c.value, 4), "evidence": ", ".join(c.evidence)} for c in one.contributions
    ]
    print_rows(parts, as_json)
