"""Commands that measure how well messages, texts and pictures are understood; ours stands beside its baselines."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli_models import Data, base_model, lexicons
from assistant.console import Json, err, note, print_columns, print_rows, settings_of, spinner
from catalog.errors import UserError

if TYPE_CHECKING:
    from assistant.settings import Settings

evaluate_app = typer.Typer(help="How well things are done; ours stands beside its baselines.", no_args_is_help=True)


@evaluate_app.command("parser")
def evaluate_parser(
    adapter: Annotated[Path | None, typer.Option(help="Folder of an adapter; the one in use by default.")] = None,
    turns: Annotated[int, typer.Option(min=20, help="Held-out turns, half of each language.")] = 400,
    few_shot: Annotated[int, typer.Option(help="So many of each language for the slow base with examples.")] = 50,
    data: Data = None,
    most_reviews: Annotated[int, typer.Option(help="Reviews of the test split to read.")] = 400,
    destination: Annotated[Path, typer.Option("--out", help="Folder for pictures and the worst turns.")] = Path(
        "evaluation"
    ),
    save: Annotated[bool, typer.Option(help="Write the scores into the adapter's model card.")] = False,
    as_json: Json = False,
) -> None:
    """Parsing on held-out phrasings: base with examples, linear model with lexicon, adapter.

    Example: daogou evaluate parser --data ../shared/data
    """
    from assistant.build import adapter_path, open_llm
    from assistant.evaluation import parser as question
    from assistant.training.card import describe

    settings = _with_adapter(adapter)
    llm = open_llm(settings, note)
    with spinner("starting") as progress:
        outcomes, found = question.run(settings, llm, turns, few_shot, lexicons(settings), progress)
        corpora = question.run_corpora(llm, data, most_reviews, progress) if data else []
    tables = [found, *corpora]
    print_columns(found, ("language", "system"), as_json)
    for table in corpora:
        print_rows(table, as_json)
    destination.mkdir(parents=True, exist_ok=True)
    question.write_worst(outcomes["adapter"], destination / "worst.jsonl")
    question.draw_confusions(outcomes["adapter"], destination / "confusions.png")
    err.print(f"confusions and worst turns: {destination}", style="dim")
    path = adapter_path(settings)
    if save and path:
        describe(path, scores=[row for table in tables for row in table])


@evaluate_app.command("fuzz")
def evaluate_fuzz(
    count: Annotated[int, typer.Option(help="Hostile messages.")] = 10_000,
    baseline: Annotated[int, typer.Option(help="So many of them for the slow free decoding.")] = 50,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """The share of valid frames on hostile messages, beside free decoding by the same model.

    Example: daogou evaluate fuzz --count 1000
    """
    from assistant.build import open_llm
    from assistant.evaluation.fuzz import run

    llm = open_llm(settings_of(), note)
    with spinner("starting") as progress:
        rows = run(llm, count, baseline, data, progress)
    print_rows(rows, as_json)


@evaluate_app.command("picture")
def evaluate_picture(turns: Annotated[int, typer.Option(help="Held-out turns.")] = 200, as_json: Json = False) -> None:
    """Whether the desk's picture of a parse points at the right words, beside a word at random.

    Example: daogou evaluate picture
    """
    from assistant.build import open_llm
    from assistant.evaluation.picture import run

    llm = open_llm(settings_of(), note)
    with spinner("starting") as progress:
        rows = run(llm, turns, progress)
    print_rows(rows, as_json)


@evaluate_app.command("attacks")
def evaluate_attacks(
    most: Annotated[int, typer.Option(help="Attacks of each family at most.")] = 1_000,
    ordinary: Annotated[int, typer.Option(help="Ordinary requests, for false alarms.")] = 200,
    data: Data = None,
    worked: Annotated[Path | None, typer.Option(help="File for the attacks that worked, as JSON lines.")] = None,
    as_json: Json = False,
) -> None:
    """How many attacks by words work, beside the same model asked in plain words; on a sample shop of its own.

    Example: daogou evaluate attacks --data DIR
    """
    from assistant.build import build
    from assistant.evaluation.attacks import run

    with spinner("starting") as progress, TemporaryDirectory() as folder:
        settings = settings_of().model_copy(update={"data_dir": Path(folder), "database_url": ""})
        rows, found = run(build(settings, progress), data, most, ordinary, progress)
    if worked is not None:
        worked.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in found), "utf-8")
    print_rows(rows, as_json)


@evaluate_app.command("reviews")
def evaluate_reviews(
    count: Annotated[int, typer.Option(help="Distinct reviews, half of each language.")] = 200, as_json: Json = False
) -> None:
    """Reading reviews: a list of words beside the model.

    Example: daogou evaluate reviews
    """
    from assistant.build import open_reader
    from assistant.evaluation.reviews import run

    with spinner("loading the model") as progress:
        rows = run(open_reader(settings_of(), progress), count, progress)
    print_rows(rows, as_json)


@evaluate_app.command("attributes")
def evaluate_attributes(
    products: Annotated[int, typer.Option(help="Of the sample shop, read in both languages.")] = 100,
    data: Annotated[Path | None, typer.Option(help="Folder with the set retail-demo, for what is inferred.")] = None,
    as_json: Json = False,
) -> None:
    """Attributes that a feed does not name: words of a list beside what is read and inferred.

    Example: daogou evaluate attributes --data ../shared/data
    """
    from assistant.build import open_attribute_reader
    from assistant.evaluation.attributes import run, run_inference
    from catalog.embedding import open_embedder

    settings = settings_of()
    with spinner("loading the model") as progress:
        inferred = run_inference(data, open_embedder(settings.embedding_model), progress) if data else []
        rows = run(open_attribute_reader(settings, progress), products, progress) if products else []
    for table in (rows, inferred):
        if table:
            print_rows(table, as_json)


@evaluate_app.command("pictures")
def evaluate_pictures(
    data: Annotated[
        Path | None, typer.Option(help="Folder with the set grocery-iconic; without it, the sample shop's drawings.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Finding a product by a photo: a histogram of colours beside the encoder in use.

    Example: daogou evaluate pictures --data ../shared/data
    """
    from assistant.evaluation.pictures import grocery, run, sample
    from catalog.pictures import open_picture_encoder

    with spinner("loading the encoder") as progress:
        encoder = open_picture_encoder(settings_of().picture_model)
        pictures = sample() if data is None else grocery(data / "grocery-iconic")
        rows = run(encoder, pictures, progress)
    print_rows(rows, as_json)


@evaluate_app.command("colors")
def evaluate_colors(as_json: Json = False) -> None:
    """Colours read off pictures: the mean of all pixels beside the colours of what is shown.

    Example: daogou evaluate colors
    """
    from assistant.evaluation.colors import run

    with spinner("drawing the sample shop") as progress:
        rows = run(progress)
    print_rows(rows, as_json)


@evaluate_app.command("fusion")
def evaluate_fusion(
    requests: Annotated[int, typer.Option(help="How many requests are made.")] = 400, as_json: Json = False
) -> None:
    """What text, attributes, opinions and pictures add to a product's vector, in search and in ranking.

    Example: daogou evaluate fusion
    """
    from assistant.evaluation.fusion import run

    with spinner("building the sample shop") as progress:
        rows = run(requests, progress)
    print_rows(rows, as_json)


@evaluate_app.command("sizes")
def evaluate_sizes(as_json: Json = False) -> None:
    """The size to take, for the sample shop's simulated bodies: usual size and chart beside ours, by what is known.

    Example: daogou evaluate sizes
    """
    from assistant.build import sample_charts
    from assistant.evaluation.sizes import run

    with spinner("reading the charts") as progress:
        rows = run(sample_charts(), progress)
    print_rows(rows, as_json)


@evaluate_app.command("speech")
def evaluate_speech(as_json: Json = False) -> None:
    """Spoken messages, read out by espeak-ng: heard without and with the page's language.

    Example: daogou evaluate speech
    """
    from assistant.evaluation.speech import run
    from assistant.speech import NoSpeechModel, open_speech

    settings = settings_of()
    speech = open_speech(settings.speech_model, settings.cache_dir, settings.device)
    if speech is None:
        raise NoSpeechModel("DAOGOU_SPEECH_MODEL is `none`: there is nothing to measure")
    with spinner("loading the model") as progress:
        rows = run(speech, progress)
    print_rows(rows, as_json)


@evaluate_app.command("departments")
def evaluate_departments(
    turns: Annotated[int, typer.Option(help="Held-out turns, half of them in each language.")] = 400,
    adapter: Annotated[Path | None, typer.Option(help="Folder of an adapter; the one in use by default.")] = None,
    as_json: Json = False,
) -> None:
    """Parsing in a department that no training has seen: messages alone, and with what its feed calls things.

    Example: daogou evaluate departments
    """
    from assistant.build import open_llm
    from assistant.evaluation.departments import run

    llm = open_llm(_with_adapter(adapter), note)
    with spinner("starting") as progress, TemporaryDirectory() as folder:
        rows = run(llm, turns, Path(folder), progress)
    print_columns(rows, ("language", "system"), as_json)


@evaluate_app.command("labels")
def evaluate_labels(
    adapter: Annotated[Path | None, typer.Option(help="Folder of an adapter; the one in use by default.")] = None,
    log: Annotated[int, typer.Option(help="Messages to choose from.")] = 600,
    most: Annotated[int, typer.Option(help="Labels, at most.", min=40)] = 160,
    seeds: Annotated[int, typer.Option(help="Runs that the figures are the mean of.")] = 1,
    picture: Annotated[Path | None, typer.Option(help="File for the curve, such as labels.png.")] = None,
    as_json: Json = False,
) -> None:
    """Slot F1 over labels: by lot, those that the model is least sure of, and self-training beside them; some half an hour.

    Example: daogou evaluate labels --picture labels.png
    """
    from assistant.build import adapter_path
    from assistant.evaluation.labels import draw, run

    settings = _with_adapter(adapter)
    model, start = Path(base_model(settings, "")), adapter_path(settings)
    if start is None:
        raise UserError("there is no adapter to go on from; name one by --adapter")
    with TemporaryDirectory() as folder:
        rows = run(model, start, Path(folder), settings.device, log, most, seeds, note)
    if picture is not None:
        draw(rows, picture)
    print_rows(rows, as_json)


def _with_adapter(adapter: Path | None) -> "Settings":
    """The settings, with an adapter of one's choice if there is one."""
    return settings_of(**({"llm_adapter": str(adapter)} if adapter else {}))
