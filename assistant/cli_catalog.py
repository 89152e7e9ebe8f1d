"""`daogou catalog` and `daogou history`: products and what shoppers did, in and out, and what is worked out of them."""

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assistant.console import Columns, Json, err, out, pairs, print_json, print_rows, settings_of, spinner
from catalog.jobs import WHOLE, Part

if TYPE_CHECKING:
    from assistant.settings import Settings
    from catalog.attributes import Conflict

catalog_app = typer.Typer(help="Products in and out.", no_args_is_help=True)
history_app = typer.Typer(help="What shoppers did before.", no_args_is_help=True)
MOST_CONFLICTS = 20  # printed; --json has them all


@catalog_app.command("import")
def catalog_import(
    path: Annotated[Path, typer.Argument(help="The feed.")],
    format: Annotated[str | None, typer.Option(help="google-tsv, google-xml, shopify, jsonl, csv or yaml.")] = None,
    columns: Columns = None,
    currency: Annotated[str | None, typer.Option(help="Currency of prices that name none.")] = None,
    encoding: Annotated[str | None, typer.Option(help="The file's encoding, if it is not found out.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse the whole feed if one row is bad.")] = False,
    as_json: Json = False,
) -> None:
    """Import a product feed. Products already there are updated.

    Example: daogou catalog import feed.csv --map title=商品名 --map price=售价
    """
    from assistant.build import open_store
    from catalog.embedding import embed_products, open_embedder
    from catalog.feeds.importer import import_catalog
    from catalog.feeds.source import FeedOptions

    settings = settings_of()
    store = open_store(settings)
    options = FeedOptions(pairs(columns), currency or settings.currency, encoding)
    with spinner("reading") as progress:
        report = import_catalog(
            store, path, options, format=format, strict=strict, rejects_file=_rejects(settings, path),
            progress=lambda rows: progress(f"{rows:,} rows"),
        )  # fmt: skip
        embed_products(
            store,
            open_embedder(settings.embedding_model),
            lambda done, total: progress(f"embedding {done:,} of {total:,}"),
        )
    _report(report, as_json)


@catalog_app.command("show")
def catalog_show(
    product: Annotated[str | None, typer.Argument(help="A product's id; without it, a summary.")] = None,
    as_json: Json = False,
) -> None:
    """One product's whole record, or what the catalog has.

    Example: daogou catalog show scarf-05
    """
    from assistant.build import open_store

    store = open_store(settings_of())
    if product is None:
        summary = {"products": store.count(), **{f: len(v) for f, v in store.facet_values().items()}}
        print_rows([summary], as_json)
        return
    found = store.get(product, reviews=True)
    if found is None:
        err.print(f"[bold red]error:[/] no product {product!r}", highlight=False)
        raise typer.Exit(2)
    record = asdict(found)
    if as_json:
        print_json(record)
    else:
        out.print(record)


@catalog_app.command("embed")
def catalog_embed(as_json: Json = False) -> None:
    """Embed the products that have no vector of the encoder set yet. A run that was cut off goes on where it stopped.

    Several GPUs: `accelerate launch -m assistant.cli catalog embed`.

    Example: daogou catalog embed
    """
    from assistant.build import open_store
    from catalog.embedding import embed_products, open_embedder

    settings = settings_of()
    store, (part, wait) = open_store(settings), _share()
    with spinner("loading the encoder") as progress:
        embedder, began = open_embedder(settings.embedding_model), monotonic()
        embedded = embed_products(store, embedder, lambda done, of: progress(f"{done:,} of {of:,}"), part)
        pace = _pace(embedded, monotonic() - began)
        wait()
    print_rows([{"encoder": embedder.name, "embedded": embedded, **pace}], as_json)


@catalog_app.command("enrich")
def catalog_enrich(as_json: Json = False) -> None:
    """Read all reviews and sum up what buyers praise and blame. A run that was cut off goes on where it stopped.

    Several GPUs: `accelerate launch -m assistant.cli catalog enrich`.

    Example: daogou catalog enrich
    """
    from assistant.build import open_reader, open_store
    from catalog.enrich import read_reviews, sum_up

    settings = settings_of()
    store, (part, wait) = open_store(settings), _share()
    with spinner("loading the model") as progress:
        reader = open_reader(settings, progress)
        began = monotonic()
        read = read_reviews(store.engine, reader, lambda done, of: progress(f"reviews: {done:,} of {of:,}"), part)
        pace = _pace(read, monotonic() - began)
        wait()
        if part.number:
            return
        products = sum_up(store, reader.name)
    print_rows([{"reader": reader.name, "texts read": read, **pace, "products with opinions": products}], as_json)


@catalog_app.command("attributes")
def catalog_attributes(as_json: Json = False) -> None:
    """Read titles and descriptions for attributes that the feed does not name. A run that was cut off goes on.

    Several GPUs: `accelerate launch -m assistant.cli catalog attributes`.

    Example: daogou catalog attributes
    """
    from assistant.build import open_attribute_reader, open_store
    from catalog.attributes import merge, read_texts, said_by
    from catalog.embedding import embed_products, open_embedder
    from catalog.inference import infer

    settings = settings_of()
    store, (part, wait) = open_store(settings), _share()
    with spinner("loading the model") as progress:
        reader, embedder = open_attribute_reader(settings, progress), open_embedder(settings.embedding_model)
        began = monotonic()
        read = read_texts(store, reader, lambda done, of: progress(f"texts: {done:,} of {of:,}"), part)
        pace = _pace(read, monotonic() - began)
        wait()
        if part.number:
            return
        progress("inferring what the feed names of other products")
        inferred = infer(list(store.all()), embedder)
        changed, conflicts = merge(store, said_by(store.engine, reader.name), inferred)
        embed_products(store, embedder, lambda done, of: progress(f"embedding {done:,} of {of:,}"))
    row = {"reader": reader.name, "texts read": read, **pace,
           "values inferred": sum(map(len, inferred.values())), "products changed": changed, "conflicts": len(conflicts)}  # fmt: skip
    if as_json:
        print_json({**row, "differences": [asdict(c) for c in conflicts]})
        return
    print_rows([row], False)
    _print_conflicts(conflicts)


@catalog_app.command("pictures")
def catalog_pictures(as_json: Json = False) -> None:
    """Look at the products' pictures, so that they are found by a photo. A run that was cut off goes on.

    Several GPUs: `accelerate launch -m assistant.cli catalog pictures`.

    Example: daogou catalog pictures
    """
    from assistant.build import open_store
    from catalog.looks import embed_pictures
    from catalog.pictures import open_picture_encoder, reader

    settings = settings_of()
    part, wait = _share()
    with spinner("loading the encoder") as progress:
        encoder, began = open_picture_encoder(settings.picture_model), monotonic()
        found = embed_pictures(
            open_store(settings), encoder, reader(settings.data_dir), lambda done, of: progress(f"{done:,} of {of:,}"),
            part,
        )  # fmt: skip
        pace = _pace(found.encoded, monotonic() - began)
        wait()
    for product, why in found.failed.items():
        err.print(f"{product}: {why}", highlight=False)
    row = {"encoder": encoder.name, "encoded": found.encoded, "known": found.known, "failed": len(found.failed), **pace}
    print_rows([row], as_json)


@catalog_app.command("sizes")
def catalog_sizes(
    path: Annotated[Path, typer.Argument(help="A table of category, size, and whom it suits.")],
    columns: Columns = None,
    encoding: Annotated[str | None, typer.Option(help="The file's encoding, if it is not found out.")] = None,
    as_json: Json = False,
) -> None:
    """Import the shop's size charts, in place of those before; one bad line refuses the file.

    Columns: category, brand (of whom it holds alone), size, height_min, height_max (cm), weight_min, weight_max (kg).

    Example: daogou catalog sizes charts.csv --map category=类目
    """
    from assistant.build import open_store
    from catalog.feeds.sizes import read
    from catalog.feeds.source import FeedOptions
    from catalog.fit import FitStore, chart_of

    store = open_store(settings_of())
    lines = read(path, FeedOptions(pairs(columns), encoding=encoding))
    FitStore(store.engine).set_charts(lines)
    sized = [p for p in store.all() if len({v.size for v in p.variants if v.size}) > 1]
    charted = sum(bool(chart_of(p, lines)) for p in sized)
    print_rows([{"sizes": len(lines), "products with sizes": len(sized), "of these with a chart": charted}], as_json)


@catalog_app.command("export")
def catalog_export(
    path: Annotated[Path, typer.Argument(help="A .jsonl file to write.")], as_json: Json = False
) -> None:
    """Write the whole catalog as JSON Lines of schema.org Product, which `catalog import` reads.

    Example: daogou catalog export shop.jsonl
    """
    from assistant.build import open_store
    from catalog.feeds.jsonlines import write

    with path.open("w", encoding="utf-8") as text:
        count = write(open_store(settings_of()).all(reviews=True), text)
    print_rows([{"products": count, "file": str(path)}], as_json)


@history_app.command("import")
def history_import(
    path: Annotated[Path, typer.Argument(help="Orders or events.")],
    format: Annotated[str, typer.Option(help="csv or shopify.")] = "csv",
    columns: Columns = None,
    encoding: Annotated[str | None, typer.Option(help="The file's encoding, if it is not found out.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse the whole file if one row is bad.")] = False,
    as_json: Json = False,
) -> None:
    """Import purchases and other events of shoppers; products must be in the catalog.

    Example: daogou history import orders.csv --map shopper=CustomerID --map product=StockCode
    """
    from assistant.build import open_store
    from catalog.feeds.importer import import_history
    from catalog.feeds.source import FeedOptions

    settings = settings_of()
    with spinner("reading") as progress:
        report = import_history(
            open_store(settings), path, FeedOptions(pairs(columns), settings.currency, encoding), format=format,
            strict=strict, rejects_file=_rejects(settings, path), progress=lambda rows: progress(f"{rows:,} rows"),
        )  # fmt: skip
    _report(report, as_json)


@history_app.command("check")
def history_check(as_json: Json = False) -> None:
    """Shoppers whose history is left out of training: robots, accounts that only look, and accounts that push a product.

    Example: daogou history check
    """
    from assistant.build import open_store
    from assistant.training.ranker import load_data

    settings = settings_of()
    data = load_data(open_store(settings), settings.embedding_model)
    print_rows([{"shopper": shopper, "why": why} for shopper, why in data.left_out.items()], as_json)


# -- helpers -----------------------------------------------------------------------------


def _rejects(settings: "Settings", path: Path) -> Path:
    return settings.data_dir / "rejects" / f"{path.name}.jsonl"


def _share() -> tuple[Part, Callable[[], Any]]:
    """Which of how many processes this is, if `accelerate launch` (or, on CPUs, `torchrun`) started several, and how to
    wait for the others.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return WHOLE, lambda: None
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.accelerator.is_available())  # without this, processes on CPUs do not meet
    return Part(state.process_index, state.num_processes), state.wait_for_everyone


def _pace(items: int, seconds: float) -> dict[str, float]:
    """How long it took and what the next thousand will cost in time."""
    return {"seconds": round(seconds, 1), **({"seconds for 1,000": round(1_000 * seconds / items)} if items else {})}


def _print_conflicts(conflicts: "list[Conflict]") -> None:
    """What the shop should look at: the feed stays as it is."""
    for conflict in conflicts[:MOST_CONFLICTS]:
        said = f"the text says {conflict.text.span!r} ({conflict.text.confidence:.2f})"
        err.print(
            f"{conflict.product}: {conflict.name} is {', '.join(conflict.feed)} in the feed, {said}",
            style="yellow", highlight=False,
        )  # fmt: skip
    if len(conflicts) > MOST_CONFLICTS:
        err.print(f"and {len(conflicts) - MOST_CONFLICTS} more (--json)", style="yellow", highlight=False)


def _report(report: Any, as_json: bool) -> None:
    from catalog.feeds.importer import describe

    row = {**asdict(report.written), "rejected": report.rejected}
    if as_json:
        print_json({**row, "rejects_file": str(report.rejects_file) if report.rejects_file else None})
        return
    print_rows([row], as_json)
    for reject in report.rejects[:10]:
        err.print(describe(reject), style="yellow", highlight=False)
    if report.rejected:
        err.print(f"all {report.rejected} rejected rows: {report.rejects_file}", style="yellow", highlight=False)
