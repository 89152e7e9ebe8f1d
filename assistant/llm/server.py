"""A language model on any OpenAI-compatible server: vLLM, transformers serve, llama.cpp and others.

A LoRA adapter is chosen by the model name that the server serves it under.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import httpx
import jsonschema_rs

from assistant.llm.guard import Guard
from assistant.llm.protocol import OUTPUT_TOKENS, LLMAway, LLMError, Piece, llm_span, tell_tokens, until_stop, value_of

CONNECT_SECONDS = 3.0
AWAY = (429, 502, 503, 504)  # answers of a server, or of what stands before it, that is not up to it now


class ServerLLM:
    """Chat completions with one user message, at temperature 0.

    Args:
        url: base URL of the API, ending in `/v1` or not.
        model: the model's (or adapter's) name on that server; empty asks for the first it serves.
        timeout: seconds until an answer is given up.
        tuned: whether what it serves carries an adapter of this project.
        guard: what keeps a failing server from being asked.
    """

    def __init__(
        self, url: str, model: str = "", api_key: str = "", timeout: float = 20, tuned: bool = False,
        guard: Guard | None = None,
    ) -> None:  # fmt: skip
        base = url.rstrip("/")
        self._url = base
        self._client = httpx.Client(
            base_url=base if base.endswith("/v1") else f"{base}/v1",
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(timeout, connect=min(CONNECT_SECONDS, timeout)),
            # A kept connection that the server has closed meanwhile would fail the next request.
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self._model = model
        self._timeout = timeout
        self._guard = guard or Guard()
        self.tuned = tuned

    @property
    def name(self) -> str:
        """The model's name on the server, which is asked for it if the settings do not tell."""
        if not self._model:
            self._model = self._first_model()
        return self._model

    @property
    def is_away(self) -> bool:
        """Whether the server has failed so often that it is left alone for now."""
        return self._guard.is_open

    def complete(self, prompt: str, *, max_tokens: int, stop: Sequence[str] = ()) -> str:
        text: str = self._choose(self._body(prompt, max_tokens, stop))["message"]["content"] or ""
        return "".join(until_stop(iter([text]), stop))

    def stream(self, prompt: str, *, max_tokens: int, stop: Sequence[str] = ()) -> Iterator[str]:
        return until_stop(self._chunks({**self._body(prompt, max_tokens, stop), "stream": True}), stop)

    def complete_json(self, prompt: str, schema: Mapping[str, Any], *, max_tokens: int) -> Any:
        """The first value of the answer: a server that keeps to no schema goes on after it, and is cut off there."""
        text, pieces = "", 0
        with llm_span(self.name) as span:
            for piece in self._chunks({**self._json_body(prompt, schema, max_tokens), "stream": True}):
                text, pieces = text + piece, pieces + 1
                if piece.rstrip().endswith(("}", "]", '"')) and (value := _first_value(text)) is not None:
                    break
            else:
                value = _first_value(text)
            span.set_attribute(OUTPUT_TOKENS, pieces)
        if value is None:
            raise LLMError(f"{self._url} gave no complete JSON within {max_tokens} tokens")
        self._check(value, schema)
        return value

    def spell_json(self, prompt: str, schema: Mapping[str, Any], *, max_tokens: int) -> list[Piece]:
        choice = self._choose({**self._json_body(prompt, schema, max_tokens), "logprobs": True, "top_logprobs": 1})
        told = (choice.get("logprobs") or {}).get("content")
        if not told:
            raise LLMError(f"{self._url} tells no probabilities (logprobs) of its tokens")
        pieces = [_piece(token) for token in told]
        try:
            self._check(value_of(pieces), schema)
        except json.JSONDecodeError as error:
            raise LLMError(f"{self._url} gave no complete JSON within {max_tokens} tokens") from error
        return pieces

    def _json_body(self, prompt: str, schema: Mapping[str, Any], max_tokens: int) -> dict[str, Any]:
        answer = {"name": "answer", "schema": dict(schema), "strict": True}
        return {
            **self._body(prompt, max_tokens, ()),
            "response_format": {"type": "json_schema", "json_schema": answer},
        }

    def _choose(self, body: Mapping[str, Any]) -> Any:
        with llm_span(self.name) as span:
            answer = self._request("POST", "/chat/completions", json=body).json()
            used = answer.get("usage") or {}
            tell_tokens(span, used.get("prompt_tokens", 0), used.get("completion_tokens", 0))
            return answer["choices"][0]

    def _check(self, value: Any, schema: Mapping[str, Any]) -> None:
        """Not every server keeps to a schema that it is given."""
        try:
            jsonschema_rs.validate(dict(schema), value)
        except jsonschema_rs.ValidationError as error:
            raise LLMError(f"{self._url} does not keep to the schema: {error.message[:200]}") from error

    def _first_model(self) -> str:
        models = self._request("GET", "/models").json()["data"]
        if not models:
            raise LLMError(f"{self._url} serves no model")
        return str(models[0]["id"])

    def _body(self, prompt: str, max_tokens: int, stop: Sequence[str]) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.name,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        return {**body, "stop": list(stop)} if stop else body

    def _chunks(self, body: Mapping[str, Any]) -> Iterator[str]:
        request = self._client.build_request("POST", "/chat/completions", json=body)
        response = self._guard.call(lambda: self._send(request, stream=True), begun=True)
        deadline = time.monotonic() + self._timeout
        with self._guard.watching(), closing(response):
            try:
                for line in response.iter_lines():
                    if time.monotonic() > deadline:
                        raise LLMAway(f"the language model server {self._url} takes longer than {self._timeout:g} s")
                    if line.startswith("data: ") and line != "data: [DONE]":
                        choices = json.loads(line[6:]).get("choices") or [{}]
                        yield choices[0].get("delta", {}).get("content") or ""
            except httpx.HTTPError as error:
                raise LLMAway(f"the language model server {self._url} broke off: {error}") from error

    def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        request = self._client.build_request(method, path, **arguments)
        return self._guard.call(lambda: self._send(request))

    def _send(self, request: httpx.Request, stream: bool = False) -> httpx.Response:
        try:
            response = self._client.send(request, stream=stream)
        except httpx.HTTPError as error:
            at_once = isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)
            raise LLMAway(f"the language model server {self._url} does not answer: {error!r}", at_once) from error
        if response.is_error:
            response.read()
            told = f"{self._url} answered {response.status_code}: {response.text[:300]}"
            raise LLMAway(told, True) if response.status_code in AWAY else LLMError(told)
        return response


def _first_value(text: str) -> Any:
    """The JSON value that a text begins with; None if it is not complete."""
    try:
        return json.JSONDecoder().raw_decode(text.lstrip())[0]
    except json.JSONDecodeError:
        return None


def _piece(token: Mapping[str, Any]) -> Piece:
    """A token with its probability. Servers tell that of before the schema: a token that was not likeliest was forced."""
    likeliest = token.get("top_logprobs") or [token]
    forced = likeliest[0]["token"] != token["token"]
    return Piece(token["token"], 1.0 if forced else math.exp(min(0.0, token["logprob"])))
