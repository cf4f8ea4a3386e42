"""The text of PDFs, page by page.

They are read by another process (`pdf_child.py`), which is confined and in the end killed, because a PDF
can make any reader loop, or fill its memory. Enters: files. Leaves: for each its pages' texts, or a
`PdfError`. It blocks. Read next: `documents_in.py`, which asks for it.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caesura.messages.pdf_child import TOO_MUCH_MEMORY

# The text of each page.
Pages = tuple[str, ...]

_CHILD = Path(__file__).with_name("pdf_child.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfLimits:
    """What the PDFs of one request may take, all together.

    max_pages: of them. max_bytes: of the files. max_characters: of their text.
    deadline_s: seconds to read them. max_memory_bytes: of the process that does.
    """

    max_pages: int = 100
    max_bytes: int = 24 * 2**20
    max_characters: int = 4_000_000
    deadline_s: float = 20.0
    max_memory_bytes: int = 2**30


class PdfError(Exception):
    """A file that is not read: which one, by its number, and why."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason


# Reads files within limits.
PdfReader = Callable[[Sequence[bytes], PdfLimits], list[Pages]]


def read_pdfs(files: Sequence[bytes], limits: PdfLimits) -> list[Pages]:
    """The text of every page of each file. Raises PdfError."""
    if not files:
        return []
    _check_size(files, limits)
    told = {
        "max_pages": limits.max_pages,
        "max_characters": limits.max_characters,
        "max_memory_bytes": limits.max_memory_bytes,
        # Should nobody be left to stop it.
        "max_seconds": math.ceil(limits.deadline_s) + 1,
    }
    sizes = json.dumps([len(data) for data in files]).encode()
    try:
        # `-P` keeps the names in this folder from hiding those of the standard library.
        done = subprocess.run(
            [sys.executable, "-P", str(_CHILD), json.dumps(told)],
            input=b"".join([sizes, b"\n", *files]),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=limits.deadline_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        reason = f"Could not process PDF: it takes more than {limits.deadline_s:g} seconds to read"
        raise PdfError(_blamed(files), reason) from error
    return _pages(done, files)


def _check_size(files: Sequence[bytes], limits: PdfLimits) -> None:
    num_bytes = sum(map(len, files))
    if num_bytes > limits.max_bytes:
        raise PdfError(
            _blamed(files), f"PDFs exceed {limits.max_bytes} bytes, the maximum of one request: {num_bytes}"
        )


def _pages(done: subprocess.CompletedProcess[bytes], files: Sequence[bytes]) -> list[Pages]:
    if done.returncode:
        # It was killed, or could not even say that its memory was spent.
        raise PdfError(_blamed(files), TOO_MUCH_MEMORY)
    answer: dict[str, Any] = json.loads(done.stdout)
    if "refused" in answer:
        raise PdfError(answer["index"], answer["refused"])
    return [tuple(pages) for pages in answer["pages"]]


def _blamed(files: Sequence[bytes]) -> int:
    """The largest file: which one it was, only the process knew."""
    return max(range(len(files)), key=lambda index: len(files[index]))
