"""Files in a folder and a table."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from caesura.messages.errors import InvalidRequestError, NotFoundError
from caesura.server.file_store import FileStore, StoredFile
from tests.server.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, database: Engine, clock: Clock) -> FileStore:
    return FileStore(tmp_path / "files", database, clock=clock)


def put(store: FileStore, data: bytes = b"hello", tenant: str = "t", **fields: Any) -> StoredFile:
    with store.receive() as incoming:
        incoming.write(data[:2])
        incoming.write(data[2:])
        given: dict[str, Any] = {"filename": "a.txt", "mime_type": "text/plain"} | fields
        return store.add(incoming, tenant=tenant, **given)


def content(store: FileStore, stored: StoredFile) -> bytes:
    with store.open(stored) as file:
        return file.read()


def objects(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "files").rglob("*") if path.is_file()]


def test_what_was_put_is_there(store: FileStore) -> None:
    stored = put(store)
    assert store.find("t", stored.id) == stored
    assert content(store, stored) == b"hello"
    assert (stored.size_bytes, stored.sha256) == (5, hashlib.sha256(b"hello").hexdigest())


def test_nobody_else_sees_it(store: FileStore) -> None:
    stored = put(store)
    for look in (store.find, store.delete):
        with pytest.raises(NotFoundError):
            look("other", stored.id)
    assert store.newest("other", limit=9) == store.named("other", [stored.id]) == []
    assert content(store, store.find("t", stored.id)) == b"hello"


def test_it_outlives_the_store(store: FileStore, tmp_path: Path, database: Engine) -> None:
    stored = put(store)
    again = FileStore(tmp_path / "files", database)
    assert again.find("t", stored.id) == stored
    assert content(again, stored) == b"hello"


def test_the_same_bytes_are_kept_once_until_nobody_has_them(store: FileStore, tmp_path: Path) -> None:
    first, second = put(store), put(store, tenant="other", filename="b.txt")
    assert first.id != second.id
    assert len(objects(tmp_path)) == 1
    store.delete("t", first.id)
    assert content(store, second) == b"hello"
    store.delete("other", second.id)
    assert objects(tmp_path) == []
    with pytest.raises(NotFoundError):
        store.find("other", second.id)


@pytest.mark.parametrize("name", ["../../escape", "/etc/passwd", "..\\..\\escape", "a\0b", "CON", "x" * 400])
def test_no_name_becomes_a_path(store: FileStore, tmp_path: Path, name: str) -> None:
    before = {path for path in tmp_path.rglob("*") if "files" not in path.parts}
    if "\0" not in name:
        assert store.find("t", put(store, filename=name, tenant="t").id).filename == name
    with pytest.raises(NotFoundError):
        store.find("t", name)
    with pytest.raises(NotFoundError):
        store.delete("t", name)
    assert all(len(path.name) == 62 and len(path.parent.name) == 2 for path in objects(tmp_path))
    assert {path for path in tmp_path.rglob("*") if "files" not in path.parts} == before


def test_bytes_that_are_never_added_are_gone(store: FileStore, tmp_path: Path) -> None:
    with store.receive() as incoming:
        incoming.write(b"half")
    assert objects(tmp_path) == []


def test_a_start_sweeps_what_a_crash_left(store: FileStore, tmp_path: Path, database: Engine) -> None:
    stored = put(store)
    torn = tmp_path / "files" / "incoming" / "torn"
    stray = tmp_path / "files" / "objects" / "ab" / ("c" * 62)
    stray.parent.mkdir(exist_ok=True)
    for path in (torn, stray):
        path.write_bytes(b"x")
    FileStore(tmp_path / "files", database)
    assert len(objects(tmp_path)) == 3, "somebody may be writing these"
    for path in objects(tmp_path):
        os.utime(path, (0, 0))
    again = FileStore(tmp_path / "files", database)
    assert len(objects(tmp_path)) == 1
    assert content(again, stored) == b"hello"


def test_files_are_listed_from_the_newest_on_both_ways(store: FileStore, clock: Clock) -> None:
    made: list[StoredFile] = []
    for number in range(6):
        # Some share a moment.
        clock.now_s += number % 2
        made.append(put(store, str(number).encode()))
    newest = store.newest("t", limit=99)
    assert {stored.id for stored in newest} == {stored.id for stored in made}
    places = [(stored.created_ms, stored.id) for stored in newest]
    assert places == sorted(places, reverse=True)
    for index, place in enumerate(places):
        assert store.newest("t", limit=2, after=place) == newest[index + 1 : index + 3]
        assert store.newest("t", limit=2, before=place) == newest[max(0, index - 2) : index]
    assert store.named("t", [made[3].id, "file_none", made[1].id]) == [
        stored for stored in newest if stored.id in (made[3].id, made[1].id)
    ]


def test_an_expired_file_is_described_and_its_bytes_are_gone(
    store: FileStore, clock: Clock, tmp_path: Path
) -> None:
    stored = put(store, expires_in_s=60)
    assert stored.expires_ms == stored.created_ms + 60_000
    clock.now_s += 59
    assert content(store, stored) == b"hello"
    clock.now_s += 1
    with pytest.raises(NotFoundError, match="has expired") as caught:
        store.open(stored)
    assert caught.value.error_code == "file_expired"
    kept = put(store, b"other")
    assert len(objects(tmp_path)) == 1
    assert [each.id for each in store.newest("t", limit=9)] == [kept.id, stored.id]
    store.delete("t", stored.id)
    assert content(store, kept) == b"other"


def test_an_expired_file_does_not_take_anothers_bytes_along(store: FileStore, clock: Clock) -> None:
    put(store, expires_in_s=60)
    kept = put(store)
    clock.now_s += 61
    store.sweep()
    assert content(store, kept) == b"hello"


def test_there_is_room_for_so_much_and_no_more(tmp_path: Path, database: Engine, clock: Clock) -> None:
    store = FileStore(tmp_path / "files", database, max_bytes=10, clock=clock)
    first = put(store, b"12345", expires_in_s=60)
    put(store, b"12345")
    with pytest.raises(InvalidRequestError, match="do not fit") as caught:
        put(store, b"6")
    assert caught.value.error_code == "storage_quota_exceeded"
    assert len(objects(tmp_path)) == 1
    clock.now_s += 61
    assert put(store, b"6").size_bytes == 1
    store.delete("t", first.id)


def test_many_at_once_do_not_lose_each_others_bytes(store: FileStore) -> None:
    def put_and_delete(number: int) -> bytes:
        mine = put(store, b"same", tenant=str(number))
        read = content(store, mine)
        store.delete(str(number), mine.id)
        return read

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(put_and_delete, range(40))) == {b"same"}


def test_the_folder_is_private(store: FileStore, tmp_path: Path) -> None:
    put(store)
    assert (tmp_path / "files").stat().st_mode & 0o077 == 0
