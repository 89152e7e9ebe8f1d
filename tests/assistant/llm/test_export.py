"""The exported model on another engine, with the adapter: it reads messages as the model in this process does."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.build import adapter_path
from assistant.llm import LLM, LLMError, embedded
from assistant.llm.export import TEMPLATE, export
from assistant.llm.server import ServerLLM
from assistant.parser import Parser, tuned_prompt
from assistant.settings import Settings
from assistant.state import DialogueState
from web.paced import free_port, wait_until_up

pytestmark = pytest.mark.model
MESSAGES = ("red wool scarf under 300", "想买一双黑色跑鞋，500以内，不要皮的", "let me talk to a person")


@pytest.fixture(scope="module")
def model_dir() -> Path:
    return embedded.fetch(Settings().cache_dir)


@pytest.fixture
def url(model_dir: Path, tmp_path: Path) -> Iterator[str]:
    """`transformers serve`, which keeps to no schema."""
    export(model_dir, adapter_path(Settings()), tmp_path / "merged", merge=True)
    port = free_port()
    command = [
        str(Path(sys.executable).with_name("transformers")),
        "serve",
        str(tmp_path / "merged"),
        "--port",
        str(port),
    ]
    options = ["--device", "cpu", "--dtype", "float32"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_up(process, f"http://localhost:{port}/v1/models")
        yield f"http://localhost:{port}"
    finally:
        process.kill()
        process.wait()


def test_another_engine_reads_messages_alike(shipped_llm: LLM, url: str) -> None:
    here = Parser(shipped_llm, tuned_prompt)
    there = Parser(ServerLLM(url, tuned=True, timeout=120), tuned_prompt)
    for message in MESSAGES:
        sure = {"doubt": 0.0}  # a server is not asked how sure it is
        assert there.parse(message, DialogueState()) == here.parse(message, DialogueState()).model_copy(update=sure)


def test_the_adapter_can_lie_apart(model_dir: Path, tmp_path: Path) -> None:
    export(model_dir, adapter_path(Settings()), tmp_path / "apart", merge=False)
    assert (tmp_path / "apart/base/chat_template.jinja").read_text("utf-8") == TEMPLATE
    assert (tmp_path / "apart/adapter/adapter_model.safetensors").stat().st_size > 1_000_000


def test_nothing_is_written_over(model_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(LLMError, match="not empty"):
        export(model_dir, None, tmp_path, merge=True)
