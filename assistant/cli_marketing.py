"""Commands about whom to write to. They write lists and drafts; nothing is ever sent."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli_models import evaluate_app
from assistant.console import Json, note, pairs, print_rows, settings_of, spinner

if TYPE_CHECKING:
    from assistant.explain import Explainer
    from assistant.marketing.campaign import Line, Shoppers
    from assistant.ranking.recommenders import Recommenders

marketing_app = typer.Typer(help="Whom to write to, about what; nothing is sent.", no_args_is_help=True)
ProductId = Annotated[str, typer.Argument(help="The shop's own id of the product.")]
Most = Annotated[int, typer.Option(help="Most shoppers.")]
Every = Annotated[int, typer.Option(help="Days in which a shopper is on one list at most.")]


@marketing_app.command("segments")
def marketing_segments(as_json: Json = False) -> None:
    """Shoppers by what they buy and where they are in their rhythm.

    Example: daogou marketing segments
    """
    from assistant.marketing.segments import segments

    shoppers = _shoppers()
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
    rows = [
        {"shopper": line.shopper, "segment": line.segment, "likes it more than": f"{line.liking:.0%} of shoppers",
         "because": "; ".join(line.because)}
        for line in _lines(product, most, every)[0]
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
    chosen, _ = _lines(product, most, every)
    rows = table(chosen, product)
    with out.open("w", encoding="utf-8-sig", newline="") as file:  # as spreadsheets read Chinese
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["shopper"])
        writer.writeheader()
        writer.writerows(rows)
    note_contacts(open_store(settings_of()).engine, product, (line.shopper for line in chosen), datetime.now(UTC))
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


def _shoppers() -> "Shoppers":
    from assistant.build import open_store
    from assistant.marketing.campaign import Shoppers

    return Shoppers(open_store(settings_of()))


def _lines(product: str, most: int, every: int) -> "tuple[list[Line], Shoppers]":
    from datetime import UTC, datetime, timedelta

    from assistant.marketing.campaign import lines

    with spinner("reading histories") as progress:
        shoppers = _shoppers()
        progress("looking for shoppers")
        models, explainer = _models()
        return lines(shoppers, models, product, most, timedelta(days=every), explainer, datetime.now(UTC)), shoppers


def _models() -> "tuple[Recommenders, Explainer]":
    """What ranks picks, and what writes about them. Raises `RankerError` where nothing is trained."""
    from assistant.build import MOST_PROPERTIES, open_llm, open_store, ranker_path
    from assistant.explain import Explainer, Shop
    from assistant.ranking.blend import RankerError
    from assistant.ranking.recommenders import extended, load
    from catalog.embedding import product_vectors

    settings = settings_of()
    store = open_store(settings)
    folder = ranker_path(settings)
    if folder is None:
        raise RankerError("no ranker is trained yet: run `daogou train ranker`")
    models = extended(load(folder)[0], product_vectors(store, settings.embedding_model))
    llm = open_llm(settings, note) if settings.explain else None
    return models, Explainer(llm, Shop(store.brands(), store.properties(MOST_PROPERTIES)))
