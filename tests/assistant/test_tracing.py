"""What is kept of a turn's steps, and shown."""

import logging
from typing import Any

import pytest
from typer.testing import CliRunner

from assistant.build import build
from assistant.cli import app
from assistant.settings import Settings
from assistant.tracing import start_tracing, steps_of, traced_turn
from catalog.tracing import tracer
from tests.fakes import ScriptedLLM, frame
from web.logs import configure_logs


def test_steps_are_kept_with_what_they_are_part_of() -> None:
    start_tracing("")
    with traced_turn("c") as turn:
        with tracer.start_as_current_span("search"), tracer.start_as_current_span("words"):
            pass
        with tracer.start_as_current_span("rank"):
            under_way = [(s["name"], s["depth"]) for s in turn.steps()]
        steps = steps_of({"trace": turn.steps()})
    assert under_way == [("search", 1), ("words", 2)]
    assert [(s.name, s.depth) for s in steps] == [("search", 1), ("words", 2), ("rank", 1)]
    assert all(s.begin >= 0 and s.took >= 0 for s in steps)


def test_a_turn_can_be_looked_at(settings: Settings) -> None:
    llm = ScriptedLLM(frame("find", slots={"category": ["scarf"]}))
    parts = build(settings.model_copy(update={"explain": False}), llm=llm)
    conversation = parts.conversations.begin("ann")
    parts.assistant.hear(conversation, "a scarf for my secret friend")
    list(parts.assistant.answer(conversation))
    shown = CliRunner().invoke(app, ["trace", conversation])
    assert [name for name in ("parse", "search", "words", "vectors", "rank") if name not in shown.stdout] == []
    assert "secret" not in shown.stdout


def test_a_log_for_machines_names_the_trace_and_masks(capsys: pytest.CaptureFixture[str], settings: Settings) -> None:
    import json

    start_tracing("")
    before = logging.getLogger().handlers[:]
    try:
        configure_logs(settings.model_copy(update={"log_format": "json", "log_level": "INFO"}))
        with traced_turn("c"):
            logging.getLogger("assistant.turn").info("call 13812345678", extra={"picks": 3})
        line: dict[str, Any] = json.loads(capsys.readouterr().err.splitlines()[-1])
    finally:
        logging.basicConfig(handlers=before, force=True)
    assert (line["level"], line["picks"], len(line["trace"])) == ("INFO", 3, 32)
    assert "13812345678" not in line["message"]
