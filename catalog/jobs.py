"""Whole-feed jobs: work in batches, each written before the next begins, by one process or shared among several."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from zlib import crc32

T = TypeVar("T")
Progress = Callable[[int, int], Any]  # items done, of how many


@dataclass(frozen=True, slots=True)
class Part:
    """Which of how many processes this is."""

    number: int = 0
    count: int = 1

    def has(self, item: object) -> bool:
        """Whether an item is this process's: by what it is, not by its place, since processes do not start at once."""
        return crc32(repr(item).encode()) % self.count == self.number


WHOLE = Part()


def in_batches(
    items: Sequence[T], size: int, work: Callable[[Sequence[T]], Any], progress: Progress, part: Part = WHOLE
) -> int:
    """Do the work for this process's part of the items; how many those were. What is done is kept if it is killed."""
    own = [item for item in items if part.has(item)]
    for start in range(0, len(own), size):
        batch = own[start : start + size]
        work(batch)
        progress(start + len(batch), len(own))
    return len(own)
