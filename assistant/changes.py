"""Which conversations were written to, whatever process wrote: notified by PostgreSQL, read off a cursor on SQLite."""

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnClause, Connection, Engine, Integer, func, literal_column, select, text
from sqlalchemy.exc import SQLAlchemyError

from catalog.schema import EventRow

log = logging.getLogger(__name__)
CHANNEL = "daogou_events"
LOOK = 0.05  # seconds between looks at an SQLite file
RECENT = timedelta(minutes=1)
PAUSE = 1.0  # seconds after which an empty set is given at the latest


def announce(connection: Connection, conversation: str) -> None:
    """Tell the followers on PostgreSQL, as soon as the transaction is committed. SQLite's look for themselves."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_notify(CHANNEL, conversation)))


def changes(engine: Engine, stop: threading.Event, missed: Callable[[], Any]) -> Iterator[set[str]]:
    """The conversations written to since the last time, at least every `PAUSE` seconds, until `stop` is set.

    A database that cannot be reached is tried again; what was written meanwhile is not told, but `missed` is called when
    it is back.
    """
    follow, is_back = _cursor if engine.dialect.name == "sqlite" else _notifications, True
    while not stop.is_set():
        try:
            for written in follow(engine, stop):
                if not is_back:
                    missed()
                    is_back = True
                yield written
        except (SQLAlchemyError, OSError) as error:
            if is_back:
                log.warning("cannot follow the conversations: %s", error)
            is_back = False
            stop.wait(PAUSE)


def _cursor(engine: Engine, stop: threading.Event) -> Iterator[set[str]]:
    """New rows have higher numbers: SQLite has one writer. `data_version` tells for nothing that there are none."""
    number: ColumnClause[int] = literal_column("events.rowid", Integer)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        seen, version = connection.scalar(select(func.max(number)).select_from(EventRow)) or 0, -1
        looks = 0
        while not stop.wait(LOOK):
            looks += 1
            now = connection.scalar(text("PRAGMA data_version"))
            if now != version:
                version = now
                last = connection.scalar(select(func.max(number)).select_from(EventRow)) or 0
                # Erasing a shopper takes numbers away and renumbers what is left: then all that is recent counts.
                new = number > seen if last >= seen else EventRow.time > datetime.now(UTC) - RECENT
                seen = last
                yield set(connection.scalars(select(EventRow.conversation_id).where(new, number <= last)))
            elif looks * LOOK >= PAUSE:
                yield set()
                looks = 0


def _notifications(engine: Engine, stop: threading.Event) -> Iterator[set[str]]:
    import psycopg

    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"LISTEN {CHANNEL}"))
        driver: Any = connection.connection.driver_connection
        try:
            while not stop.is_set():
                yield {told.payload for told in driver.notifies(timeout=PAUSE, stop_after=1)}
        except psycopg.OperationalError as error:
            raise OSError(str(error)) from error
        finally:
            connection.invalidate()  # it goes on listening: nobody else shall have it
