"""A stand-in for the language model that takes its time, in this process or as an OpenAI-compatible server."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from assistant.llm.protocol import Piece, until_stop, value_of

PARSE_SECONDS = 0.3  # as long as the embedded model takes
SENTENCE_SECONDS = 1.5


class PacedLLM:
    """Takes every message for a search for scarves, after as long as a real model would need."""

    name = "paced"
    tuned = True
    is_away = False

    def complete(self, prompt: str, *, max_tokens: int, stop: Sequence[str] = ()) -> str:
        return "".join(self.stream(prompt, max_tokens=max_tokens, stop=stop))

    def stream(self, prompt: str, *, max_tokens: int, stop: Sequence[str] = ()) -> Iterator[str]:
        time.sleep(SENTENCE_SECONDS)
        return until_stop(iter(["A scarf."]), stop)

    def complete_json(self, prompt: str, schema: Mapping[str, Any], *, max_tokens: int) -> Any:
        return value_of(self.spell_json(prompt, schema, max_tokens=max_tokens))

    def spell_json(self, prompt: str, schema: Mapping[str, Any], *, max_tokens: int) -> list[Piece]:
        time.sleep(PARSE_SECONDS)
        return [Piece('{"mood": 0, "slots": {"category": ["scarf"]}, "intent": "find"}', 1.0)]


def serve_paced_llm(port: int) -> None:
    """The stand-in as an OpenAI-compatible server."""
    app, llm = FastAPI(), PacedLLM()

    @app.get("/v1/models")
    def models() -> dict[str, Any]:
        return {"data": [{"id": llm.name}]}

    @app.post("/v1/chat/completions", response_model=None)
    def complete(body: dict[str, Any]) -> dict[str, Any] | StreamingResponse:
        if "response_format" not in body:
            return {"choices": [{"message": {"content": llm.complete("", max_tokens=0)}, "finish_reason": "stop"}]}
        (piece,) = llm.spell_json("", {}, max_tokens=0)
        told = json.dumps({"choices": [{"delta": {"content": piece.text}}]})
        return StreamingResponse(iter([f"data: {told}\n\n", "data: [DONE]\n\n"]), media_type="text/event-stream")

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")
