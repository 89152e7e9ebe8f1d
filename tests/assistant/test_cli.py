"""Commands as a user runs them, in processes of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from assistant.build import open_store
from assistant.cli import app
from assistant.evaluation.speech import speak
from assistant.settings import load_settings
from assistant.store import ConversationStore
from catalog.schema import open_database
from catalog.store import ProductStore
from tests.toy_shop import PRODUCTS

DAOGOU = [sys.executable, "-c", "from assistant.cli import main; main()"]


def run(*arguments: str, stdin: str = "", code: int = 0) -> str:
    done = subprocess.run([*DAOGOU, *arguments], input=stdin, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    path = tmp_path / "feed.csv"
    path.write_text("id,title,price,color\n1,Red wool scarf,89,red\n2,Blue cotton scarf,59,blue\n3,Bad,free,red\n")
    return path


def test_it_runs_as_a_module_as_accelerate_launches_it() -> None:
    done = subprocess.run([sys.executable, "-m", "assistant.cli", "--version"], capture_output=True, text=True)
    assert done.stdout == run("--version") != ""


def commands(command: Any, *path: str) -> Iterator[tuple[str, ...]]:
    """The words that name each command at or below this one."""
    if below := getattr(command, "commands", None):
        for name, one in below.items():
            yield from commands(one, *path, name)
    else:
        yield path


@pytest.mark.parametrize("command", commands(get_command(app)), ids=" ".join)
def test_help_has_an_example(command: tuple[str, ...]) -> None:
    assert f"Example: daogou {' '.join(command)}" in CliRunner().invoke(app, [*command, "--help"]).output


def test_version() -> None:
    assert run("--version").startswith("daogou 0.")


def test_a_catalog_in_searched_and_out(feed: Path, tmp_path: Path) -> None:
    report = json.loads(run("catalog", "import", str(feed), "--json"))
    assert (report["added"], report["rejected"]) == (2, 1)
    assert Path(report["rejects_file"]).exists()
    found = json.loads(run("search", "围巾", "--include", "color=红色", "--price-max", "100", "--json"))
    assert [row["id"] for row in found] == ["1"]
    assert json.loads(run("catalog", "show", "2", "--json"))["price"] == "59.00"
    out = tmp_path / "out.jsonl"
    run("catalog", "export", str(out))
    assert len(out.read_text().splitlines()) == 2
    run("search", "scarf", "--price-max", "1", code=2)


def test_errors_are_one_line_that_names_the_thing(feed: Path) -> None:
    assert "nowhere.csv: no such file" in run("catalog", "import", "nowhere.csv", code=1)
    assert "row 4, column price: 'free' is not a price" in run("catalog", "import", str(feed), "--strict", code=1)
    assert "no product '9'" in run("catalog", "show", "9", code=2)


def test_a_part_that_is_not_installed_is_named() -> None:
    lacking = "import sys; sys.modules['num2words'] = None; from assistant.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", lacking, "train", "data"], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "pip install 'daogou[train]'" in done.stderr


def test_history_and_recommendations(feed: Path, tmp_path: Path) -> None:
    run("catalog", "import", str(feed))
    orders = tmp_path / "orders.csv"
    orders.write_text("customer,item,date\nann,2,2025-01-01\n")
    assert json.loads(run("history", "import", str(orders), "--json"))["added"] == 1
    rows = json.loads(run("recommend", "--shopper", "ann", "--query", "scarf", "--json"))
    assert {row["id"] for row in rows} == {"1", "2"}
    assert rows[0]["why"]


@pytest.mark.model
def test_parse_reads_and_writes_json_lines() -> None:
    lines = [
        {"text": "有没有红色的围巾"},
        {"text": "any colour is fine", "state": {"category": "scarf", "color": ["red"]}},
    ]
    out = run("parse", stdin="\n".join(json.dumps(line, ensure_ascii=False) for line in lines))
    frames = [json.loads(line) for line in out.splitlines()]
    assert [f["language"] for f in frames] == ["zh", "en"]
    assert frames[0]["slots"] == {"category": "围巾", "color": ["红色"]}
    assert "line 1: expected an object" in run("parse", stdin='{"x": 1}\n', code=1)


@pytest.mark.model
def test_a_recording_says_the_first_message(tmp_path: Path) -> None:
    recording = tmp_path / "said.wav"
    recording.write_bytes(speak("I am looking for running shoes", "en"))
    first, second = map(json.loads, run("chat", "--json", "--voice", str(recording), stdin="thanks\n").splitlines())
    assert [pick["product"].startswith("running-shoes") for pick in first["picks"]] == [True] * 3
    assert second["picks"] == []


def test_a_shop_without_ears_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAOGOU_SPEECH_MODEL", "none")
    assert "DAOGOU_SPEECH_MODEL" in run("evaluate", "speech", code=1)


@pytest.mark.model
def test_chat_and_doctor() -> None:
    out = run("chat", "--json", stdin="有没有红色的围巾\n")
    answer = json.loads(out.splitlines()[-1])
    assert answer["language"] == "zh"
    assert answer["picks"]
    assert all(row["ok"] for row in json.loads(run("doctor", "--json")))


def test_what_is_known_of_a_shopper_is_shown_and_forgotten(feed: Path, tmp_path: Path) -> None:
    run("catalog", "import", str(feed))
    orders = tmp_path / "orders.csv"
    orders.write_text("shopper,product,time\nann,1,2026-01-05\n")
    run("history", "import", str(orders))
    known, messages = json.loads(run("profile", "show", "ann", "--json"))
    assert (messages["source"], messages["name"]) == ("used", "use:messages")
    run("profile", "forget", "ann", "use:messages")
    assert (known["source"], known["name"], known["date"]) == ("done", "color:red", "2026-01-05")
    run("profile", "forget", "ann", "color:red")
    assert json.loads(run("profile", "show", "ann", "--json")) == []
    assert "is nothing that is known" in run("profile", "forget", "ann", "nonsense", code=1)
    assert json.loads(run("history", "check", "--json")) == []


def test_staff_accounts(tmp_path: Path) -> None:
    run("staff", "add", "Lin", "--role", "lead", stdin="correct horse battery\n")
    assert json.loads(run("staff", "list", "--json")) == [{"name": "Lin", "role": "lead", "disabled": False}]
    assert "at least 10" in run("staff", "passwd", "Lin", stdin="short\n", code=1)
    assert "name or password is wrong" in run("desk", "--as", "Lin", stdin="wrong wrong wrong\n", code=1)
    run("desk", "--as", "Lin", stdin="correct horse battery\nlist\nquit\n")
    run("staff", "disable", "Lin")
    assert json.loads(run("staff", "list", "--json"))[0]["disabled"] is True


def test_staff_read_of_a_photo_in_the_terminal() -> None:
    conversations = ConversationStore(open_store(load_settings()).engine)
    conversation = conversations.begin("ann")
    conversations.append(conversation, "message", {"role": "shopper", "text": "", "photo": "p1", "language": "en"})
    conversations.append(conversation, "handoff", {"reason": "asked"})
    run("staff", "add", "Lin", stdin="correct horse battery\n")
    read = run("desk", "--as", "Lin", stdin="correct horse battery\nopen 1\nquit\n")
    assert "shopper: (a photo)" in read


def test_a_chart_and_its_sizes(tmp_path: Path) -> None:
    shop, charts = tmp_path / "shop.csv", tmp_path / "charts.csv"
    shop.write_text("id,title,price,category,size\n1,Shirt,89,Tops,M\n")
    run("catalog", "import", str(shop))
    charts.write_text("category,size,height_min,height_max\nTops,M,160,168\n")
    assert json.loads(run("catalog", "sizes", str(charts), "--json"))[0]["sizes"] == 1
    charts.write_text("category,size,height_min,height_max\nTops,M,5.3,5.6\n")
    assert "5.3 is no height in centimetres" in run("catalog", "sizes", str(charts), code=1)


def test_processes_share_a_job(tmp_path: Path) -> None:
    """Two processes on CPUs, as torchrun starts them: what one does the other does not."""
    store = ProductStore(open_database(f"sqlite:///{tmp_path}/data/shop.db"))
    store.upsert(PRODUCTS)
    store.engine.dispose()
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "assistant.cli"]
    environment = {**os.environ, "DAOGOU_DATA_DIR": str(tmp_path / "data")}
    done = subprocess.run([*launch, "catalog", "embed", "--json"], capture_output=True, text=True, env=environment)
    rows = [row for line in done.stdout.splitlines() if line.startswith("[") for row in json.loads(line)]
    assert len(rows) == 2, done.stderr
    assert sum(row["embedded"] for row in rows) == len(PRODUCTS)
    assert max(row["embedded"] for row in rows) < len(PRODUCTS)
