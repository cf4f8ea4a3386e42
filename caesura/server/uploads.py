"""An upload's form: the file to the store as it comes, and what is said of it.

Enters: pieces of multipart parts. Leaves: an `Upload`, and bytes in the store. Read next: `files.py`.
"""

from __future__ import annotations

import asyncio
import mimetypes
import re
from collections.abc import Sequence
from dataclasses import dataclass

from caesura.messages.errors import InvalidRequestError, RequestTooLargeError
from caesura.server.config import MIB
from caesura.server.incoming import Incoming
from caesura.server.multipart import PartHead, Piece

MAX_FILE_BYTES = 500 * MIB
MAX_NAME_CHARACTERS = 500
MIN_LIFE_S, MAX_LIFE_S = 3_600, 7_776_000

_MAX_FIELD_BYTES = 4_096
_WRITE_BYTES = MIB
_DEFAULT_TYPE = "application/octet-stream"
_MEDIA_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What was said of a file.

    filename: the last part of the name that was sent.
    mime_type: as it was sent, or as the name says.
    life_s: after which it expires; None: never.
    """

    filename: str
    mime_type: str
    life_s: int | None


class UploadForm:
    """An upload on its way: the file goes to the store, fields stay here."""

    def __init__(self, incoming: Incoming, max_file_bytes: int) -> None:
        self._fields: dict[str, str] = {}
        self._incoming = incoming
        self._max_file_bytes = max_file_bytes
        self._file: PartHead | None = None
        self._part: PartHead | None = None
        self._field = b""
        self._waiting = bytearray()
        self._size_bytes = 0

    async def take(self, pieces: Sequence[Piece]) -> None:
        """The next pieces of the body. Raises ApiError."""
        for piece in pieces:
            if isinstance(piece, PartHead):
                self._begin(piece)
            elif piece == "end":
                self._end()
            else:
                self._add(piece)
        if len(self._waiting) >= _WRITE_BYTES:
            await self._write()

    async def finish(self) -> Upload:
        """Everything is there. Raises InvalidRequestError."""
        await self._write()
        if self._file is None:
            raise InvalidRequestError("file: Field required")
        mime_type = _mime_type(self._file)
        return Upload(
            filename=_kept_name(self._file.filename, mime_type),
            mime_type=mime_type,
            life_s=_life_s(self._fields.get("expires_in_seconds")),
        )

    def _begin(self, head: PartHead) -> None:
        self._part, self._field = head, b""
        if head.name == "file":
            if self._file is not None:
                raise InvalidRequestError("file: only one file may be uploaded in a request")
            self._file = head

    def _add(self, data: bytes) -> None:
        if self._part is self._file:
            self._size_bytes += len(data)
            if self._size_bytes > self._max_file_bytes:
                raise RequestTooLargeError(
                    f"file: it exceeds the maximum size of {self._max_file_bytes} bytes"
                )
            self._waiting += data
        else:
            self._field = (self._field + data)[: _MAX_FIELD_BYTES + 1]

    def _end(self) -> None:
        part, self._part = self._part, None
        if part is None or part is self._file:
            return
        if len(self._field) > _MAX_FIELD_BYTES:
            raise InvalidRequestError(f"{part.name[:100]}: longer than {_MAX_FIELD_BYTES} bytes")
        self._fields[part.name] = self._field.decode("utf-8", errors="replace")

    async def _write(self) -> None:
        data, self._waiting = bytes(self._waiting), bytearray()
        await asyncio.to_thread(self._incoming.write, data)


def _mime_type(head: PartHead) -> str:
    """What the client says, or what the name says."""
    if _MEDIA_TYPE.fullmatch(head.media_type.partition(";")[0].strip()):
        return head.media_type.partition(";")[0].strip().lower()
    return mimetypes.guess_type(_last_part(head.filename))[0] or _DEFAULT_TYPE


def _kept_name(filename: str | None, mime_type: str) -> str:
    """The last part of the name, or one that only tells the type."""
    name = _last_part(filename)
    if name in ("", ".", ".."):
        return f"unnamed{mimetypes.guess_extension(mime_type) or ''}"
    if len(name) > MAX_NAME_CHARACTERS:
        raise InvalidRequestError(f"filename: {len(name)} characters > {MAX_NAME_CHARACTERS} maximum")
    if _CONTROL.search(name):
        raise InvalidRequestError("filename: it must not contain control characters")
    return name


def _last_part(filename: str | None) -> str:
    return re.split(r"[/\\]", filename or "")[-1].strip()


def _life_s(text: str | None) -> int | None:
    if text is None:
        return None
    is_number = text.isascii() and text.isdecimal() and len(text) < 10
    if not is_number or not MIN_LIFE_S <= int(text) <= MAX_LIFE_S:
        raise InvalidRequestError(
            f"expires_in_seconds: Input should be a whole number from {MIN_LIFE_S} to {MAX_LIFE_S}"
        )
    return int(text)
