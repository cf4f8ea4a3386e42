"""PDFs that were read already: a conversation sends its own with every turn.

A file is known by its hash, and every tenant has files of its own: how long an answer takes must not tell
anyone what others have sent. Enters: files. Leaves: their pages' texts, or a `PdfError`, as if all had been
read anew. Read next: `caesura/messages/pdf.py`, which reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from caesura.messages.pdf import Pages, PdfError, PdfLimits, PdfReader, read_pdfs
from caesura.messages.recent import Recent

# About what a character of text takes.
_CHARACTER_BYTES = 2


class KeptPdfs:
    """The texts of the PDFs that were read last. Safe on several threads."""

    def __init__(self, max_bytes: int = 64_000_000, reader: PdfReader = read_pdfs) -> None:
        """reader: of those that are not known."""
        self._kept: Recent[bytes, Pages] = Recent(max_bytes)
        self._reader = reader

    def of(self, tenant: str) -> PdfReader:
        """A reader of one tenant's files."""
        return lambda files, limits: self._read(files, limits, tenant)

    def _read(self, files: Sequence[bytes], limits: PdfLimits, tenant: str) -> list[Pages]:
        keys = [_key(data, tenant) for data in files]
        known = [self._kept.get(key) for key in keys]
        unknown = [index for index, pages in enumerate(known) if pages is None]
        try:
            read = iter(self._reader([files[index] for index in unknown], limits) if unknown else [])
        except PdfError as error:
            raise PdfError(unknown[error.index], error.reason) from error
        found = [next(read) if pages is None else pages for pages in known]
        if not _fits(files, found, limits):
            # Each may be well by itself; whoever reads them all says what is wrong.
            return self._reader(files, limits)
        for index in unknown:
            size = _CHARACTER_BYTES * sum(map(len, found[index]))
            self._kept.put(keys[index], found[index], size)
        return found


def _fits(files: Sequence[bytes], found: Sequence[Pages], limits: PdfLimits) -> bool:
    return (
        sum(map(len, files)) <= limits.max_bytes
        and sum(map(len, found)) <= limits.max_pages
        and sum(len(page) for pages in found for page in pages) <= limits.max_characters
    )


def _key(data: bytes, tenant: str) -> bytes:
    named = blake2b(tenant.encode("utf-8", "surrogatepass"), digest_size=16, person=b"caesura-tenant")
    return blake2b(data, digest_size=16, key=named.digest(), person=b"caesura-pdf").digest()
