"""The database: keys, the ledger, and whatever else must outlive the server.

SQLite in a file of ours unless an operator names a PostgreSQL server. Tables are SQLAlchemy Core, declared
on `metadata` by the modules that own them, and made when the database is opened.

Enters: a URL. Leaves: a SQLAlchemy engine whose tables are there. Read next: `keys.py`, `ledger.py`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, MetaData, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.schema import CreateIndex, CreateTable

from caesura.messages.errors import CaesuraError

metadata = MetaData()

_FILE_NAME = "caesura.sqlite"
# How long a writer waits for another process that writes to the same file.
_BUSY_TIMEOUT_S = 10.0
_CONNECT_TIMEOUT_S = 5
# Any number, so long as nothing else in the same PostgreSQL database locks it.
_SCHEMA_LOCK = 0xCAE5
_POSTGRES_NAMES = ("postgres", "postgresql", "postgresql+psycopg")


def default_url(folder: Path) -> str:
    """The database in the state folder."""
    return URL.create("sqlite", database=str(folder / _FILE_NAME)).render_as_string()


def shown_url(url: str) -> str:
    """A database's URL as it may be shown: without its password."""
    return _parsed(url).render_as_string(hide_password=True)


def open_database(url: str) -> Engine:
    """The database behind `sqlite:///PATH` or `postgresql://...`, with every table of `metadata`.

    Whoever opens it disposes of it. Raises CaesuraError for one that cannot be used.
    """
    parsed = _parsed(url)
    database = _sqlite(parsed) if parsed.drivername == "sqlite" else _postgres(parsed)
    try:
        _make_tables(database)
    except (DBAPIError, CaesuraError) as error:
        database.dispose()
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise CaesuraError(f"cannot use the database {shown_url(url)}: {cause}") from error
    return database


def milliseconds(clock: Callable[[], float] = time.time) -> int:
    """The time as tables hold it: milliseconds since 1970, UTC."""
    return round(clock() * 1000)


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # What cannot be read may hold a password all the same, so it is not repeated.
        parsed = None
    if parsed is None or parsed.drivername not in ("sqlite", *_POSTGRES_NAMES):
        raise CaesuraError(
            "a database is named by sqlite:////absolute/path or postgresql://user:password@host/name"
        )
    return parsed


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise CaesuraError("the database needs a file: sqlite:////absolute/path")
    try:
        _make_private_file(Path(url.database))
    except OSError as error:
        raise CaesuraError(f"cannot keep a database in {url.database}: {error.strerror}") from error
    database = create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_S})
    event.listen(database, "connect", _prepare_sqlite)
    return database


def _make_private_file(path: Path) -> None:
    """Only its owner may read it; SQLite gives the files that it puts beside it the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _prepare_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _postgres(url: URL) -> Engine:
    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={"connect_timeout": _CONNECT_TIMEOUT_S},
            # A connection may have died since it was used last.
            pool_pre_ping=True,
        )
    except ModuleNotFoundError as error:
        raise CaesuraError("PostgreSQL needs a driver: pip install 'caesura[postgres]'") from error


def _make_tables(database: Engine) -> None:
    """Make what is missing. Several processes may do so at once."""
    with database.begin() as connection:
        _lock_schema(connection)
        for table in metadata.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in sorted(table.indexes, key=lambda each: str(each.name)):
                connection.execute(CreateIndex(index, if_not_exists=True))
        _check_columns(connection)


def _lock_schema(connection: Connection) -> None:
    # Without it two processes that both see no table both make it, and one fails.
    if connection.dialect.name == "sqlite":
        connection.execute(text("BEGIN IMMEDIATE"))
    else:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})"))


def _check_columns(connection: Connection) -> None:
    """A table of another version of Caesura is refused now, rather than in the middle of a request."""
    inspector = inspect(connection)
    for table in metadata.sorted_tables:
        missing = set(table.columns.keys()) - {column["name"] for column in inspector.get_columns(table.name)}
        if missing:
            raise CaesuraError(
                f"its table `{table.name}` has no column `{min(missing)}`; another version of Caesura made"
                " it. Name another database, or move this one away"
            )
