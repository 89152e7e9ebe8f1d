"""What is read of a catalog, kept until the catalog changes."""

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Following(Generic[Value]):
    """A value as the catalog is now.

    After a change the first who asks waits until it is read again; those beside it are given the one before.

    Args:
        version: another number after each change of the catalog.
        read: reads the value; once at first, and once after each change.
    """

    def __init__(self, version: Callable[[], int], read: Callable[[], Value]) -> None:
        self._version, self._read = version, read
        self._lock = Lock()
        self._known = version()
        self._value = read()

    def __call__(self) -> Value:
        version = self._version()
        if version != self._known and self._lock.acquire(blocking=False):
            try:
                self._value, self._known = self._read(), version
            finally:
                self._lock.release()
        return self._value
