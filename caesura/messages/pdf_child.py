"""The text of PDFs, read in a process of its own: a hostile file can hurt nothing else.

It is started by `pdf.py` as a script, confines itself before it reads a byte, and knows nothing of this
package. Enters: limits as JSON in its only argument; on standard input a line with the files' sizes and
then the files. Leaves: one JSON object on standard output. Read next: `pdf.py`.
"""

from __future__ import annotations

import json
import sys
from io import BytesIO
from typing import Any

ENCRYPTED = "The PDF specified is password protected."
INVALID = "The PDF specified was not valid."
TOO_MUCH_MEMORY = "Could not process PDF: it takes too much memory to read"


class _RefusedError(Exception):
    """Why a file is not read."""


class _Room:
    """What the files may still hold together: pages, and characters of text."""

    def __init__(self, *, max_pages: int, max_characters: int) -> None:
        self._max_pages = max_pages
        self._max_characters = max_characters
        self._num_pages = self._num_characters = 0

    def take_pages(self, num_pages: int) -> None:
        self._num_pages += num_pages
        if self._num_pages > self._max_pages:
            raise _RefusedError(
                f"A maximum of {self._max_pages} PDF pages may be provided; found {self._num_pages}."
            )

    def take_text(self, text: str) -> None:
        self._num_characters += len(text)
        if self._num_characters > self._max_characters:
            raise _RefusedError(
                f"Could not process PDF: its text has more than {self._max_characters} characters"
            )


def _confine(max_memory_bytes: int, max_seconds: int) -> None:
    """No more memory and time of the processor than this, where the system can hold a process to it."""
    try:
        # Not on every system.
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (max_memory_bytes, max_memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (max_seconds, max_seconds))


def _pages(data: bytes, room: _Room) -> list[str]:
    # Within the limits, and not in the server's process.
    import pypdf

    reader = pypdf.PdfReader(BytesIO(data))
    if reader.is_encrypted:
        raise _RefusedError(ENCRYPTED)
    room.take_pages(len(reader.pages))
    texts: list[str] = []
    for page in reader.pages:
        # Fonts may map a glyph to half of a character, which no JSON can hold.
        texts.append(page.extract_text().encode("utf-8", "replace").decode("utf-8"))
        room.take_text(texts[-1])
    if not texts:
        raise _RefusedError(INVALID)
    return texts


def _answer(limits: dict[str, Any], files: list[bytes]) -> dict[str, Any]:
    room = _Room(max_pages=limits["max_pages"], max_characters=limits["max_characters"])
    pages: list[list[str]] = []
    for index, data in enumerate(files):
        try:
            pages.append(_pages(data, room))
        except _RefusedError as refused:
            return {"index": index, "refused": str(refused)}
        except MemoryError:
            return {"index": index, "refused": TOO_MUCH_MEMORY}
        except Exception:  # whatever a broken file leads to: nothing of it is trusted
            return {"index": index, "refused": INVALID}
    return {"pages": pages}


def main() -> None:
    limits: dict[str, Any] = json.loads(sys.argv[1])
    _confine(limits["max_memory_bytes"], limits["max_seconds"])
    sizes: list[int] = json.loads(sys.stdin.buffer.readline())
    answer = _answer(limits, [sys.stdin.buffer.read(size) for size in sizes])
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
