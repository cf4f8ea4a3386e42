"""URLs in a request: what stands there is put into the body in the place that names it.

A block's `source` of type `url` becomes the `base64` source that holds the same, so that whoever reads the
body holds it to the same limits as one that was sent whole. Servers fetch nothing unless they are told to.
Enters: a parsed body. Leaves: the body without such sources. Read next: `fetching.py`; `sources.py`, which
asks.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from caesura.messages.errors import InvalidRequestError
from caesura.messages.image_header import ImageHeaderError, read_image_header
from caesura.server.fetching import Fetched, Fetcher
from caesura.server.file_sources import MAX_INLINED_BYTES, blocks_of

Json = dict[str, Any]

# So that one request cannot have us ask the whole world.
MAX_URLS = 20


class UrlPlace(NamedTuple):
    """A block whose source is a URL. path: of the block."""

    path: str
    block: Json

    @property
    def url(self) -> str:
        return cast("str", self.block["source"]["url"])

    @property
    def kind(self) -> str:
        return cast("str", self.block["type"])


def url_places(body: object) -> list[UrlPlace]:
    """The blocks of a body that name URLs."""
    return [UrlPlace(path, block) for path, block in blocks_of(body) if _names_url(block)]


def _names_url(block: Json) -> bool:
    source, kind = block.get("source"), block.get("type")
    if not isinstance(kind, str) or kind not in _SOURCES or not isinstance(source, dict):
        return False
    fields = cast("Json", source)
    return fields.get("type") == "url" and isinstance(fields.get("url"), str)


async def fill_urls(places: Sequence[UrlPlace], fetcher: Fetcher | None) -> int:
    """Put what is there into each block; how many bytes that is. Raises InvalidRequestError, which names the
    place.

    fetcher: None where nothing is fetched.
    """
    if fetcher is None:
        raise InvalidRequestError(
            f"{_field(places[0])}: this server fetches no URLs (`caesura serve --fetch-urls` would); send the"
            " data itself as `base64`"
        )
    first_of = {place.url: place for place in reversed(places)}
    if len(first_of) > MAX_URLS:
        raise InvalidRequestError(f"messages: {len(first_of)} URLs > {MAX_URLS} maximum in one request")
    fetched = await _all(fetcher, first_of)
    num_bytes = sum(len(fetched[place.url].data) for place in places)
    if num_bytes > MAX_INLINED_BYTES:
        raise InvalidRequestError(
            f"messages: {num_bytes} bytes at URLs > {MAX_INLINED_BYTES} maximum in one request"
        )
    for place in places:
        place.block["source"] = _named(place, lambda place: _SOURCES[place.kind](fetched[place.url]))
    return num_bytes


async def _all(fetcher: Fetcher, first_of: Mapping[str, UrlPlace]) -> dict[str, Fetched]:
    """What is at each URL; the first failure ends the others."""

    async def fetch(place: UrlPlace) -> Fetched:
        try:
            return await fetcher.fetch(place.url)
        except InvalidRequestError as error:
            raise InvalidRequestError(f"{_field(place)}: {error.message}") from error

    tasks = [asyncio.create_task(fetch(place)) for place in first_of.values()]
    try:
        return dict(zip(first_of, await asyncio.gather(*tasks), strict=True))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _named(place: UrlPlace, make: Callable[[UrlPlace], Json]) -> Json:
    try:
        return make(place)
    except ValueError as error:
        raise InvalidRequestError(f"{_field(place)}: {error}") from error


def _field(place: UrlPlace) -> str:
    return f"{place.path}.{place.kind}.source.url"


def _image_source(fetched: Fetched) -> Json:
    """Servers often call one kind of picture by the name of another, so its head decides."""
    if not fetched.media_type.startswith("image/"):
        raise ValueError(f"it is no image but `{fetched.media_type[:100]}`")
    try:
        header = read_image_header(fetched.data)
    except ImageHeaderError as error:
        raise ValueError(f"Could not process image: {error}") from error
    data = base64.b64encode(fetched.data).decode("ascii")
    return {"type": "base64", "media_type": header.media_type, "data": data}


def _document_source(fetched: Fetched) -> Json:
    match fetched.media_type:
        case "application/pdf":
            data = base64.b64encode(fetched.data).decode("ascii")
            return {"type": "base64", "media_type": "application/pdf", "data": data}
        case "text/plain":
            # A UnicodeDecodeError is a ValueError.
            return {"type": "text", "media_type": "text/plain", "data": fetched.data.decode()}
        case other:
            raise ValueError(f"a document is `application/pdf` or `text/plain`, and this is `{other[:100]}`")


# By the type of the block: what its source becomes. Raises ValueError for what such a block cannot hold.
_SOURCES: dict[str, Callable[[Fetched], Json]] = {"image": _image_source, "document": _document_source}
