"""Whether what a job will write fits on the disk, before it starts.

Enters: a folder and an estimate. Leaves: nothing, or a ValueError with the bytes. Read next: `revisions.py`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

# What others may write meanwhile.
_MARGIN_BYTES = 50_000_000


def free_bytes(folder: Path) -> int:
    """What is left on the disk that a folder lies on, or will lie on."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.is_dir())
    return shutil.disk_usage(there).free


def check_disk(folder: Path, needed_bytes: int, measure: Callable[[Path], int] = free_bytes) -> None:
    """Raises ValueError, with the bytes, if so much does not fit."""
    free = measure(folder)
    if needed_bytes + _MARGIN_BYTES > free:
        raise ValueError(
            f"{folder} would take {needed_bytes:,} bytes and {_MARGIN_BYTES:,} are kept free, but the disk "
            f"has {free:,} left; make room, ask for fewer prompts, or choose another folder with --runs"
        )
