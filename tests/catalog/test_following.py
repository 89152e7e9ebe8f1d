"""What is kept of a catalog follows its changes."""

from collections.abc import Callable

import pytest

from catalog.following import Following


class Catalog:
    """A value with its version, which counts how often it was read; what is to happen while it is happens `meanwhile`."""

    def __init__(self, value: str) -> None:
        self.value, self.number, self.reads = value, 1, 0
        self.meanwhile: Callable[[], object] = lambda: None

    def write(self, value: str) -> None:
        self.value, self.number = value, self.number + 1

    def read(self) -> str:
        self.reads += 1
        self.meanwhile()
        return self.value


def test_it_is_read_once_and_after_each_change() -> None:
    catalog = Catalog("lamp")
    kept = Following(lambda: catalog.number, catalog.read)
    assert [kept(), kept()] == ["lamp", "lamp"]
    catalog.write("teapot")
    assert [kept(), kept()] == ["teapot", "teapot"]
    assert catalog.reads == 2


def test_nobody_waits_for_one_that_reads_again() -> None:
    catalog = Catalog("lamp")
    kept = Following(lambda: catalog.number, catalog.read)
    beside: list[str] = []
    catalog.write("teapot")
    catalog.meanwhile = lambda: beside.append(kept())
    assert kept() == "teapot"
    assert beside == ["lamp"]


def test_what_could_not_be_read_is_read_by_the_next() -> None:
    catalog = Catalog("lamp")
    kept = Following(lambda: catalog.number, catalog.read)
    catalog.write("teapot")
    catalog.meanwhile = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        kept()
    catalog.meanwhile = lambda: None
    assert kept() == "teapot"
