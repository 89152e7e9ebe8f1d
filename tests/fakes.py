"""Stand-ins that say what a test told them to."""

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from assistant.llm import LLMError
from assistant.llm.protocol import Piece, until_stop


class ScriptedLLM:
    """Answers with what was enqueued, in order, and keeps the prompts that it was given."""

    name = "scripted"
    tuned = True
    is_away = False

    def __init__(self, *answers: Any) -> None:
        self.answers = deque(answers)
        self.prompts: list[str] = []

    def enqueue(self, *answers: Any) -> None:
        self.answers.extend(answers)

    def attribute(self, prompt: str, answer: str, parts: Sequence[tuple[int, int]]) -> Any:
        """Every part hangs on its own words in the prompt."""
        weights = np.zeros((len(parts), len(prompt)), dtype=np.float32)
        for row, (start, end) in zip(weights, parts, strict=True):
            if (at := prompt.rfind(answer[start:end])) >= 0:
                row[at : at + end - start] = 1.0
        return weights

    def complete(self, prompt: str, *, max_tokens: int, stop: Sequence[str] = ()) -> str:
        return "".join(self.stream(prompt, max_tokens=max_tokens, stop=stop))

    def stream(self, prompt: str, *, max_tokens: int, stop: Sequence[str] = ()) -> Iterator[str]:
        return until_stop(iter(str(self._next(prompt))), stop)

    def complete_json(self, prompt: str, schema: Mapping[str, Any], *, max_tokens: int) -> Any:
        return self._next(prompt)

    def spell_json(self, prompt: str, schema: Mapping[str, Any], *, max_tokens: int) -> list[Piece]:
        """An enqueued list of pieces as it is; any other value as one certain piece."""
        answer = self._next(prompt)
        return answer if isinstance(answer, list) else [Piece(json.dumps(answer, ensure_ascii=False), 1.0)]

    def _next(self, prompt: str) -> Any:
        self.prompts.append(prompt)
        if not self.answers:
            raise LLMError("nothing is enqueued")
        answer = self.answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer


def frame(intent: str, *, mood: int = 0, **fields: Any) -> dict[str, Any]:
    """What the model would decode for a message; `mood` is -2 to 2."""
    return {"mood": mood, **fields, "intent": intent}
