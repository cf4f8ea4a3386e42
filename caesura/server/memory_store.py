"""Memories that outlive conversations: one folder of files for each tenant.

A tenant's folder is named by a hash, so nothing of a key or a workspace becomes a path; the file `tenant` in
it says whose it is, for `caesura memory`. Calls of one tenant take turns, those of other processes too.

Every method may block. Enters: a tenant, and a call's input. Leaves: what the model is told. Read next:
`memory_commands.py`; `memory_client.py`, which asks.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caesura.messages.errors import CaesuraError
from caesura.server.memory_commands import run_command
from caesura.server.memory_folder import Entry, MemoryFolder, MemoryLimits
from caesura.server.memory_paths import MemoryRefusal

if sys.platform != "win32":
    import fcntl

_TENANT_FILE, _LOCK_FILE, _FILES = "tenant", "lock", "files"
_NUM_HASH_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryAnswer:
    """What came of a call.

    text: what the model is told.
    is_error: whether nothing was done.
    """

    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """One tenant's memory, for people.

    id: names its folder.
    tenant: whose it is.
    entries: what is in it.
    """

    id: str
    tenant: str
    entries: tuple[Entry, ...]


class MemoryStore:
    """A folder of tenants' memories. Safe on several threads, and beside other processes."""

    def __init__(self, root: Path, limits: MemoryLimits | None = None) -> None:
        """root: made when something is first written. Raises CaesuraError where no memory can be kept."""
        if sys.platform == "win32":
            raise CaesuraError("there is no memory on Windows; serve without --memory-folder")
        if root.exists() and not root.is_dir():
            raise CaesuraError(f"{root} is no folder; name another for the memory")
        self._root = root
        self._limits = limits or MemoryLimits()
        self._locks: dict[str, threading.Lock] = {}
        self._locks_lock = threading.Lock()

    def run(self, tenant: str, given: Mapping[str, Any]) -> MemoryAnswer:
        """Carry out one call."""
        place = self._root / _hash(tenant)
        try:
            with self._turn(place, tenant):
                return MemoryAnswer(text=run_command(MemoryFolder(place / _FILES, self._limits), given))
        except MemoryRefusal as refusal:
            return MemoryAnswer(text=f"Nothing was done: {refusal}.", is_error=True)

    def all(self) -> list[Remembered]:
        """Every tenant's memory."""
        if not self._root.is_dir():
            return []
        places = sorted(path for path in self._root.iterdir() if (path / _TENANT_FILE).is_file())
        return [self._remembered(place) for place in places]

    def read(self, memory_id: str, names: tuple[str, ...]) -> str:
        """A file's text. Raises MemoryRefusal."""
        return MemoryFolder(self._root / memory_id / _FILES, self._limits).read(names)

    def clear(self, memory_id: str) -> None:
        """Forget everything of one tenant."""
        place = self._root / memory_id
        tenant = (place / _TENANT_FILE).read_text(encoding="utf-8")
        with self._turn(place, tenant):
            # The lock stays, for a lock on a file that is gone protects nothing.
            shutil.rmtree(place / _FILES, ignore_errors=True)

    def _remembered(self, place: Path) -> Remembered:
        entries = MemoryFolder(place / _FILES, self._limits).entries()
        tenant = (place / _TENANT_FILE).read_text(encoding="utf-8")
        return Remembered(id=place.name, tenant=tenant, entries=tuple(entries))

    @contextmanager
    def _turn(self, place: Path, tenant: str) -> Generator[None]:
        """While it lasts, nobody else works on this tenant's folder."""
        with self._lock_of(place.name):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(place / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if not (place / _TENANT_FILE).exists():
                    (place / _TENANT_FILE).write_text(tenant, encoding="utf-8")
                yield
            finally:
                os.close(file)

    def _lock_of(self, name: str) -> threading.Lock:
        with self._locks_lock:
            return self._locks.setdefault(name, threading.Lock())


def _hash(tenant: str) -> str:
    return hashlib.blake2b(tenant.encode("utf-8", "surrogatepass"), digest_size=_NUM_HASH_BYTES).hexdigest()
