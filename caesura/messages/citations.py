"""Where a piece of an answer comes from: the Messages API's locations, as data and as JSON.

`cited_text` is always copied from the source, never written by a model. Enters: locations, or their JSON.
Leaves: the other. Read next: `cited_events.py`, which makes them; `chunks.py`, which says what can be cited.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class CharLocation:
    """A part of a plain text document.

    cited_text: that part. document_index: among the request's documents, from 0. document_title: as given.
    start_char_index, end_char_index: in characters from 0, the end exclusive.
    file_id: of the file that the document came in, if it did.
    """

    cited_text: str
    document_index: int
    start_char_index: int
    end_char_index: int
    document_title: str | None = None
    file_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLocation:
    """A part of a PDF.

    start_page_number, end_page_number: from 1, the end exclusive. The others: see `CharLocation`.
    """

    cited_text: str
    document_index: int
    start_page_number: int
    end_page_number: int
    document_title: str | None = None
    file_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentBlockLocation:
    """Some of the blocks that a document was given as.

    start_block_index, end_block_index: from 0, the end exclusive. The others: see `CharLocation`.
    """

    cited_text: str
    document_index: int
    start_block_index: int
    end_block_index: int
    document_title: str | None = None
    file_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResultLocation:
    """Some of the blocks of a search result.

    search_result_index: among the request's search results, from 0. source, title: as given.
    start_block_index, end_block_index: from 0, the end exclusive.
    """

    cited_text: str
    search_result_index: int
    source: str
    start_block_index: int
    end_block_index: int
    title: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSearchResultLocation:
    """A part of a page that some server's own search has found: replayed, and never written here.

    encrypted_index: opaque. url, title: of the page.
    """

    cited_text: str
    encrypted_index: str
    url: str
    title: str | None = None


DocumentLocation = CharLocation | PageLocation | ContentBlockLocation
Citation = DocumentLocation | SearchResultLocation | WebSearchResultLocation

_TYPES: dict[str, type[Citation]] = {
    "char_location": CharLocation,
    "page_location": PageLocation,
    "content_block_location": ContentBlockLocation,
    "search_result_location": SearchResultLocation,
    "web_search_result_location": WebSearchResultLocation,
}
_NAMES = {kind: name for name, kind in _TYPES.items()}


def citation_json(citation: Citation) -> dict[str, Any]:
    """A citation as the API writes it; a document that is no file has no `file_id`."""
    names = type(citation).__slots__
    fields = {name: getattr(citation, name) for name in names}
    if fields.get("file_id", "") is None:
        del fields["file_id"]
    return {"type": _NAMES[type(citation)], **fields}


def parse_citation(body: Mapping[str, Any]) -> Citation | None:
    """A citation of a reply; None for a kind that is not known here. Raises KeyError or TypeError for one
    that lacks a field.
    """
    kind = _TYPES.get(body["type"])
    return None if kind is None else kind(**{name: body[name] for name in kind.__slots__ if name in body})
