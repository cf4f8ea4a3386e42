"""What the verbs about keys and money share: where the database is, what times mean, how numbers look.

Enters: options, which are declared here. Leaves: a database, times, texts. Read next: `keys.py`, `usage.py`,
`serve.py`, which use it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine

from caesura.cli.state import state_folder
from caesura.messages.errors import CaesuraError
from caesura.server.database import default_url, open_database

Database = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="CAESURA_DATABASE",
        help="Keys and the ledger: sqlite:////PATH or postgresql://...; default: a file in the state folder.",
    ),
]
PriceList = Annotated[
    Path | None, typer.Option(metavar="FILE", help="What tokens cost, as TOML; default: see docs/keys.md.")
]

_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


def database_url(url: str | None) -> str:
    """The database that an option names, or the one in the state folder."""
    return url or default_url(state_folder(os.environ))


@contextmanager
def opened(url: str | None) -> Generator[Engine]:
    """The database that an option names. Raises CaesuraError."""
    database = open_database(database_url(url))
    try:
        yield database
    finally:
        database.dispose()


def parse_since(word: str | None, *, now_ms: int) -> int:
    """`30m`, `12h`, `7d` ago, or a day such as 2026-11-01 (UTC), as milliseconds since 1970; None: ever."""
    if word is None:
        return 0
    if found := re.fullmatch(r"(\d{1,6})([mhd])", word, re.ASCII):
        return max(0, now_ms - int(found.group(1)) * _UNIT_MS[found.group(2)])
    try:
        day = datetime.strptime(word, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise CaesuraError(f"--since takes 30m, 12h, 7d or a day such as 2026-11-01, not `{word}`") from None
    return round(day.timestamp() * 1000)


def shown_time(time_ms: int | None) -> str:
    """To the minute, in this machine's time; empty for what has not happened."""
    return "" if time_ms is None else datetime.fromtimestamp(time_ms / 1000).strftime("%Y-%m-%d %H:%M")


def iso_time(time_ms: int | None) -> str | None:
    """For programs: to the millisecond, UTC."""
    if time_ms is None:
        return None
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
