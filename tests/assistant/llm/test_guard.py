"""Retries and the circuit breaker, by a clock of the tests' own."""

from collections.abc import Callable, Iterator

import pytest

from assistant.llm import LLMAway, LLMError
from assistant.llm.guard import FAILURES, REST, Guard


class Server:
    """Fails as often as it is told to, then answers."""

    def __init__(self) -> None:
        self.now, self.asked, self.failing, self.at_once = 0.0, 0, 0, True
        self.guard = Guard(lambda: self.now, lambda seconds: None)

    def ask(self) -> str:
        self.asked += 1
        if self.failing:
            self.failing -= 1
            raise LLMAway("down", self.at_once)
        return "answer"


@pytest.fixture
def server() -> Server:
    return Server()


def fails(call: Callable[[], object]) -> bool:
    try:
        call()
    except LLMAway:
        return True
    return False


def test_one_failure_is_made_good(server: Server) -> None:
    server.failing = 1
    assert server.guard.call(server.ask) == "answer"
    assert server.asked == 2


def test_who_took_too_long_is_not_asked_again(server: Server) -> None:
    server.failing, server.at_once = 1, False
    assert fails(lambda: server.guard.call(server.ask))
    assert server.asked == 1


def test_a_server_that_fails_is_left_alone_and_then_tried_by_one(server: Server) -> None:
    server.failing = 100
    assert fails(lambda: server.guard.call(server.ask))
    assert server.guard.is_open
    asked = server.asked
    assert all(fails(lambda: server.guard.call(server.ask)) for _ in range(20))
    assert server.asked == asked
    server.now += REST + 0.1
    assert all(fails(lambda: server.guard.call(server.ask)) for _ in range(20))
    assert server.asked == asked + 1
    server.failing, server.now = 0, server.now + REST + 0.1
    assert server.guard.call(server.ask) == "answer"
    assert not server.guard.is_open


def test_the_budget_ends_retries(server: Server) -> None:
    """Of many calls that fail now and then, but never in a row, few are asked again once the budget is spent."""
    for _ in range(40):
        server.failing = 1
        fails(lambda: server.guard.call(server.ask))
        server.failing = 0
        server.guard.call(server.ask)
    assert server.asked < 40 * 2 + 20


def test_an_answer_that_is_refused_is_an_answer(server: Server) -> None:
    def refused() -> str:
        raise LLMError("bad request")

    for _ in range(FAILURES + 1):
        with pytest.raises(LLMError, match="bad request"):
            server.guard.call(refused)
    assert not server.guard.is_open


def test_answers_that_break_off_are_failures_though_all_began_well(server: Server) -> None:
    def broken() -> None:
        server.guard.call(server.ask, begun=True)
        with server.guard.watching():
            raise LLMAway("broke off")

    assert all(fails(broken) for _ in range(FAILURES))
    assert server.guard.is_open


def test_who_has_enough_of_an_answer_may_go(server: Server) -> None:
    def pieces() -> Iterator[int]:
        with server.guard.watching():
            yield from range(10)

    for _ in range(FAILURES + 1):
        answer = pieces()
        next(answer)
        answer.close()
    assert list(pieces()) == list(range(10))
    assert not server.guard.is_open
