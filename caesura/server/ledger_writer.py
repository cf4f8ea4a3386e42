"""Writes the ledger beside the event loop, so that no stream waits for a disk.

Rows are taken at once and written together by one thread, a quarter of a second later at most: that much is
lost when the process is killed, and nothing when it is told to stop. While the database cannot be reached,
rows wait; when too many do, `is_full` says so, and new requests are refused until there is room. So memory is
bounded, and no reply goes unbilled.

Enters: rows, from any thread. Leaves: rows in the database. Read next: `ledger.py`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Self

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from caesura.server.keys import note_uses
from caesura.server.ledger import TABLES, LedgerRow

logger = logging.getLogger(__name__)

_MAX_DELAY_S = 0.25
_MAX_PENDING = 20_000
_MIN_RETRY_S, _MAX_RETRY_S = 0.25, 5.0
# How long the end waits for a database that does not answer.
_MAX_CLOSING_S = 10.0


class LedgerWriter:
    """One thread and what waits for it; close it, or use it in `with`."""

    def __init__(
        self,
        database: Engine,
        *,
        max_delay_s: float = _MAX_DELAY_S,
        max_pending: int = _MAX_PENDING,
        max_closing_s: float = _MAX_CLOSING_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """max_delay_s: between a row and its writing. max_pending: rows that may wait before `is_full`.

        max_closing_s: how long `close` tries to write what waits. clock: seconds that never go back.
        """
        self._database = database
        self._max_delay_s = max_delay_s
        self._max_pending = max_pending
        self._max_closing_s = max_closing_s
        self._clock = clock
        self._condition = threading.Condition()
        self._waiting: list[LedgerRow] = []
        self._uses: dict[str, int] = {}
        self._num_unwritten = 0
        self._is_writing = False
        self._num_flushing = 0
        self._close_by_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="caesura-ledger", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def is_full(self) -> bool:
        """Whether so much waits that nothing further should be begun."""
        return self._num_unwritten >= self._max_pending

    def put(self, rows: Sequence[LedgerRow]) -> None:
        """Take rows. It neither blocks nor fails."""
        with self._condition:
            if not self._thread.is_alive():
                _log_lost(rows)
                return
            self._waiting += rows
            self._num_unwritten += len(rows)
            self._condition.notify_all()

    def note_use(self, key_id: str, used_ms: int) -> None:
        """Take note of when a key was used; of several times the last one is written."""
        with self._condition:
            self._uses[key_id] = used_ms
            self._condition.notify_all()

    def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until everything that was put is written; False if that took too long."""
        with self._condition:
            self._num_flushing += 1
            self._condition.notify_all()
            try:
                return self._condition.wait_for(self._is_idle, timeout_s)
            finally:
                self._num_flushing -= 1

    def close(self) -> None:
        """Write everything and end the thread. What cannot be written is logged, row by row."""
        with self._condition:
            self._close_by_s = self._clock() + self._max_closing_s
            self._condition.notify_all()
        self._thread.join()
        _log_lost(self._waiting)

    def _is_idle(self) -> bool:
        return not (self._num_unwritten or self._uses or self._is_writing)

    def _is_urgent(self) -> bool:
        return self._close_by_s is not None or self._num_flushing > 0

    def _run(self) -> None:
        retry_s = _MIN_RETRY_S
        while self._wait_for_rows():
            with self._condition:
                rows, self._waiting = self._waiting, []
                uses, self._uses = self._uses, {}
                self._is_writing = True
            if self._write(rows, uses):
                retry_s = _MIN_RETRY_S
                self._forget(len(rows))
                continue
            self._take_back(rows, uses)
            if not self._may_try_again(retry_s):
                return
            retry_s = min(2 * retry_s, _MAX_RETRY_S)

    def _wait_for_rows(self) -> bool:
        """Sleep until there is something, and a little longer for its company; False at the end."""
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._uses or self._close_by_s is not None)
            self._condition.wait_for(self._is_urgent, self._max_delay_s)
            return bool(self._waiting or self._uses)

    def _forget(self, num_rows: int) -> None:
        with self._condition:
            self._num_unwritten -= num_rows
            self._is_writing = False
            self._condition.notify_all()

    def _take_back(self, rows: list[LedgerRow], uses: dict[str, int]) -> None:
        with self._condition:
            self._waiting = rows + self._waiting
            self._uses = uses | self._uses
            self._is_writing = False

    def _may_try_again(self, retry_s: float) -> bool:
        """Wait for a while; False once closing has taken too long."""
        with self._condition:
            self._condition.wait_for(lambda: self._close_by_s is not None, retry_s)
            if self._close_by_s is None:
                return True
            remaining_s = self._close_by_s - self._clock()
            self._condition.wait_for(lambda: False, min(retry_s, max(0.0, remaining_s)))
            return remaining_s > 0

    def _write(self, rows: list[LedgerRow], uses: dict[str, int]) -> bool:
        """Whether everything has been dealt with; False: the database could not be reached."""
        try:
            with self._database.begin() as connection:
                _insert(connection, rows)
                note_uses(connection, uses)
            return True
        except DBAPIError as error:
            if not isinstance(error, IntegrityError | DataError):
                logger.error(
                    "the ledger cannot be written at present; %d rows wait: %s", len(rows), error.orig
                )
                return False
            logger.exception("rows of the ledger were refused; they are written one by one")
        except Exception:  # the thread is everyone's: a row that cannot be written must not end it
            logger.exception("rows of the ledger cannot be written; they are tried one by one")
        return self._write_singly(rows)

    def _write_singly(self, rows: list[LedgerRow]) -> bool:
        """All that can be written. A row that is there already, after a commit whose answer was lost, is
        refused, and that is right.
        """
        for row in rows:
            try:
                with self._database.begin() as connection:
                    _insert(connection, [row])
            except Exception as error:  # as above
                if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError | DataError):
                    return False
                logger.error("not in the ledger: %s (%s)", row, error)
        return True


def _log_lost(rows: Sequence[LedgerRow]) -> None:
    for row in rows:
        logger.error("not in the ledger: %s", row)


def _insert(connection: Connection, rows: Sequence[LedgerRow]) -> None:
    for kind, table in TABLES.items():
        of_kind = [asdict(row) for row in rows if isinstance(row, kind)]
        if of_kind:
            connection.execute(table.insert(), of_kind)
