"""The `daogou` command. Heavy parts are imported where they are used: `--help` answers at once."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from assistant import __version__, cli_ranking
from assistant.cli_bench import bench_app
from assistant.cli_catalog import catalog_app, history_app
from assistant.cli_evaluate import evaluate_app
from assistant.cli_marketing import marketing_app
from assistant.cli_models import models_app, train_app
from assistant.cli_people import desk, privacy_app, profile_app, staff_app, trace
from assistant.console import Json, err, note, out, print_json, print_rows, settings_of, spinner
from assistant.process import share_one_arena
from catalog.errors import UserError

if TYPE_CHECKING:
    from assistant.build import Parts
    from assistant.settings import Settings

app = typer.Typer(help="Daogou 导购: a shopping assistant that listens, searches and explains.", no_args_is_help=True)
for name, group in (
    ("catalog", catalog_app), ("history", history_app), ("profile", profile_app), ("staff", staff_app), ("privacy", privacy_app), ("models", models_app),
    ("marketing", marketing_app),
    ("train", train_app), ("evaluate", evaluate_app), ("bench", bench_app),
):  # fmt: skip
    app.add_typer(group, name=name)
app.command()(cli_ranking.explain)
app.command()(desk)
app.command()(trace)

BAR = 16  # characters of the greatest part of a score
# Modules of optional parts -> the extra that brings them.
EXTRAS = dict.fromkeys(("implicit", "matplotlib", "num2words", "tensorboard"), "train")


def main() -> None:
    """Run the command; errors that a user can mend are one line and exit code 1."""
    share_one_arena()
    try:
        app()
    except UserError as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        _fail(f"this command needs {error.name}: pip install 'daogou[{extra}]'")


def _fail(reason: str) -> None:
    err.print(f"[bold red]error:[/] {escape(reason)}", highlight=False, soft_wrap=True)
    sys.exit(1)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        out.print(f"daogou {__version__}", highlight=False)
        raise typer.Exit


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes, each on the next port, for a proxy before them.")] = 1,
    as_json: Json = False,
) -> None:
    """Bring up the chat in the browser. Several workers are replaced one after another on SIGHUP.

    Example: daogou serve --port 8080
    """
    given = {k: v for k, v in {"host": host, "port": port}.items() if v is not None}
    settings = settings_of(**given)
    if workers > 1:
        from web.workers import Workers

        ports = range(settings.port, settings.port + workers)
        err.print(
            f"{workers} processes on ports {ports[0]} to {ports[-1]}; a proxy makes them one shop", highlight=False
        )
        Workers(settings.host, ports).run()
        return
    parts = _build(settings)
    from web.app import serve as listen

    def opened() -> None:
        url = f"http://{settings.host}:{settings.port}"
        if as_json:
            print_json({"url": url})
            return
        err.print(f"[bold]{settings.shop_name}[/] is open at [link]{url}[/link]", highlight=False)
        hint = "" if parts.staff.all() else "; nobody can sign in yet: daogou staff add NAME"
        err.print(f"The desk of the staff is at [link]{url}/desk[/link]{hint}", highlight=False)

    listen(parts, opened)


@app.command()
def chat(
    shopper: Annotated[str, typer.Option(help="Who is chatting; the sample shop knows shopper-001 to -300.")] = "cli",
    voice: Annotated[
        Path | None, typer.Option(help="A recording that says the first message.", exists=True, dir_okay=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Chat in the terminal; an empty line or Ctrl-D ends it.

    Example: daogou chat --shopper shopper-007
    """
    from assistant.payload import to_payload

    parts = _build(settings_of())
    conversation = parts.conversations.begin(shopper)
    typed = _lines("› " if sys.stdin.isatty() and not as_json else "")
    for text in chain(_spoken(parts, voice) if voice else (), typed):
        parts.assistant.hear(conversation, text)
        shown = 0
        reply = None
        for reply in parts.assistant.answer(conversation):
            if not as_json:
                if shown == 0 and reply.picks:
                    out.print(reply.text)
                    _print_picks(reply)
                    shown = len(reply.text)
                elif shown or reply.done:
                    out.print(reply.text[shown:], end="", highlight=False)
                    shown = len(reply.text)
        if as_json and reply:
            print_json(to_payload(reply))
        elif not as_json:
            out.print()


def _spoken(parts: "Parts", recording: Path) -> Iterator[str]:
    """What a recording says, shown before it is sent, if it is."""
    from assistant.speech import NoSpeechModel

    if parts.speech is None:
        raise NoSpeechModel("DAOGOU_SPEECH_MODEL is `none`: no recording is heard")
    heard = parts.speech.hear(recording.read_bytes())
    err.print(f"heard ({heard.language}): {heard.text}", highlight=False)
    if heard.text and (not sys.stdin.isatty() or typer.confirm("Send it?", default=True)):
        yield heard.text


@app.command()
def parse(
    text: Annotated[str | None, typer.Argument(help="A message; without it, JSON lines are read.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Frames are JSON with or without this.")] = True,
) -> None:
    """What a message says, as a frame. Reads {"text": ..., "state": {...}} lines from standard input.

    Example: daogou parse "red dress under 80"
    """
    from assistant.build import open_llm, open_parser
    from assistant.state import DialogueState
    from catalog.embedding import open_embedder

    requests: Iterator[dict[str, Any]] = iter([{"text": text}]) if text is not None else _json_lines()
    first = list(islice(requests, 1))  # what is wrong with it is told before the model is loaded
    settings = settings_of()
    parser = open_parser(open_llm(settings, note), lambda: open_embedder(settings.embedding_model))
    for request in chain(first, requests):
        state = DialogueState(slots={k: _words(v) for k, v in (request.get("state") or {}).items()})
        print_json(parser.parse(str(request["text"]), state).frame())


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="What to look for.")] = "",
    photo: Annotated[
        Path | None, typer.Option(help="A picture to look like, in the place of words.", exists=True, dir_okay=False)
    ] = None,
    k: Annotated[int, typer.Option(help="How many.")] = 10,
    price_max: Annotated[float | None, typer.Option(help="Highest price.")] = None,
    price_min: Annotated[float | None, typer.Option(help="Lowest price.")] = None,
    include: Annotated[list[str] | None, typer.Option(help="facet=value that must hold, repeatable.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="facet=value that must not hold, repeatable.")] = None,
    as_json: Json = False,
) -> None:
    """Search the catalog without any conversation, by words or by a photo.

    Example: daogou search 围巾 --include color=red --exclude material=wool --price-max 300
    """
    from assistant.build import open_search, open_store, search_by_photo
    from catalog.types import Filters, Query

    settings = settings_of()
    filters = Filters(
        include=_facets(include),
        exclude=_facets(exclude),
        price_min=Decimal(str(price_min)) if price_min is not None else None,
        price_max=Decimal(str(price_max)) if price_max is not None else None,
    )
    store, query = open_store(settings), Query(text, filters, k)
    engine = open_search(settings, store)
    found = search_by_photo(settings, store, engine, query, photo.read_bytes()) if photo else engine.search(query)
    rows = [
        {"id": c.product.external_id, "title": c.product.text("en").title, "price": f"{c.product.price:f}",
         "currency": c.product.currency, "lexical_rank": c.lexical_rank, "dense_rank": c.dense_rank, "score": round(c.score, 5)}
        for c in found
    ]  # fmt: skip
    print_rows(rows, as_json)
    if not rows:
        raise typer.Exit(2)


@app.command()
def recommend(
    shopper: Annotated[str, typer.Option(help="For whom.")],
    query: Annotated[str, typer.Option(help="What for; empty leaves it open.")] = "",
    k: Annotated[int, typer.Option(help="How many.")] = 10,
    as_json: Json = False,
) -> None:
    """What suits a shopper, from history and an optional request.

    Example: daogou recommend --shopper shopper-007 --query "something warm"
    """
    from assistant.build import open_answers, open_search, open_store
    from catalog.types import Query

    settings = settings_of()
    store = open_store(settings)
    ranked = open_answers(settings, store, open_search(settings, store)).finder.recommend(shopper, Query(query))[:k]
    rows = [
        {"id": r.product.external_id, "title": r.product.text("en").title, "price": f"{r.product.price:f}",
         "score": round(r.score, 4), "why": {c.feature: round(c.value, 3) for c in r.contributions if c.value}}
        for r in ranked
    ]  # fmt: skip
    print_rows(rows, as_json)


@app.command()
def doctor(as_json: Json = False) -> None:
    """What is installed, which device and models are used, what is missing and how to get it.

    Example: daogou doctor
    """
    from assistant.doctor import examine

    rows = examine(settings_of())
    print_rows([asdict(r) for r in rows], as_json)
    if not all(r.ok for r in rows):
        raise typer.Exit(1)


# -- helpers -----------------------------------------------------------------------------


def _build(settings: "Settings") -> Any:
    from assistant.build import build

    with spinner("starting") as progress:
        return build(settings, progress)


def _lines(prompt: str) -> Iterator[str]:
    while True:
        try:
            line = input(prompt).strip()
        except (EOFError, KeyboardInterrupt):
            return
        if not line:
            return
        yield line


def _json_lines() -> Iterator[dict[str, Any]]:
    for number, line in enumerate(sys.stdin, start=1):
        if not line.strip():
            continue
        try:
            request = json.loads(line)
            if not isinstance(request, dict) or "text" not in request:
                raise ValueError('expected an object with "text"')
        except ValueError as error:
            err.print(f"[bold red]error:[/] standard input, line {number}: {error}", highlight=False)
            raise typer.Exit(1) from error
        yield request


def _words(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _facets(entries: list[str] | None) -> dict[str, tuple[str, ...]]:
    facets: dict[str, tuple[str, ...]] = {}
    for entry in entries or []:
        facet, sign, value = entry.partition("=")
        if not sign:
            raise typer.BadParameter(f"{entry!r} is not of the form facet=value")
        facets[facet] = (*facets.get(facet, ()), value)
    return facets


def _print_picks(reply: Any) -> None:
    from assistant.phrases import money, phrase

    table = Table(show_header=False, box=None)
    for number, pick in enumerate(reply.picks, start=1):
        product = pick.product
        stars = f"★ {product.rating:.1f}" if product.review_count else ""
        table.add_row(
            str(number), product.text(reply.language).title, money(product.price, product.currency), stars, pick.why
        )
        for name, value in pick.parts:
            bar = ("█" if value > 0 else "░") * max(1, round(abs(value) * BAR))
            table.add_row("", f"[dim]{phrase(f'part_{name}', reply.language)}[/]", "", "", f"[dim]{bar}[/]")
    out.print(table)


if __name__ == "__main__":
    main()
