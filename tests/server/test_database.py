"""What is opened, where, and who can read it."""

from __future__ import annotations

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text

from caesura.messages.errors import CaesuraError
from caesura.server.database import default_url, metadata, open_database, shown_url


def test_every_table_is_there_once_it_is_opened(database: Engine) -> None:
    assert set(inspect(database).get_table_names()) == set(metadata.tables)
    assert {"keys", "usage", "tool_decisions", "storage"} <= set(metadata.tables)


def test_what_was_written_is_there_when_it_is_opened_again(database_url: str) -> None:
    first = open_database(database_url)
    with first.begin() as connection:
        connection.execute(text("INSERT INTO storage VALUES ('a', 'w', 'n', 1, 2, 3, 4)"))
    first.dispose()
    second = open_database(database_url)
    with second.connect() as connection:
        assert connection.execute(text("SELECT id, cost_micros FROM storage")).all() == [("a", 4)]
    second.dispose()


def test_many_may_open_an_empty_database_at_once(database_url: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        opened = list(threads.map(open_database, [database_url] * 16))
    for each in opened:
        assert "keys" in inspect(each).get_table_names()
        each.dispose()


def test_a_table_of_another_version_is_refused_by_name(database_url: str) -> None:
    first = open_database(database_url)
    with first.begin() as connection:
        connection.execute(text("DROP TABLE storage"))
        connection.execute(text("CREATE TABLE storage (id VARCHAR, workspace VARCHAR, from_ms BIGINT)"))
    first.dispose()
    with pytest.raises(CaesuraError, match="its table `storage` has no column `cost_micros`"):
        open_database(database_url)


def test_sqlite_keeps_a_log_ahead_and_lets_readers_read(tmp_path: Path) -> None:
    opened = open_database(default_url(tmp_path))
    with opened.begin() as writer:
        writer.execute(text("INSERT INTO storage VALUES ('a', 'w', 'n', 1, 2, 3, 4)"))
        with opened.connect() as reader:
            assert reader.execute(text("PRAGMA journal_mode")).scalar() == "wal"
            assert reader.execute(text("PRAGMA foreign_keys")).scalar() == 1
            assert reader.execute(text("SELECT count(*) FROM storage")).scalar() == 0
    opened.dispose()


@pytest.mark.skipif(sys.platform == "win32", reason="modes mean nothing there")
def test_only_its_owner_can_read_the_file_and_those_beside_it(tmp_path: Path) -> None:
    opened = open_database(default_url(tmp_path / "state"))
    with opened.begin() as connection:
        connection.execute(text("INSERT INTO storage VALUES ('a', 'w', 'n', 1, 2, 3, 4)"))
    files = list((tmp_path / "state").iterdir())
    assert {path.name for path in files} == {f"caesura.sqlite{end}" for end in ("", "-wal", "-shm")}
    for path in (tmp_path / "state", *files):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    opened.dispose()


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "mysql://root@host/name", "postgresql://u:hunter2@host:port/x", "sqlite+aiosqlite:///x"],
)
def test_what_is_no_database_of_ours_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(CaesuraError, match="sqlite:////absolute/path or postgresql") as refused:
        open_database(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_that_would_not_outlive_the_process_is_refused(url: str) -> None:
    with pytest.raises(CaesuraError, match="needs a file"):
        open_database(url)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CaesuraError, match=r"cannot keep a database in .*file/caesura\.sqlite"):
        open_database(default_url(tmp_path / "file"))


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "caesura.sqlite"
    path.write_bytes(b"mine, and quite long enough to be read as a header of some kind" * 9)
    before = path.read_bytes()
    with pytest.raises(CaesuraError, match=r"cannot use the database sqlite.*not a database"):
        open_database(default_url(tmp_path))
    assert path.read_bytes() == before


def test_a_password_is_never_shown() -> None:
    assert "hunter2" not in shown_url("postgresql://me:hunter2@db.example/caesura")
    with pytest.raises(CaesuraError) as refused:
        open_database("postgresql://me:hunter2@127.0.0.1:1/caesura")
    assert "me:***@127.0.0.1:1/caesura" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_without_the_driver_postgres_says_how_to_install_it() -> None:
    script = """
import sys
sys.modules["psycopg"] = None
from caesura.messages.errors import CaesuraError
from caesura.server.database import open_database
try:
    open_database("postgres://me@127.0.0.1:1/x")
except CaesuraError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "pip install 'caesura[postgres]'" in result.stdout
