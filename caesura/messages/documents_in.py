"""Documents, search results and citations of a request body.

Every PDF of a request is read at once, before its blocks are made. Enters: shapes of blocks. Leaves:
blocks, or an `InvalidRequestError`. Read next: `pdf.py`, which reads PDFs; `document_rules.py` for what may
stand where.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from caesura.messages.blocks_in import (
    WireBlock,
    WireDocument,
    WireElsewhere,
    WireImage,
    WireParts,
    WirePdf,
    WirePlainText,
    WireSearchResult,
    WireText,
    WireToolResult,
)
from caesura.messages.citations import Citation
from caesura.messages.citations_in import CITATIONS
from caesura.messages.content import (
    CacheControl,
    ContentParts,
    DocumentBlock,
    PdfPages,
    PlainText,
    SearchResultBlock,
    TextBlock,
)
from caesura.messages.errors import InvalidRequestError
from caesura.messages.images_in import image_of
from caesura.messages.pdf import PdfError, PdfLimits, PdfReader
from caesura.messages.wire_in import WireMessage

_Part = TypeVar("_Part", WireText, WireImage)

# By the path of the block that holds it.
Pdfs = Mapping[str, PdfPages]

MAX_DOCUMENT_CHARACTERS = 4_000_000


def documents_in(messages: Sequence[WireMessage]) -> Iterator[tuple[str, WireDocument | WireSearchResult]]:
    """Every document and search result with its path, those in tools' results too."""
    for index, message in enumerate(messages):
        for position, block in enumerate(message.content):
            yield from _within(f"messages.{index}.content.{position}", block)


def _within(path: str, block: WireBlock) -> Iterator[tuple[str, WireDocument | WireSearchResult]]:
    if isinstance(block, WireDocument | WireSearchResult):
        yield path, block
    elif isinstance(block, WireToolResult):
        for position, inner in enumerate(block.content or []):
            if isinstance(inner, WireDocument | WireSearchResult):
                yield f"{path}.tool_result.content.{position}", inner


def read_documents(messages: Sequence[WireMessage], limits: PdfLimits, reader: PdfReader) -> Pdfs:
    """The PDFs among the documents. It blocks where there are any."""
    files = {
        path: _decoded(block.source.data, f"{path}.pdf.source.base64.data")
        for path, block in documents_in(messages)
        if isinstance(block, WireDocument) and isinstance(block.source, WirePdf)
    }
    try:
        read = reader(tuple(files.values()), limits) if files else []
    except PdfError as error:
        path = list(files)[error.index]
        raise InvalidRequestError(f"{path}.pdf.source.base64.data: {error.reason}") from error
    return {
        path: PdfPages(data=data, pages=pages)
        for (path, data), pages in zip(files.items(), read, strict=True)
    }


def _decoded(data: str, place: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequestError(f"{place}: invalid base64 data: {error}") from error


def document_of(
    wire: WireDocument, path: str, pdfs: Pdfs, cache_control: CacheControl | None
) -> DocumentBlock:
    """The document. path: where the block stands; cache_control: what it is to keep of the block's."""
    return DocumentBlock(
        source=_source(wire, path, pdfs),
        title=wire.title,
        context=wire.context,
        is_citable=is_citable(wire),
        file_id=wire.source.file_id if isinstance(wire.source, WirePlainText | WirePdf) else None,
        cache_control=cache_control,
    )


def is_citable(wire: WireDocument | WireSearchResult) -> bool:
    """Whether citations are switched on for it."""
    return wire.citations is not None and bool(wire.citations.enabled)


def _source(wire: WireDocument, path: str, pdfs: Pdfs) -> PlainText | PdfPages | ContentParts:
    match wire.source:
        case WirePlainText(data=text):
            _check_text(text, f"{path}.document.source.text.data")
            return PlainText(text=text)
        case WirePdf():
            return pdfs[path]
        case WireParts(content=content):
            place = f"{path}.document.source.content.content"
            _check_length(sum(len(part.text) for part in content if isinstance(part, WireText)), place)
            return ContentParts(
                content=tuple(
                    _text_part(part, f"{place}.{position}")
                    if isinstance(part, WireText)
                    else image_of(_bare(part, f"{place}.{position}"), f"{place}.{position}", None)
                    for position, part in enumerate(content)
                )
            )
        case WireElsewhere():
            raise InvalidRequestError(
                f"{path}.document.source.type: `{wire.source.type}` sources are not supported by this server;"
                " send the document itself as `text`, `content` or `base64`"
            )


def search_result_of(
    wire: WireSearchResult, path: str, cache_control: CacheControl | None
) -> SearchResultBlock:
    """The search result. path, cache_control: see `document_of`."""
    place = f"{path}.search_result.content"
    _check_length(sum(len(part.text) for part in wire.content), place)
    return SearchResultBlock(
        source=wire.source,
        title=wire.title,
        content=tuple(_text_part(part, f"{place}.{position}") for position, part in enumerate(wire.content)),
        is_citable=is_citable(wire),
        cache_control=cache_control,
    )


def _text_part(part: WireText, place: str) -> TextBlock:
    _check_text(part.text, f"{place}.text")
    _bare(part, place)
    return TextBlock(text=part.text)


def _bare(part: _Part, place: str) -> _Part:
    """Parts have no breakpoints of their own."""
    if part.cache_control is not None:
        raise InvalidRequestError(
            f"{place}.cache_control: a part of a document cannot be cached by itself; put cache_control on"
            " the block that holds it"
        )
    return part


def _check_text(text: str, place: str) -> None:
    if not text or text.isspace():
        raise InvalidRequestError(f"{place}: documents must contain non-whitespace text")
    _check_length(len(text), place)


def _check_length(num_characters: int, place: str) -> None:
    if num_characters > MAX_DOCUMENT_CHARACTERS:
        raise InvalidRequestError(
            f"{place}: {num_characters} characters > {MAX_DOCUMENT_CHARACTERS} maximum in one document"
        )


def citations_of(values: Sequence[Any] | None, path: str) -> tuple[Citation, ...]:
    """The citations of an assistant's text, which may come from any server. path: of the list."""
    if not values:
        return ()
    try:
        read = CITATIONS.validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, (path, *first["loc"])))
        raise InvalidRequestError(f"{place[:300]}: {first['msg']}") from error
    return tuple(each.citation() for each in read)
