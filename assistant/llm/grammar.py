"""JSON schemas as masks over tokens, by llguidance."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from assistant.llm.protocol import LLMError


class Grammars:
    """Compiles JSON schemas to token masks with llguidance."""

    def __init__(self, tokenizer: Any, vocabulary: int) -> None:
        self._tokenizer, self._vocabulary = tokenizer, vocabulary
        self.matcher({"enum": ["a", "b"]}).allowed()  # the first mask takes seconds; no shopper shall wait for it

    def matcher(self, schema: Mapping[str, Any]) -> "Matcher":
        from llguidance import LLMatcher

        # Flexible white space off: a small model runs away in it.
        grammar = LLMatcher.grammar_from_json_schema(dict(schema), overrides={"whitespace_flexible": False})
        return Matcher(LLMatcher(self._tokenizer, grammar), self._vocabulary)


class Matcher:
    """One answer's way through its grammar."""

    def __init__(self, matcher: Any, vocabulary: int) -> None:
        self._matcher = matcher
        self._mask = np.zeros((1, (vocabulary + 31) // 32), dtype=np.int32)
        self._vocabulary = vocabulary
        self._check()

    def is_stopped(self) -> bool:
        self._check()
        return bool(self._matcher.is_stopped())

    def compute_ff_tokens(self) -> list[int]:
        return list(self._matcher.compute_ff_tokens())

    def allowed(self) -> np.ndarray[Any, Any]:
        """Sorted ids of the tokens that may come next."""
        from llguidance.numpy import fill_next_token_bitmask

        fill_next_token_bitmask(self._matcher, self._mask)
        bits = np.unpackbits(self._mask.view(np.uint8), bitorder="little")
        return np.flatnonzero(bits[: self._vocabulary])

    def consume(self, tokens: list[int]) -> None:
        self._matcher.consume_tokens(tokens)

    def _check(self) -> None:
        if self._matcher.is_error():
            raise LLMError(f"the schema cannot be decoded: {self._matcher.get_error()}")
