"""Commands about people: accounts of staff and their desk, what is known of shoppers, and their data."""

import getpass
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.tree import Tree

from assistant.cli_evaluate import evaluate_app
from assistant.console import Json, err, note, out, print_rows, settings_of
from catalog.errors import UserError

if TYPE_CHECKING:
    from assistant.desk import Desk
    from assistant.memory import Memory
    from assistant.staff import StaffStore
    from assistant.store import Event
    from assistant.tracing import Step
    from catalog.types import Language

staff_app = typer.Typer(help="Who may sign in at the desk.", no_args_is_help=True)
profile_app = typer.Typer(help="What is known of a shopper.", no_args_is_help=True)
privacy_app = typer.Typer(help="A shopper's data out, or gone.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The account's name, as shoppers see it.")]
_HELP = "list | open N | read | reply TEXT | note TEXT | claim | release | back | resolve | quit"


@staff_app.command("add")
def staff_add(name: Name, role: Annotated[str, typer.Option(help="agent, lead or admin.")] = "agent") -> None:
    """Let somebody sign in at the desk. The password is asked for, or read from standard input.

    Example: daogou staff add Lin --role lead
    """
    _staff().add(name, _password(), role)
    note(f"{name} can sign in at /desk")


@staff_app.command("list")
def staff_list(as_json: Json = False) -> None:
    """Who may sign in.

    Example: daogou staff list
    """
    print_rows([{"name": s.name, "role": s.role, "disabled": s.disabled} for s in _staff().all()], as_json)


@staff_app.command("disable")
def staff_disable(name: Name) -> None:
    """Let somebody sign in no more; who is signed in is signed out at once.

    Example: daogou staff disable Lin
    """
    _staff().disable(name)
    note(f"{name} cannot sign in any more")


@staff_app.command("passwd")
def staff_passwd(name: Name) -> None:
    """A new password for somebody, who is signed out everywhere.

    Example: daogou staff passwd Lin
    """
    _staff().set_password(name, _password())
    note(f"the password of {name} is changed")


@staff_app.command("log")
def staff_log(as_json: Json = False) -> None:
    """What staff did: sign-ins, claims, transfers; the latest first.

    Example: daogou staff log
    """
    rows = [{"time": f"{time:%Y-%m-%d %H:%M:%S}", "who": who, "what": what, "detail": detail}
            for who, what, detail, time in _staff().audited()]  # fmt: skip
    print_rows(rows, as_json)


def desk(name: Annotated[str, typer.Option("--as", help="Your account's name.")]) -> None:
    """The desk in the terminal: who waits, what was said, and answering.

    Example: daogou desk --as Lin
    """
    from assistant.build import open_store
    from assistant.desk import Desk, DeskError
    from assistant.staff import StaffStore
    from assistant.store import ConversationStore

    store = open_store(settings_of())
    StaffStore(store.engine).sign_in(name, _password())
    counter = Desk(ConversationStore(store.engine), store)
    current = ""
    note(_HELP)
    for line in sys.stdin if not sys.stdin.isatty() else iter(lambda: input("desk› "), ""):
        command, _, words = line.strip().partition(" ")
        try:
            if command == "quit":
                return
            current = _command(counter, name, command, words, current)
        except DeskError as error:
            err.print(f"[bold red]error:[/] {error}", highlight=False)


@privacy_app.command("export")
def privacy_export(shopper: Annotated[str, typer.Argument(help="Whose.")]) -> None:
    """Everything stored about a shopper, as JSON.

    Example: daogou privacy export shopper-007 > shopper-007.json
    """
    import json

    from assistant.build import open_store
    from assistant.privacy import export

    print(json.dumps(export(open_store(settings_of()).engine, shopper), ensure_ascii=False, indent=1))


@privacy_app.command("erase")
def privacy_erase(shopper: Annotated[str, typer.Argument(help="Whose.")]) -> None:
    """Delete everything stored about a shopper, without a trace in the database's files.

    Example: daogou privacy erase shopper-007
    """
    from assistant.build import open_store
    from assistant.privacy import erase

    erase(open_store(settings_of()).engine, shopper)
    note(f"nothing is left of {shopper}")


def trace(
    conversation: Annotated[str, typer.Argument(help="The conversation's id, as the desk and the logs name it.")],
    as_json: Json = False,
) -> None:
    """What each turn of a conversation did, step by step, and how long that took.

    Example: daogou trace VbW8...
    """
    from assistant.build import open_store
    from assistant.store import ConversationStore
    from assistant.tracing import steps_of

    events = ConversationStore(open_store(settings_of()).engine).events(conversation)
    if not events:
        raise UserError(f"there is no conversation {conversation!r}, or nothing was said in it")
    turns = [(e, steps_of(e.payload)) for e in events if e.kind == "answer"]
    if as_json:
        print_rows([{"answer": e.seq, **asdict(step)} for e, steps in turns for step in steps], as_json)
        return
    for event, steps in turns:
        out.print(_tree(event, steps), highlight=False)


def _tree(event: "Event", steps: "Sequence[Step]") -> Tree:
    """The steps that led to an answer, each below what it is part of."""
    whole = max(event.payload["timings"].values(), default=0)
    branch = [Tree(f"answer {event.seq}, {event.time:%Y-%m-%d %H:%M:%S}, {whole:.0f} ms")]
    for step in steps:
        details = ", ".join(f"{name.rpartition('.')[2]} {value}" for name, value in step.details.items())
        line = f"{step.name} [bold]{step.took:.0f} ms[/] [dim]at {step.begin:.0f}  {escape(details)}[/]"
        branch[step.depth :] = [branch[step.depth - 1].add(line)]
    return branch[0]


@evaluate_app.command("masking")
def evaluate_masking(as_json: Json = False) -> None:
    """How much personal data is masked, and how much else, on 200 written sentences.

    Example: daogou evaluate masking
    """
    from assistant.evaluation.masking import run

    print_rows(run(), as_json)


@evaluate_app.command("handoff")
def evaluate_handoff(as_json: Json = False) -> None:
    """Missed and false handoffs over written conversations, beside the word "human" alone.

    Example: daogou evaluate handoff
    """
    from assistant.build import open_llm, open_parser
    from assistant.evaluation.handoff import run
    from catalog.embedding import open_embedder

    settings = settings_of()
    parser = open_parser(open_llm(settings, note), lambda: open_embedder(settings.embedding_model))
    print_rows(run(parser, note), as_json)


@profile_app.command("show")
def profile_show(
    shopper: Annotated[str, typer.Argument(help="Whose.")],
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
    as_json: Json = False,
) -> None:
    """What is known of a shopper: said, done and inferred, each with its source and date.

    Example: daogou profile show shopper-007
    """
    chosen: Language = "zh" if language == "zh" else "en"
    rows = [
        {"source": k.source, "name": k.name, "known": k.text, "because": k.because,
         "date": k.time.date().isoformat() if k.time else ""}
        for k in _memory().known(shopper, chosen)
    ]  # fmt: skip
    print_rows(rows, as_json)


@profile_app.command("forget")
def profile_forget(
    shopper: Annotated[str, typer.Argument(help="Whose.")],
    name: Annotated[str, typer.Argument(help="A name that `profile show` gives, or `everything`.")],
) -> None:
    """Make no more use of one thing known of a shopper, or delete everything.

    Example: daogou profile forget shopper-007 kind:scarf
    """
    _memory().forget(shopper, name)
    note(f"forgotten: {name}")


def _memory() -> "Memory":
    from assistant.build import open_store
    from assistant.memory import Memory
    from assistant.store import ConversationStore

    store = open_store(settings_of())
    return Memory(store, ConversationStore(store.engine))


def _command(counter: "Desk", name: str, command: str, words: str, current: str) -> str:
    """Do one command; the conversation that is open afterwards. Raises `DeskError`."""
    from assistant.desk import DeskError

    if command == "list":
        for number, row in enumerate(counter.queue(), start=1):
            who = row.custody.staff or "waiting"
            out.print(f"{number}. {who}, {row.waited / 60:.0f} min, mood {row.mood}, {row.unread} unread: {row.last}", markup=False)  # fmt: skip
        return current
    if command == "open":
        rows = counter.queue()
        if not words.isdecimal() or not 0 < int(words) <= len(rows):
            raise DeskError(f"open a number from 1 to {len(rows)}")
        current = rows[int(words) - 1].conversation
    if not current:
        raise DeskError("open a conversation first")
    actions: dict[str, Callable[[], object]] = {
        "open": lambda: _read(counter, current), "read": lambda: _read(counter, current),
        "reply": lambda: counter.reply(current, name, words), "note": lambda: counter.note(current, name, words),
        "claim": lambda: counter.claim(current, name), "release": lambda: counter.release(current, name),
        "back": lambda: counter.hand_back(current, name), "resolve": lambda: counter.resolve(current, name),
    }  # fmt: skip
    if command not in actions:
        raise DeskError(_HELP)
    actions[command]()
    return current


def _read(counter: "Desk", conversation: str) -> None:
    from assistant.desk import said

    for event in counter.transcript(conversation):
        if text := said(event) if event.kind == "message" else event.payload.get("text"):
            who = event.payload.get("staff") or event.payload.get("role", "")
            out.print(f"{event.time:%H:%M} {who}: {text}", markup=False)
        elif event.kind in ("handoff", "claimed", "released", "returned", "resolved"):
            out.print(f"{event.time:%H:%M} -- {event.kind} {event.payload.get('staff', event.payload.get('reason', ''))}", markup=False)  # fmt: skip


def _password() -> str:
    return getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def _staff() -> "StaffStore":
    from assistant.build import open_store
    from assistant.staff import StaffStore

    return StaffStore(open_store(settings_of()).engine)
