"""The Files API: upload, list, describe, read, delete.

Both of its dialects are answered at once: a page says `has_more` and `last_id` for those who go on with
`after_id`, and `next_page` for those who go on with `page`. No beta header is needed, and none is refused. A
file's name is for people: only its last part is kept, and it is never a path here.
Enters: exchanges. Leaves: metadata, bytes. Read next: `file_store.py`, which keeps them; docs/files.md.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from starlette.routing import Route

from caesura.messages.errors import InvalidRequestError, NotFoundError
from caesura.server.catalogue import page_request
from caesura.server.config import MIB
from caesura.server.endpoint import Endpoint
from caesura.server.exchange import Exchange
from caesura.server.file_store import FILE_NAME, FileStore, StoredFile
from caesura.server.multipart import MultipartReader
from caesura.server.uploads import UploadForm

MAX_IDS = 100
# What stands around a file in a form.
_MAX_FORM_BYTES = MIB
_READ_BYTES = MIB


class _Place(NamedTuple):
    """Where a file stands among its tenant's: the newest first."""

    created_ms: int
    id: str


class FilesApi:
    """The handlers, over one store."""

    def __init__(self, store: FileStore | None, *, max_file_bytes: int) -> None:
        """store: None where no files are kept."""
        self._kept = store
        self._max_file_bytes = max_file_bytes

    def routes(self) -> list[Route]:
        """What is answered here."""
        return [
            Route("/v1/files", Endpoint(self.upload), methods=["POST"]),
            Route("/v1/files", Endpoint(self.list_files), methods=["GET"]),
            Route("/v1/files/{file_id}", Endpoint(self.describe), methods=["GET"]),
            Route("/v1/files/{file_id}", Endpoint(self.delete), methods=["DELETE"]),
            Route("/v1/files/{file_id}/content", Endpoint(self.download), methods=["GET"]),
        ]

    @property
    def _store(self) -> FileStore:
        if self._kept is None:
            raise NotFoundError("files: this server keeps no files")
        return self._kept

    async def upload(self, exchange: Exchange) -> None:
        """Take a file in."""
        store = self._store
        reader = MultipartReader(exchange.headers.get("content-type"))
        with await asyncio.to_thread(store.receive) as incoming:
            form = UploadForm(incoming, self._max_file_bytes)
            async for chunk in exchange.body(self._max_file_bytes + _MAX_FORM_BYTES):
                await form.take(reader.feed(chunk))
            reader.finish()
            upload = await form.finish()
            stored = await asyncio.to_thread(
                store.add,
                incoming,
                tenant=exchange.tenant,
                filename=upload.filename,
                mime_type=upload.mime_type,
                expires_in_s=upload.life_s,
            )
        await exchange.send_json(file_json(stored))

    async def list_files(self, exchange: Exchange) -> None:
        """A page of the tenant's files."""
        ids = [*exchange.query_list("ids[]"), *exchange.query_list("ids")]
        body = await asyncio.to_thread(self._named, exchange, ids) if ids else await self._page(exchange)
        await exchange.send_json(body)

    async def describe(self, exchange: Exchange) -> None:
        """A file's metadata."""
        stored = await self._found(exchange)
        await exchange.send_json(file_json(stored))

    async def delete(self, exchange: Exchange) -> None:
        """Forget a file."""
        name = exchange.path_params["file_id"]
        await asyncio.to_thread(self._store.delete, exchange.tenant, name)
        await exchange.send_json({"id": name, "type": "file_deleted"})

    async def download(self, exchange: Exchange) -> None:
        """A file's bytes, where the server made them; what clients sent they have."""
        stored = await self._found(exchange)
        if not stored.is_downloadable:
            raise InvalidRequestError(
                f"file {stored.id} is not downloadable: only files that the server made are",
                error_code="file_not_downloadable",
            )
        await exchange.until_disconnect(self._send(exchange, stored))

    async def _send(self, exchange: Exchange, stored: StoredFile) -> None:
        with await asyncio.to_thread(self._store.open, stored) as file:
            await exchange.start(
                {
                    "content-type": stored.mime_type,
                    "content-length": str(stored.size_bytes),
                    # Whatever it holds, a browser must not show it as a page of this server.
                    "content-disposition": f"attachment; filename*=UTF-8''{quote(stored.filename, safe='')}",
                    "x-content-type-options": "nosniff",
                }
            )
            while piece := await asyncio.to_thread(file.read, _READ_BYTES):
                await exchange.write(piece)
            await exchange.end_stream()

    async def _found(self, exchange: Exchange) -> StoredFile:
        return await asyncio.to_thread(self._store.find, exchange.tenant, exchange.path_params["file_id"])

    def _named(self, exchange: Exchange, ids: Sequence[str]) -> dict[str, Any]:
        for name in ("page", "limit", "after_id", "before_id"):
            if exchange.query(name) is not None:
                raise InvalidRequestError(f"ids: it cannot be combined with `{name}`")
        names = list(dict.fromkeys(ids))
        if len(names) > MAX_IDS:
            raise InvalidRequestError(f"ids: {len(names)} ids > {MAX_IDS} maximum")
        return _page_json(self._store.named(exchange.tenant, names), has_more=False, has_next=False)

    async def _page(self, exchange: Exchange) -> dict[str, Any]:
        page = page_request(
            limit=exchange.query("limit"),
            after_id=exchange.query("after_id"),
            before_id=exchange.query("before_id"),
            lifecycles=[],
        )
        token = exchange.query("page")
        if token and (page.after_id or page.before_id):
            raise InvalidRequestError("page: it cannot be combined with `after_id` and `before_id`")
        if exchange.query("scope_id"):
            raise InvalidRequestError("scope_id: files have no scopes on this server; leave it out")
        after = _place_of(token) if token else await self._place(exchange, "after_id", page.after_id)
        before = await self._place(exchange, "before_id", page.before_id)
        found = await asyncio.to_thread(
            self._store.newest, exchange.tenant, limit=page.limit + 1, after=after, before=before
        )
        has_more = len(found) > page.limit
        chosen = found[-page.limit :] if before else found[: page.limit]
        return _page_json(chosen, has_more=has_more, has_next=has_more and before is None)

    async def _place(self, exchange: Exchange, field: str, name: str | None) -> _Place | None:
        if not name:
            return None
        try:
            stored = await asyncio.to_thread(self._store.find, exchange.tenant, name)
        except NotFoundError as error:
            raise InvalidRequestError(f"{field}: there is no file `{name[:100]}`") from error
        return _Place(stored.created_ms, stored.id)


def file_json(stored: StoredFile) -> dict[str, Any]:
    """A file's metadata."""
    return {
        "id": stored.id,
        "type": "file",
        "filename": stored.filename,
        "mime_type": stored.mime_type,
        "size_bytes": stored.size_bytes,
        "created_at": rfc3339(stored.created_ms),
        "downloadable": stored.is_downloadable,
        "expires_at": None if stored.expires_ms is None else rfc3339(stored.expires_ms),
    }


def rfc3339(time_ms: int) -> str:
    """A time of the database as the API writes it."""
    text = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _page_json(found: Sequence[StoredFile], *, has_more: bool, has_next: bool) -> dict[str, Any]:
    return {
        "data": [file_json(stored) for stored in found],
        "has_more": has_more,
        "first_id": found[0].id if found else None,
        "last_id": found[-1].id if found else None,
        "next_page": _token(found[-1]) if has_next else None,
    }


def _token(stored: StoredFile) -> str:
    """It still means something when the file is gone."""
    place = base64.urlsafe_b64encode(f"{stored.created_ms}.{stored.id}".encode()).decode()
    return f"page_{place}"


def _place_of(token: str) -> _Place:
    try:
        text = base64.urlsafe_b64decode(token.removeprefix("page_").encode()).decode()
        created_ms, _, name = text.partition(".")
        place = _Place(int(created_ms[:15]), name)
    except (binascii.Error, ValueError) as error:
        raise _no_token() from error
    if not FILE_NAME.fullmatch(name):
        raise _no_token()
    return place


def _no_token() -> InvalidRequestError:
    return InvalidRequestError("page: it is no `next_page` of this server")
