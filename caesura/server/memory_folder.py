"""One tenant's memory on disk.

Every step goes from an open folder to a name in it and never through a link, so nothing that is swapped
meanwhile leads elsewhere. A file is written beside its place and renamed into it. Every method may block, and
expects that nobody else works on the folder meanwhile (see `memory_store.py`, which takes care of that).

Enters: names, from `memory_paths.py`, and text. Leaves: text, sizes, or a `MemoryRefusal`. Read next:
`memory_commands.py`.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from caesura.server.memory_paths import MAX_DEPTH, MemoryRefusal, path_of

Names = tuple[str, ...]
# Windows has none of these, and no memory either (see `memory_store.py`).
_GUARDED = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FOLDER_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _GUARDED
_FILE_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _GUARDED
_NEW_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _GUARDED
_UNFINISHED_PREFIX = ".unfinished-"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimits:
    """How much may be remembered.

    max_file_bytes: in one file. max_bytes: in all files of a tenant together.
    max_entries: files and folders of a tenant.
    """

    max_file_bytes: int = 64 * 1024
    max_bytes: int = 1024 * 1024
    max_entries: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something in the memory.

    names: from the root.
    is_folder: or else a file.
    size_bytes: of a file; 0 for a folder.
    """

    names: Names
    is_folder: bool
    size_bytes: int


class MemoryFolder:
    """Files and folders below one folder."""

    def __init__(self, root: Path, limits: MemoryLimits) -> None:
        """root: made when something is first written."""
        self._root = root
        self._limits = limits

    def entries(self, names: Names = ()) -> list[Entry]:
        """Everything below a folder, in order; nothing that is neither file nor folder, nor hidden."""
        with self._folder(names) as folder:
            return [] if folder is None else list(_walk(folder, names))

    def kind(self, names: Names) -> str | None:
        """`file`, `folder`, or None where there is nothing that counts."""
        if not names:
            return "folder"
        with self._folder(names[:-1]) as folder:
            if folder is None:
                return None
            return _kind(folder, names[-1])

    def read(self, names: Names) -> str:
        """A file's text."""
        with self._folder(names[:-1]) as folder:
            if not names or folder is None or _kind(folder, names[-1]) != "file":
                raise MemoryRefusal(f"there is no file {path_of(names)}")
            descriptor = os.open(names[-1], _FILE_FLAGS, dir_fd=folder)
            with os.fdopen(descriptor, "rb") as file:
                # Somebody else may have put a larger one there.
                data = file.read(self._limits.max_file_bytes + 1)
        if len(data) > self._limits.max_file_bytes:
            raise MemoryRefusal(f"{path_of(names)} is larger than a memory file may be")
        return data.decode("utf-8", "replace")

    def write(self, names: Names, text: str) -> None:
        """Put a whole file in its place, making the folders on the way."""
        if not names:
            raise MemoryRefusal("the path names the memory itself; name a file in it")
        data = text.encode("utf-8", "replace")
        self._check_room(names, len(data))
        with self._folder(names[:-1], makes=True) as folder:
            if folder is None or _kind(folder, names[-1]) == "folder":
                raise MemoryRefusal(f"{path_of(names)} is a folder")
            _check_case(folder, names)
            _write(folder, names[-1], data)

    def remove(self, names: Names) -> None:
        """Delete a file, or a folder with all that is in it."""
        if not names:
            raise MemoryRefusal("the memory itself cannot be deleted; delete what is in it")
        with self._folder(names[:-1]) as folder:
            kind = None if folder is None else _kind(folder, names[-1])
            if folder is None or kind is None:
                raise MemoryRefusal(f"there is nothing at {path_of(names)}")
            _remove(folder, names[-1])

    def rename(self, old: Names, new: Names) -> None:
        """Move a file or a folder to a place where there is nothing yet."""
        if not old or not new:
            raise MemoryRefusal("the memory itself cannot be renamed")
        if new[: len(old)] == old and len(new) > len(old):
            raise MemoryRefusal("a folder cannot be moved into itself")
        if self.kind(old) is None:
            raise MemoryRefusal(f"there is nothing at {path_of(old)}")
        deepest = max((len(entry.names) for entry in self._below(old)), default=len(old))
        if len(new) + deepest - len(old) > MAX_DEPTH:
            raise MemoryRefusal(f"what is in {path_of(old)} would be more than {MAX_DEPTH} parts deep")
        # Folders may have to be made on the way.
        self._check_room(new, 0)
        with self._folder(old[:-1]) as source, self._folder(new[:-1], makes=True) as target:
            if source is None or target is None or _exists(target, new[-1]):
                raise MemoryRefusal(f"there is something at {path_of(new)} already")
            if old[:-1] != new[:-1] or old[-1].casefold() != new[-1].casefold():
                _check_case(target, new)
            os.rename(old[-1], new[-1], src_dir_fd=source, dst_dir_fd=target)
            os.fsync(target)

    def _below(self, names: Names) -> list[Entry]:
        return self.entries(names) if self.kind(names) == "folder" else []

    def _check_room(self, names: Names, size_bytes: int) -> None:
        limits, entries = self._limits, self.entries()
        if size_bytes > limits.max_file_bytes:
            raise MemoryRefusal(
                f"the file would have {size_bytes} bytes, and {limits.max_file_bytes} is the most;"
                " write less, or several files"
            )
        others = [entry for entry in entries if entry.names != names]
        total = sum(entry.size_bytes for entry in others) + size_bytes
        if total > limits.max_bytes:
            raise MemoryRefusal(
                f"the memory would hold {total} bytes, and {limits.max_bytes} is the most; delete what is no"
                " longer needed"
            )
        known = {entry.names for entry in entries}
        added = sum(names[: depth + 1] not in known for depth in range(len(names)))
        if len(entries) + added > limits.max_entries:
            raise MemoryRefusal(
                f"the memory holds {limits.max_entries} files and folders at most; delete what is no longer"
                " needed"
            )

    @contextmanager
    def _folder(self, names: Names, *, makes: bool = False) -> Generator[int | None]:
        """An open folder; None where there is none. Raises MemoryRefusal for a step through a file."""
        if makes:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = _open_folder(self._root)
        try:
            for depth in range(1, len(names) + 1):
                if descriptor is None:
                    break
                inner = _enter(descriptor, names[:depth], makes=makes)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            if descriptor is not None:
                os.close(descriptor)


def _open_folder(path: Path) -> int | None:
    try:
        return os.open(path, _FOLDER_FLAGS)
    except FileNotFoundError:
        return None


def _enter(folder: int, names: Names, *, makes: bool) -> int | None:
    name = names[-1]
    kind = _kind(folder, name)
    if kind is None and makes:
        _check_case(folder, names)
        os.mkdir(name, mode=0o700, dir_fd=folder)
    elif kind is None:
        return None
    elif kind == "file":
        raise MemoryRefusal(f"{path_of(names)} is a file, and nothing can be below it")
    return os.open(name, _FOLDER_FLAGS, dir_fd=folder)


def _kind(folder: int, name: str) -> str | None:
    """What a name stands for; links and whatever else is put there count as nothing."""
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None
    # On a file system that does not tell cases apart, another name answers too.
    if name not in os.listdir(folder):
        return None
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else None


def _exists(folder: int, name: str) -> bool:
    """Whether a name is taken, by whatever it is."""
    return name in os.listdir(folder)


def _check_case(folder: int, names: Names) -> None:
    """Refuse a name that differs from a neighbour's only in case, and one that a link has taken."""
    name = names[-1]
    for other in os.listdir(folder):
        if other != name and other.casefold() == name.casefold():
            taken = path_of((*names[:-1], other))
            raise MemoryRefusal(f"{path_of(names)} differs from {taken} only in case; use that name")
        if other == name and _kind(folder, name) is None:
            raise MemoryRefusal(f"{path_of(names)} is taken by something that is no memory file")


def _walk(folder: int, names: Names) -> Iterator[Entry]:
    for name in sorted(os.listdir(folder)):
        kind = None if name.startswith(".") else _kind(folder, name)
        inner = (*names, name)
        if kind == "file":
            size_bytes = os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
            yield Entry(names=inner, is_folder=False, size_bytes=size_bytes)
        elif kind == "folder":
            yield Entry(names=inner, is_folder=True, size_bytes=0)
            descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=folder)
            try:
                yield from _walk(descriptor, inner)
            finally:
                os.close(descriptor)


def _write(folder: int, name: str, data: bytes) -> None:
    # Nobody else writes here now, so these are what a crash has left.
    for left in os.listdir(folder):
        if left.startswith(_UNFINISHED_PREFIX):
            os.unlink(left, dir_fd=folder)
    unfinished = f"{_UNFINISHED_PREFIX}{secrets.token_hex(8)}"
    descriptor = os.open(unfinished, _NEW_FILE_FLAGS, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(unfinished, dir_fd=folder)
        raise
    os.fsync(folder)


def _remove(folder: int, name: str) -> None:
    if _kind(folder, name) != "folder":
        os.unlink(name, dir_fd=folder)
        return
    descriptor = os.open(name, _FOLDER_FLAGS, dir_fd=folder)
    try:
        for inner in os.listdir(descriptor):
            _remove(descriptor, inner)
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=folder)
