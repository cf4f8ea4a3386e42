"""One process at a time in a cache folder.

The system lets go of the lock when its process ends, however it ends. Two writers would each reclaim what
the other still needs, so the second is refused.
Enters: a folder. Leaves: a lock that is held, or FolderInUseError. Read next: `disk_tier.py`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from caesura.messages.errors import CaesuraError

if sys.platform != "win32":
    import fcntl

_LOCK_NAME = "lock"

# The name and the first line by which backup programs know a cache (bford.info/cachedir).
_TAG_NAME = "CACHEDIR.TAG"
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Pages that Caesura has computed; safe to delete.\n"


class FolderInUseError(CaesuraError):
    """Another process holds the cache folder.

    holder: its number, as far as it is known.
    """

    def __init__(self, folder: Path, holder: str) -> None:
        super().__init__(
            f"the cache folder {folder} is in use by process {holder};"
            " stop that process, or give this one a folder of its own"
        )
        self.holder = holder


class FolderLock:
    """Held from its making until `release`."""

    def __init__(self, folder: Path) -> None:
        """The folder is made if need be. Raises FolderInUseError, CaesuraError if the folder holds somebody
        else's files, or OSError if it cannot be made.
        """
        if sys.platform == "win32":
            raise CaesuraError("there is no disk cache on Windows; serve without --cache-dir")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _claim(folder)
        self._file = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise FolderInUseError(folder, holder) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go; the file stays, because a lock on a file that is gone protects nothing."""
        os.close(self._file)


def is_cache_folder(folder: Path) -> bool:
    """Whether it was made, or claimed, as a cache."""
    return (folder / _TAG_NAME).is_file()


def _claim(folder: Path) -> None:
    """Our files have common names, so a folder with files of somebody else's is not touched."""
    if any(folder.iterdir()):
        # Asked second: whoever starts beside us makes the tag before any other file.
        if is_cache_folder(folder):
            return
        raise CaesuraError(f"{folder} holds other files and is no cache folder; name an empty or a new one")
    with open(os.open(folder / _TAG_NAME, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
        file.write(_TAG)
