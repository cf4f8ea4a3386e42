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
        """The folder is made if need be. Raises FolderInUseError, or OSError if it cannot be made."""
        if sys.platform == "win32":
            raise CaesuraError("there is no disk cache on Windows; serve without --cache-dir")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
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
