"""Bytes on their way into the store of files.

Enters: bytes, as they come. Leaves: a file beside the others, its size and its SHA-256; or nothing, if they
are not added in the end. Every method may block. Read next: `file_store.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from caesura.messages.errors import InvalidRequestError


class Incoming:
    """Bytes on their way into the store; leave the `with` and they are gone, unless they were added."""

    def __init__(self, path: Path, reserve: Callable[[int], None]) -> None:
        """reserve: called for so many more bytes, which are given back where negative; may refuse them."""
        self.path = path
        self.size_bytes = 0
        self._reserve = reserve
        self._num_reserved = 0
        self._hash = hashlib.sha256()
        self._file = path.open("xb")

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)
        self._reserve(-self._num_reserved)
        self._num_reserved = 0

    def write(self, data: bytes) -> None:
        """The next bytes. Raises InvalidRequestError where there is no room for them."""
        self._reserve(len(data))
        self._num_reserved += len(data)
        self._file.write(data)
        self._hash.update(data)
        self.size_bytes += len(data)

    def complete(self) -> str:
        """Nothing follows; the SHA-256 of everything, in hexadecimal."""
        self._file.close()
        return self._hash.hexdigest()


def no_room(size_bytes: int, max_bytes: int) -> InvalidRequestError:
    """Why so many bytes are not taken."""
    return InvalidRequestError(
        f"file: {size_bytes} bytes do not fit into what is left of the {max_bytes} bytes for files; delete"
        " some",
        error_code="storage_quota_exceeded",
    )
