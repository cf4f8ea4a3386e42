"""Uploaded files in a request: each is put into the body in the place that names it.

A block's `source` of type `file` becomes the `base64` source that holds the same (of a text file that a
document names, the `text` source), so that whoever reads the body holds it to the same limits as one that
was sent whole. Enters: a parsed body, and who asks. Leaves: the body without such sources. It may block.
Read next: `caesura/messages/validation.py`, which reads the body.
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
        name = cast("Json", source)["file_id"]
        held = _inlined(name, path, store, tenant)
        is_document = block.get("type") == "document"
        block["source"] = _document_source(held, name, path) if is_document else _base64_source(held)
        num_bytes += len(held.data)
        if num_bytes > MAX_INLINED_BYTES:
            raise InvalidRequestError(
                f"{path}.source.file: {num_bytes} bytes of files > {MAX_INLINED_BYTES} maximum in one request"
            )
    return FilledFiles(body, num_bytes)


def has_pdf(body: object) -> bool:
    """Whether a body holds a PDF, which takes time to read however short it is."""
    return any(_is_pdf(block.get("source")) for _, block in blocks_of(body))


def _is_pdf(source: object) -> bool:
    return isinstance(source, dict) and cast("Json", source).get("media_type") == "application/pdf"


def _is_file(source: object) -> bool:
    if not isinstance(source, dict):
        return False
    fields = cast("Json", source)
    return fields.get("type") == "file" and isinstance(fields.get("file_id"), str)


class _Held(NamedTuple):
    """What a file holds, and what its sender said that it is."""

    data: bytes
    mime_type: str


def _inlined(name: str, path: str, store: FileStore, tenant: str) -> _Held:
    try:
        stored = store.find(tenant, name)
        if stored.size_bytes > MAX_INLINED_BYTES:
            raise InvalidRequestError(
                f"{path}.source.file: {stored.size_bytes} bytes > {MAX_INLINED_BYTES} maximum in one request"
            )
        with store.open(stored) as file:
            return _Held(file.read(), stored.mime_type)
    except NotFoundError as error:
        message = f"{path}.source.file.file_id: {error.message}"
        raise NotFoundError(message, error_code=error.error_code) from error


def _base64_source(held: _Held) -> Json:
    return {
        "type": "base64",
        "media_type": held.mime_type,
        "data": base64.b64encode(held.data).decode("ascii"),
    }


def _document_source(held: _Held, name: str, path: str) -> Json:
    """A document keeps the file's name, for citations to give."""
    if held.mime_type == "application/pdf":
        return {**_base64_source(held), "file_id": name}
    if held.mime_type != "text/plain":
        raise InvalidRequestError(
            f"{path}.source.file.file_id: documents are `application/pdf` or `text/plain`, and this file is"
            f" `{held.mime_type[:100]}`"
        )
    try:
        text = held.data.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequestError(
            f"{path}.source.file.file_id: the file is not valid UTF-8: byte {held.data[error.start]:#04x} at"
            f" {error.start}"
        ) from error
    return {"type": "text", "media_type": "text/plain", "data": text, "file_id": name}


def blocks_of(body: object) -> Iterator[tuple[str, Json]]:
    """Every block of the messages, those inside tools' results too, with its path; whatever is not of the
    right shape is passed over, for its reader to refuse; so is what stands before a summary, which nobody
    reads.
    """
    messages = _dicts(cast("Json", body).get("messages") if isinstance(body, dict) else None)
    first = max((index for index, message in enumerate(messages) if _has_summary(message)), default=0)
    for index, message in enumerate(messages[first:], start=first):
        for path, block in _content(message, f"messages.{index}"):
            yield path, block
            yield from _parts(block, path)
            for inner_path, inner in _content(block, path):
                yield inner_path, inner
                yield from _parts(inner, inner_path)


def _has_summary(message: Json) -> bool:
    return any(
        block.get("type") == "compaction" and block.get("content") for _, block in _content(message, "")
    )


def _parts(block: Json, path: str) -> Iterator[tuple[str, Json]]:
    """What a document in parts is made of."""
    source = block.get("source")
    return _content(cast("Json", source), f"{path}.source") if isinstance(source, dict) else iter(())


def _content(holder: Json, path: str) -> Iterator[tuple[str, Json]]:
    for position, block in enumerate(_dicts(holder.get("content"))):
        yield f"{path}.content.{position}", block


def _dicts(value: object) -> list[Json]:
    """A list's members; one that is no object counts as an empty one."""
    members = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Json", each) if isinstance(each, dict) else {} for each in members]
