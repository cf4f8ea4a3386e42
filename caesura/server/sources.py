"""What a request names instead of holding it: uploaded files, and URLs.

Enters: the bytes of a body, and who asks. Leaves: a parsed body that holds everything itself. Read next:
`file_sources.py`, `url_sources.py`; `caesura/messages/validation.py`, which reads it then.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from caesura.messages.background import Background
from caesura.messages.validation import parse_json
from caesura.server.fetching import Fetcher
from caesura.server.file_sources import has_file, with_files
from caesura.server.file_store import FileStore
from caesura.server.url_sources import UrlPlace, fill_urls, url_places


class Filled(NamedTuple):
    """A body, and how many bytes it takes."""

    body: object
    num_bytes: int


class _Parsed(NamedTuple):
    body: object
    has_file: bool
    urls: list[UrlPlace]


class Sources:
    """Fills bodies."""

    def __init__(self, files: FileStore | None, fetcher: Fetcher | None) -> None:
        """files, fetcher: None where no files are kept, or no URLs are fetched."""
        self._files = files
        self._fetcher = fetcher
        self._background = Background()

    async def read(self, raw: bytes, tenant: str) -> Filled:
        """The JSON of a body, filled. Raises InvalidRequestError or NotFoundError."""
        parsed = await self._background.run(len(raw), lambda: _places(parse_json(raw)))
        return await self._filled(parsed, len(raw), tenant)

    async def fill(self, body: object, num_bytes: int, tenant: str) -> Filled:
        """The same for a body that has been parsed. num_bytes: that it took."""
        return await self._filled(await self._background.run(num_bytes, _places, body), num_bytes, tenant)

    async def _filled(self, parsed: _Parsed, num_bytes: int, tenant: str) -> Filled:
        body = parsed.body
        if parsed.urls:
            # Base64 takes four characters for three bytes.
            num_bytes += await fill_urls(parsed.urls, self._fetcher) * 4 // 3
        if parsed.has_file and self._files is not None:
            filled = await asyncio.to_thread(with_files, body, self._files, tenant)
            body, num_bytes = filled.body, num_bytes + filled.num_bytes * 4 // 3
        return Filled(body, num_bytes)


def _places(body: object) -> _Parsed:
    return _Parsed(body, has_file(body), url_places(body))
