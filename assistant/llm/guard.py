"""What stands between a shop and a server that may fail: retries within a budget, and a circuit breaker.

The budget is gRPC's retry throttling (proposal A6): a failure costs a token, a success earns a tenth of one, and nothing
is asked again with half of the tokens gone; so that a server in trouble is not asked more than before. The breaker is
Nygard's (Release It!, 2007): after some failures in a row nobody is made to wait for the server, until it has had time
to come back; then one request tries.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from assistant.llm.protocol import LLMAway

T = TypeVar("T")
TRIES = 3
TOKENS = 10.0
EARNED = 0.1
PAUSE = 0.1  # seconds before the second try; each later one waits twice as long, more or less by lot
FAILURES = 3  # in a row, from which on nobody asks ...
REST = 5.0  # ... for so many seconds


class Guard:
    """Guards what is asked of one server; threads may share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], Any] = time.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._tokens = TOKENS
        self._failures = 0
        self._closed_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the server is left alone."""
        return self._failures >= FAILURES

    def call(self, ask: Callable[[], T], begun: bool = False) -> T:
        """What `ask` gives. Raises `LLMAway` where it does, in the end, or where the server is left alone.

        `begun` is what comes in pieces: whether that has gone well is told by `watching` them.
        """
        for attempt in range(1, TRIES + 1):
            self._admit()
            try:
                answer = ask()
            except LLMAway as away:
                if not self._failed(away) or attempt == TRIES:
                    raise
                self._sleep(PAUSE * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))
            except BaseException:
                self._answered()  # it is there, whatever it said
                raise
            else:
                if not begun:
                    self._answered()
                return answer
        raise AssertionError("not reached")

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While pieces come: what breaks off or takes too long has failed; who has enough of them may go."""
        try:
            yield
        except LLMAway as away:
            self._failed(away)
            raise
        except BaseException:
            self._answered()
            raise
        self._answered()

    def _admit(self) -> None:
        with self._lock:
            if not self.is_open:
                return
            if (left := self._closed_until - self._clock()) > 0:
                raise LLMAway(
                    f"the language model server has failed {FAILURES} times; it is asked again in {left:.0f} s"
                )
            self._closed_until = self._clock() + REST  # this one tries, the others go on waiting

    def _failed(self, away: LLMAway) -> bool:
        """Count a failure; whether to ask again."""
        with self._lock:
            self._failures += 1
            self._tokens = max(0.0, self._tokens - 1)
            if self.is_open:
                self._closed_until = self._clock() + REST
            return away.at_once and self._tokens > TOKENS / 2 and not self.is_open

    def _answered(self) -> None:
        with self._lock:
            self._failures = 0
            self._tokens = min(TOKENS, self._tokens + EARNED)
