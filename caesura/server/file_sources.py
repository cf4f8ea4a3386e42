"""Uploaded files in a request: each is put into the body in the place that names it.

A block's `source` of type `file` becomes the `base64` source that holds the same, so that whoever reads the
body holds it to the same limits as one that was sent whole. Enters: a parsed body, and who asks. Leaves: the
body without such sources. It may block. Read next: `caesura/messages/validation.py`, which reads the body.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from caesura.messages.errors import InvalidRequestError, NotFoundError
from caesura.server.config import MIB
from caesura.server.file_store import FileStore

Json = dict[str, Any]

# All of a request's files together, as large as a body that holds them may be.
MAX_INLINED_BYTES = 24 * MIB


class FilledFiles(NamedTuple):
    """A body with its files in it. num_bytes: of the files."""

    body: object
    num_bytes: int


def has_file(body: object) -> bool:
    """Whether a body names a file."""
    return any(_is_file(block.get("source")) for _, block in blocks_of(body))


def with_files(body: object, store: FileStore | None, tenant: str) -> FilledFiles:
    """The body with its files in it. Raises InvalidRequestError or NotFoundError, which name the place.

    store: None where no files are kept; the body is left as it is then.
    """
    num_bytes = 0
    if store is None:
        return FilledFiles(body, 0)
    for path, block in blocks_of(body):
        source = block.get("source")
        if not _is_file(source):
            continue
        block["source"], size_bytes = _inlined(cast("Json", source)["file_id"], path, store, tenant)
        num_bytes += size_bytes
        if num_bytes > MAX_INLINED_BYTES:
            raise InvalidRequestError(
                f"{path}.source.file: {num_bytes} bytes of files > {MAX_INLINED_BYTES} maximum in one request"
            )
    return FilledFiles(body, num_bytes)


def _is_file(source: object) -> bool:
    if not isinstance(source, dict):
        return False
    fields = cast("Json", source)
    return fields.get("type") == "file" and isinstance(fields.get("file_id"), str)


def _inlined(name: str, path: str, store: FileStore, tenant: str) -> tuple[Json, int]:
    try:
        stored = store.find(tenant, name)
        if stored.size_bytes > MAX_INLINED_BYTES:
            raise InvalidRequestError(
                f"{path}.source.file: {stored.size_bytes} bytes > {MAX_INLINED_BYTES} maximum in one request"
            )
        with store.open(stored) as file:
            data = file.read()
    except NotFoundError as error:
        message = f"{path}.source.file.file_id: {error.message}"
        raise NotFoundError(message, error_code=error.error_code) from error
    text = base64.b64encode(data).decode("ascii")
    return {"type": "base64", "media_type": stored.mime_type, "data": text}, stored.size_bytes


def blocks_of(body: object) -> Iterator[tuple[str, Json]]:
    """Every block of the messages, those inside tools' results too, with its path; whatever is not of the
    right shape is passed over, for its reader to refuse.
    """
    messages = cast("Json", body).get("messages") if isinstance(body, dict) else None
    for index, message in enumerate(_dicts(messages)):
        for path, block in _content(message, f"messages.{index}"):
            yield path, block
            yield from _content(block, path)


def _content(holder: Json, path: str) -> Iterator[tuple[str, Json]]:
    for position, block in enumerate(_dicts(holder.get("content"))):
        yield f"{path}.content.{position}", block


def _dicts(value: object) -> list[Json]:
    """A list's members; one that is no object counts as an empty one."""
    members = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Json", each) if isinstance(each, dict) else {} for each in members]
