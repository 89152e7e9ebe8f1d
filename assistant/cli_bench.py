"""Commands that measure this machine."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from assistant.cli_models import base_model
from assistant.console import Json, note, print_rows, settings_of, spinner

bench_app = typer.Typer(help="Measure this machine; every figure stands beside its baseline.", no_args_is_help=True)


@bench_app.command("search")
def bench_search(
    products: Annotated[int, typer.Option(help="Size of the synthetic catalog.")] = 100_000,
    queries: Annotated[int, typer.Option(help="How many queries.")] = 300,
    as_json: Json = False,
) -> None:
    """Latency, memory and quality of search beside BM25 alone and vectors alone, on the same data.

    Example: daogou bench search --products 100000
    """
    from assistant.evaluation.search import run

    with spinner("building the catalog") as progress:
        rows = run(products, queries, progress)
    print_rows(rows, as_json)


@bench_app.command("scale")
def bench_scale(
    sizes: Annotated[list[int] | None, typer.Option("--size", help="How many products; once for each size.")] = None,
    databases: Annotated[list[str] | None, typer.Option("--database", help="sqlite or postgres.")] = None,
    queries: Annotated[int, typer.Option(help="How many queries with each filter.")] = 100,
    picture: Annotated[Path | None, typer.Option(help="A file to draw the curve into.")] = None,
    as_json: Json = False,
) -> None:
    """Import, search with three kinds of filter, and importing 1 % again, as the catalog grows, on both databases.

    Example: daogou bench scale --size 10000 --size 100000 --picture scale.png
    """
    from assistant.evaluation.scale import draw, run

    if unknown := set(databases or ()) - {"sqlite", "postgres"}:
        raise typer.BadParameter(f"{', '.join(unknown)}: there are sqlite and postgres")
    with spinner("filling") as progress:
        rows = run(sizes or [10_000, 100_000], databases or ["sqlite", "postgres"], queries, progress)
    print_rows(rows, as_json)
    if picture:
        draw(rows, picture)


@bench_app.command("vectors")
def bench_vectors(
    products: Annotated[int, typer.Option(help="How many vectors.")] = 200_000,
    queries: Annotated[int, typer.Option(help="How many queries.")] = 100,
    as_json: Json = False,
) -> None:
    """Recall, size and speed of vectors as float32, float16, int8 and bits.

    Example: daogou bench vectors --products 1000000
    """
    from assistant.evaluation.vectors import run

    with spinner("making and comparing vectors"):
        rows = run(products, queries)
    print_rows(rows, as_json)


@bench_app.command("turn")
def bench_turn(as_json: Json = False) -> None:
    """Times of every stage over five turns in each language, on the shop as it is set up.

    Example: daogou bench turn
    """
    from assistant.build import build
    from assistant.evaluation.turn import run

    with spinner("starting") as progress:
        rows = run(build(settings_of(), progress), progress)
    print_rows(rows, as_json)


@bench_app.command("llm")
def bench_llm(
    rounds: Annotated[int, typer.Option(help="Times that ten messages are parsed.")] = 3, as_json: Json = False
) -> None:
    """Decoding speed of the model in use, beside plain `generate` on the same weights.

    Example: daogou bench llm
    """
    from assistant.build import adapter_path
    from assistant.evaluation.llm import run

    settings = settings_of()
    with spinner("starting") as progress:
        rows = run(base_model(settings, ""), adapter_path(settings), rounds, progress)
    print_rows(rows, as_json)


@bench_app.command("crash")
def bench_crash(
    kills: Annotated[int, typer.Option(help="How often the server is killed.")] = 50,
    clients: Annotated[int, typer.Option(help="Shoppers that write meanwhile.")] = 8,
    as_json: Json = False,
) -> None:
    """Kill -9 under load: every acknowledged message must be there once and in order.

    Example: daogou bench crash
    """
    from web.crash import crash

    with TemporaryDirectory() as folder:
        rows = crash(kills, clients, Path(folder), note)
    print_rows(rows, as_json)


@bench_app.command("outage")
def bench_outage(
    shoppers: Annotated[int, typer.Option(help="That chat meanwhile.")] = 20, as_json: Json = False
) -> None:
    """Kill the language model's server, then the database, then both, in the middle of chats.

    Example: daogou bench outage
    """
    from web.outage import outage

    with TemporaryDirectory() as folder:
        rows = outage(shoppers, Path(folder), note)
    print_rows(rows, as_json)


@bench_app.command("chat")
def bench_chat(
    shoppers: Annotated[int, typer.Option(help="That ask at once.")] = 100,
    idle: Annotated[int, typer.Option(help="Open pages on which nothing happens.")] = 500,
    workers: Annotated[int, typer.Option(min=1, help="Processes; several stand behind nginx.")] = 1,
    postgres: Annotated[bool, typer.Option(help="On a PostgreSQL server instead of SQLite.")] = False,
    as_json: Json = False,
) -> None:
    """What web processes stand: claims, delivery to a browser, many shoppers, idle pages.

    Example: daogou bench chat --workers 2 --postgres
    """
    from web.load import chat

    with TemporaryDirectory() as folder:
        rows = chat(shoppers, idle, Path(folder), note, workers, postgres)
    print_rows(rows, as_json)


@bench_app.command("ranking")
def bench_ranking(rounds: Annotated[int, typer.Option(help="How many requests.")] = 200, as_json: Json = False) -> None:
    """Time to rank 200 candidates for a known shopper, on the shop as it is set up.

    Example: daogou bench ranking
    """
    from assistant.build import open_ranker, open_search, open_store
    from assistant.evaluation.rerank import run

    settings = settings_of()
    store = open_store(settings)
    with spinner("starting") as progress:
        rows = run(store, open_search(settings, store), open_ranker(settings, store), rounds, progress)
    print_rows(rows, as_json)
