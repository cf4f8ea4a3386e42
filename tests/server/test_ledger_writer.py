"""What is put into the ledger is in it: on a bad day, too."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, func, select, text

from caesura.server.database import default_url, open_database
from caesura.server.keys import create_key, list_keys
from caesura.server.ledger import StorageRow, ToolDecision, UsageRow, storage, tool_decisions, usage
from caesura.server.ledger_writer import LedgerWriter
from tests.server.conftest import postgres_schema

WAIT_S = 60.0


def row(**fields: object) -> UsageRow:
    given: dict[str, object] = {
        "request_id": "req_1",
        "key_id": "key_1",
        "workspace": "w",
        "model": "nano",
        "service_tier": "standard",
        "started_ms": 1,
        "ended_ms": 2,
        "input_tokens": 3,
        "cache_read_tokens": 4,
        "cache_write_5m_tokens": 5,
        "cache_write_1h_tokens": 6,
        "output_tokens": 7,
        "thinking_tokens": 2,
        "status": "complete",
        "stop_reason": "end_turn",
        "cost_micros": 8,
    }
    return UsageRow(**{**given, **fields})  # type: ignore[arg-type]


DECISION = ToolDecision(
    request_id="req_1",
    key_id="key_1",
    workspace="w",
    model="nano",
    made_ms=5,
    position=1,
    tool_use_id="toolu_1",
    tool="search",
    arguments_sha256="a" * 64,
)


def count(database: Engine) -> int:
    with database.connect() as connection:
        return connection.execute(select(func.count()).select_from(usage)).scalar_one()


def wait_for_a_row(database: Engine) -> None:
    """Another thread or process writes it, and cannot tell us."""
    for _ in range(600):
        if count(database):
            return
        time.sleep(0.1)
    pytest.fail("no row was written")


@contextmanager
def locked(path: Path) -> Generator[None]:
    """While nobody else can write to the file."""
    holder = create_engine(f"sqlite:///{path}")
    with holder.connect() as connection:
        connection.execute(text("BEGIN IMMEDIATE"))
        yield
        connection.rollback()
    holder.dispose()


@pytest.fixture
def impatient(tmp_path: Path) -> Generator[Engine]:
    """A database in `tmp_path` whose writers give up at once."""
    open_database(default_url(tmp_path)).dispose()
    engine = create_engine(default_url(tmp_path), connect_args={"timeout": 0.01})
    yield engine
    engine.dispose()


def test_rows_of_every_kind_come_back_as_they_were_put(database: Engine) -> None:
    one, two = row(), row(stop_reason=None, status="cut")
    stored = StorageRow(workspace="w", name="a", size_bytes=10**12, from_ms=1, to_ms=2, cost_micros=3)
    with LedgerWriter(database) as ledger:
        ledger.put([one, DECISION])
        ledger.put([stored, two])
        assert ledger.flush(WAIT_S)
        with database.connect() as connection:
            read = [UsageRow(**each) for each in connection.execute(select(usage)).mappings()]
            assert sorted(read, key=lambda each: each.status) == [one, two]
            assert ToolDecision(**connection.execute(select(tool_decisions)).mappings().one()) == DECISION
            assert StorageRow(**connection.execute(select(storage)).mappings().one()) == stored


def test_nothing_is_lost_when_many_threads_put_and_the_end_comes_at_once(
    database: Engine,
) -> None:
    with LedgerWriter(database) as ledger, ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: ledger.put([row(request_id=f"req_{number}")]), range(1000)))
    assert count(database) == 1000


def test_rows_are_written_without_being_asked_for(database: Engine) -> None:
    with LedgerWriter(database) as ledger:
        ledger.put([row()])
        wait_for_a_row(database)


def test_keys_uses_are_noted_the_last_one_wins(database: Engine) -> None:
    _, key = create_key(database, "a")
    with LedgerWriter(database) as ledger:
        ledger.note_use(key.id, 10)
        ledger.note_use(key.id, 20)
        ledger.note_use("option_1", 30)
        assert ledger.flush(WAIT_S)
    assert list_keys(database)[0].last_used_ms == 20


def test_while_the_database_is_away_rows_wait_and_then_all_are_written(
    tmp_path: Path, impatient: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with LedgerWriter(impatient, max_pending=5, max_delay_s=0.0) as ledger:
        with locked(tmp_path / "caesura.sqlite"):
            ledger.put([row(), row(), row(), row()])
            assert not ledger.flush(0.5)
            assert not ledger.is_full
            ledger.put([row()])
            assert ledger.is_full
        assert ledger.flush(WAIT_S)
        assert not ledger.is_full
        assert count(impatient) == 5
    assert "the ledger cannot be written at present" in caplog.text


def test_putting_never_waits_for_the_database(tmp_path: Path, impatient: Engine) -> None:
    with LedgerWriter(impatient, max_delay_s=0.0) as ledger:
        with locked(tmp_path / "caesura.sqlite"):
            for _ in range(10_000):
                ledger.put([row()])
        assert ledger.flush(WAIT_S)
        assert count(impatient) == 10_000


def test_what_cannot_be_written_before_the_end_is_logged(
    tmp_path: Path, impatient: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = LedgerWriter(impatient, max_closing_s=0.05)
    with locked(tmp_path / "caesura.sqlite"):
        ledger.put([row(request_id="req_unwritten")])
        ledger.close()
    assert "not in the ledger" in caplog.text
    assert "req_unwritten" in caplog.text
    ledger.put([row(request_id="req_too_late")])
    assert "req_too_late" in caplog.text


def test_a_row_that_cannot_be_written_does_not_keep_the_others(
    database: Engine,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with LedgerWriter(database) as ledger, caplog.at_level(logging.ERROR):
        ledger.put([row(), row(request_id="req_bad", cost_micros=2**70), row()])
        assert ledger.flush(WAIT_S)
        ledger.put([row()])
        assert ledger.flush(WAIT_S)
    assert count(database) == 3
    assert "not in the ledger" in caplog.text
    assert "req_bad" in caplog.text


def test_a_row_that_is_written_twice_is_there_once(database: Engine) -> None:
    once, other = row(), row()
    with LedgerWriter(database) as ledger:
        ledger.put([once])
        assert ledger.flush(WAIT_S)
        ledger.put([replace(once), other])
        assert ledger.flush(WAIT_S)
    assert count(database) == 2


@pytest.mark.postgres
def test_connections_that_the_server_drops_cost_no_row() -> None:
    with postgres_schema() as url:
        opened, admin = open_database(url), open_database(url)
        with LedgerWriter(opened) as ledger:
            for number in range(5):
                ledger.put([row()])
                with admin.begin() as connection:
                    others = "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                    end = (
                        f"SELECT pg_terminate_backend(pid) FROM ({others} AND datname = current_database()) o"
                    )
                    connection.execute(text(end))
                assert ledger.flush(WAIT_S)
                assert count(admin) == number + 1
        opened.dispose()
        admin.dispose()


KILLED = """
import sys
from caesura.server.database import open_database
from caesura.server.ledger_writer import LedgerWriter
from tests.server.test_ledger_writer import row

ledger = LedgerWriter(open_database(sys.argv[1]))
ledger.put([row(request_id="req_before")])
sys.stdin.readline()
ledger.put([row(request_id="req_at_the_end")] * 50)
print("put", flush=True)
sys.stdin.readline()
"""


def test_after_a_kill_what_was_written_is_there_and_whole(tmp_path: Path) -> None:
    url = default_url(tmp_path)
    watching = open_database(url)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        # It comes although nobody asks for it and the process does not end.
        wait_for_a_row(watching)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "put\n"
        process.send_signal(signal.SIGKILL)
    watching.dispose()
    reopened = open_database(url)
    with reopened.connect() as connection:
        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
        names = set(connection.execute(select(usage.c.request_id)).scalars())
    assert "req_before" in names
    reopened.dispose()
