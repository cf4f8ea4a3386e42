"""What would take long to read from the segments: the keys in each, and when it was used. In SQLite.

The segments are the truth. A row that is wrong leads to a record with another key, which is a miss; rows
that are missing, because the process died before they were written, are read from the segment again. So the
file may be deleted at any time, and is when SQLite cannot read it.
Enters: rows, in batches, from one thread. Leaves: the same, at the next start. Read next: `disk_tier.py`.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from caesura.engine.page_keys import KEY_BYTES

INDEX_NAME = "index.sqlite"

_SCHEMA_VERSION = 1
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS segments (
        number INTEGER PRIMARY KEY, last_use INTEGER NOT NULL, used_at REAL NOT NULL,
        retain_until REAL NOT NULL);
    CREATE TABLE IF NOT EXISTS pages (place INTEGER PRIMARY KEY, key BLOB NOT NULL);
"""
_SLOT_BITS = 32
# SQLite's integers end at 2**63; a count beyond this was never counted.
_MAX_USE = 2**62

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentUse:
    """When a segment was used; see `page_map.py:Segment`."""

    number: int
    last_use: int = 0
    used_at: float = 0.0
    retain_until: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRow:
    """A record's key; empty for one that is damaged."""

    number: int
    slot: int
    key: bytes


class SegmentIndex:
    """The index of a folder."""

    def __init__(self, folder: Path) -> None:
        """Open it, or begin an empty one if it is missing, damaged or of another version."""
        self._path = folder / INDEX_NAME
        try:
            self._connection = _connect(self._path)
        except (sqlite3.Error, OSError) as error:
            _log.warning("the index %s is unreadable (%s); it is made anew", self._path, error)
            self._connection = self._begin()

    def recreate(self) -> None:
        """Begin an empty one: something in the file is damaged."""
        self._connection.close()
        self._connection = self._begin()

    def _begin(self) -> sqlite3.Connection:
        try:
            delete_index(self._path.parent)
            return _connect(self._path)
        except (sqlite3.Error, OSError) as error:
            # A full disk leaves no room for an index either. Without one only the next start is slower.
            _log.warning("no index can be kept in %s: %s", self._path.parent, error)
            connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            connection.executescript(_SCHEMA)
            return connection

    def uses(self) -> dict[int, SegmentUse]:
        """When each segment was used. Raises sqlite3.Error if the file is damaged."""
        return {use.number: use for use in _uses(self._connection)}

    def keys(self, number: int) -> list[bytes]:
        """The keys of a segment's records, in order; none if a row is missing between others."""
        first = number << _SLOT_BITS
        rows = self._connection.execute(
            "SELECT place, key FROM pages WHERE place BETWEEN ? AND ? ORDER BY place",
            (first, first + (1 << _SLOT_BITS) - 1),
        ).fetchall()
        has_gap = bool(rows) and rows[-1][0] != first + len(rows) - 1
        return [] if has_gap or not all(_is_key(row[1]) for row in rows) else [row[1] for row in rows]

    def save(self, pages: Iterable[PageRow], uses: Iterable[SegmentUse]) -> None:
        """Write rows, all or none. Raises sqlite3.Error."""
        with self._connection as connection:
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT OR REPLACE INTO pages VALUES (?, ?)",
                (((page.number << _SLOT_BITS) + page.slot, page.key) for page in pages),
            )
            connection.executemany(
                "INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?)",
                ((use.number, use.last_use, use.used_at, use.retain_until) for use in uses),
            )

    def replace(self, number: int, keys: Sequence[bytes]) -> None:
        """Write all rows of a segment anew. Raises sqlite3.Error."""
        self.drop([number])
        self.save((PageRow(number=number, slot=slot, key=key) for slot, key in enumerate(keys)), [])

    def drop(self, numbers: Sequence[int]) -> None:
        """Delete what is known of segments. Raises sqlite3.Error."""
        with self._connection as connection:
            connection.execute("BEGIN")
            for number in numbers:
                first = number << _SLOT_BITS
                last = first + (1 << _SLOT_BITS) - 1
                connection.execute("DELETE FROM pages WHERE place BETWEEN ? AND ?", (first, last))
                connection.execute("DELETE FROM segments WHERE number = ?", (number,))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def read_uses(folder: Path) -> dict[int, SegmentUse]:
    """When each segment was used, while perhaps another process writes; empty if that cannot be told."""
    path = folder / INDEX_NAME
    if not path.exists():
        return {}
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as it,
    ):
        return {use.number: use for use in _uses(it)}
    return {}


def delete_index(folder: Path) -> None:
    """Delete the file and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        (folder / f"{INDEX_NAME}{suffix}").unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    # SQLite gives the files beside it the same mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, _SCHEMA_VERSION):
            raise sqlite3.DatabaseError(f"its version is {version}, not {_SCHEMA_VERSION}")
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _uses(connection: sqlite3.Connection) -> list[SegmentUse]:
    rows = connection.execute("SELECT number, last_use, used_at, retain_until FROM segments").fetchall()
    # SQLite keeps whatever type a damaged row claims.
    return [
        SegmentUse(number=number, last_use=last_use, used_at=used_at, retain_until=retain_until)
        for number, last_use, used_at, retain_until in rows
        if isinstance(last_use, int) and isinstance(used_at, float) and isinstance(retain_until, float)
        if 0 <= last_use <= _MAX_USE
    ]


def _is_key(value: object) -> bool:
    return isinstance(value, bytes) and len(value) in (0, KEY_BYTES)
