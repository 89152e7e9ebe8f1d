"""Commands about whom to write to. They write lists and drafts; nothing is ever sent."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli_evaluate import evaluate_app
from assistant.console import Json, note, pairs, print_rows, settings_of, spinner

if TYPE_CHECKING:
    from assistant.marketing.campaign import Line
    from assistant.settings import Settings
    from catalog.store import ProductStore

marketing_app = typer.Typer(help="Whom to write to, about what; nothing is sent.", no_args_is_help=True)
ProductId = Annotated[str, typer.Argument(help="The shop's own id of the product.")]
Most = Annotated[int, typer.Option(help="Most shoppers.")]
Every = Annotated[int, typer.Option(help="Days in which a shopper is on one list at most.")]


@marketing_app.command("segments")
def marketing_segments(as_json: Json = False) -> None:
    """Shoppers by what they buy and where they are in their rhythm.

    Example: daogou marketing segments
    """
    from assistant.build import open_store
    from assistant.marketing.campaign import Shoppers
    from assistant.marketing.segments import segments

    shoppers = Shoppers(open_store(settings_of()))
    rows = [
        {"segment": s.name, "shoppers": len(s.shoppers), "days between orders": s.apart and round(s.apart),
         "usual price": round(s.spends, 2)}
        for s in segments(shoppers.history, shoppers.products, shoppers.now, "en")
    ]  # fmt: skip
    print_rows(rows, as_json)


@marketing_app.command("audience")
def marketing_audience(product: ProductId, most: Most = 20, every: Every = 30, as_json: Json = False) -> None:
    """Who would like a product, and why; of those who may be written to.

    Example: daogou marketing audience scarf-03
    """
    from assistant.build import open_store

    settings = settings_of()
    rows = [
        {"shopper": line.shopper, "segment": line.segment, "likes it more than": f"{line.liking:.0%} of shoppers",
         "because": "; ".join(line.because)}
        for line in _lines(settings, open_store(settings), product, most, every)
    ]  # fmt: skip
    print_rows(rows, as_json)


@marketing_app.command("export")
def marketing_export(
    product: ProductId,
    out: Annotated[Path, typer.Option(help="The table to write: shopper, segment, reasons and drafts.")],
    most: Most = 200,
    every: Every = 30,
) -> None:
    """Write whom to write to about a product, with a draft in both languages for each, and note that they are on a list.

    Example: daogou marketing export scarf-03 --out campaign.csv
    """
    from datetime import UTC, datetime

    from assistant.build import open_store
    from assistant.marketing.campaign import note_contacts, table

    if out.exists():
        raise typer.BadParameter(f"{out} is there already")
    settings = settings_of()
    store = open_store(settings)
    chosen = _lines(settings, store, product, most, every)
    rows = table(chosen, product)
    with out.open("w", encoding="utf-8-sig", newline="") as file:  # as spreadsheets read Chinese
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["shopper"])
        writer.writeheader()
        writer.writerows(rows)
    note_contacts(store.engine, product, (line.shopper for line in chosen), datetime.now(UTC))
    note(f"{len(rows)} shoppers in {out}; nothing was sent")


@evaluate_app.command("audience")
def evaluate_audience(
    products: Annotated[int, typer.Option(help="Most products.")] = 300, as_json: Json = False
) -> None:
    """Who bought a product next, among all shoppers: by how busy they are, by what they buy, and by ours.

    Example: daogou evaluate audience
    """
    from assistant.cli_ranking import shop_of
    from assistant.evaluation.audience import run
    from assistant.training.ranker import RankerRecipe

    with shop_of(settings_of(), None, pairs(None)) as (data, _):
        print_rows(run(data, RankerRecipe(), products, note), as_json)


def _lines(settings: "Settings", store: "ProductStore", product: str, most: int, every: int) -> "list[Line]":
    from datetime import UTC, datetime, timedelta

    from assistant.build import open_explainer, open_llm, open_trained
    from assistant.marketing.campaign import Shoppers, lines
    from assistant.ranking.blend import RankerError

    trained = open_trained(settings, store)
    if trained is None:
        raise RankerError("no ranker is trained yet: run `daogou train ranker`")
    with spinner("reading histories") as progress:
        shoppers = Shoppers(store)
        progress("looking for shoppers")
        explainer = open_explainer(store, open_llm(settings, note) if settings.explain else None)
        return lines(shoppers, trained[0], product, most, timedelta(days=every), explainer, datetime.now(UTC))
