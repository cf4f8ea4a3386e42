"""Reading `multipart/form-data` as it comes, so that a file never has to fit into memory.

Enters: the content type, then bytes, cut anywhere. Leaves: what they hold, in order: a head for each part,
its bytes, its end. Read next: `files.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import python_multipart
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from caesura.messages.errors import InvalidRequestError

_MAX_PARTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PartHead:
    """A part begins.

    name: of its field.
    filename: as the client sent it, to be trusted in nothing; None where it sent none.
    media_type: "" where it sent none.
    """

    name: str
    filename: str | None
    media_type: str


Piece = PartHead | bytes | Literal["end"]


class MultipartReader:
    """Bytes in, pieces of parts out."""

    def __init__(self, content_type: str | None) -> None:
        """Raises InvalidRequestError for another type of content."""
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise InvalidRequestError(
                "content-type: Input should be multipart/form-data with a boundary, and hold the field `file`"
            )
        self._pieces: list[Piece] = []
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._num_parts = 0
        self._is_over = False
        try:
            self._parser = python_multipart.MultipartParser(options[b"boundary"], self._callbacks())
        except FormParserError as error:
            raise InvalidRequestError(f"content-type: {error}") from error

    def feed(self, chunk: bytes) -> list[Piece]:
        """What this chunk holds. Raises InvalidRequestError."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidRequestError(
                f"The request body is not valid multipart/form-data: {error}"
            ) from error
        pieces, self._pieces = self._pieces, []
        return pieces

    def finish(self) -> None:
        """Raises InvalidRequestError where the last part has no end."""
        if not self._is_over:
            raise InvalidRequestError("The request body is not valid multipart/form-data: it breaks off")

    def _callbacks(self) -> python_multipart.multipart.MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_name,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": lambda data, start, end: self._pieces.append(data[start:end]),
            "on_part_end": lambda: self._pieces.append("end"),
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._headers = {}
        self._num_parts += 1
        if self._num_parts > _MAX_PARTS:
            raise InvalidRequestError(f"The request body has more than {_MAX_PARTS} parts")

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b"").decode("latin-1"))
        filename = options.get(b"filename")
        self._pieces.append(
            PartHead(
                name=_text(options.get(b"name", b"")),
                filename=None if filename is None else _text(filename),
                media_type=self._headers.get(b"content-type", b"").decode("latin-1").strip(),
            )
        )

    def _end(self) -> None:
        self._is_over = True


def _text(value: bytes) -> str:
    """Browsers and SDKs send UTF-8 here, whatever the standards say."""
    return value.decode("utf-8", errors="replace")
