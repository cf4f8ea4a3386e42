"""The shape of citations that come back in an assistant's text.

Enters: parsed JSON. Leaves: pydantic models, each of which makes its `Citation`. Read next:
`documents_in.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from caesura.messages.blocks_in import Shape
from caesura.messages.citations import (
    CharLocation,
    Citation,
    ContentBlockLocation,
    PageLocation,
    SearchResultLocation,
    WebSearchResultLocation,
)

_Index = Annotated[int, Field(ge=0)]
_Page = Annotated[int, Field(ge=1)]
_MAX_CITATIONS = 1_000


class _WireCitation(Shape):
    cited_text: str

    def _fields(self) -> dict[str, Any]:
        return self.model_dump(exclude={"type"})


class _WireInDocument(_WireCitation):
    document_index: _Index
    document_title: str | None = None
    file_id: str | None = None


class _WireCharLocation(_WireInDocument):
    type: Literal["char_location"]
    start_char_index: _Index
    end_char_index: _Index

    def citation(self) -> Citation:
        return CharLocation(**self._fields())


class _WirePageLocation(_WireInDocument):
    type: Literal["page_location"]
    start_page_number: _Page
    end_page_number: _Page

    def citation(self) -> Citation:
        return PageLocation(**self._fields())


class _WireContentBlockLocation(_WireInDocument):
    type: Literal["content_block_location"]
    start_block_index: _Index
    end_block_index: _Index

    def citation(self) -> Citation:
        return ContentBlockLocation(**self._fields())


class _WireSearchResultLocation(_WireCitation):
    type: Literal["search_result_location"]
    search_result_index: _Index
    source: str
    title: str | None = None
    start_block_index: _Index
    end_block_index: _Index

    def citation(self) -> Citation:
        return SearchResultLocation(**self._fields())


class _WireWebSearchResultLocation(_WireCitation):
    type: Literal["web_search_result_location"]
    encrypted_index: str
    url: str
    title: str | None = None

    def citation(self) -> Citation:
        return WebSearchResultLocation(**self._fields())


_AnyWireCitation = Annotated[
    _WireCharLocation
    | _WirePageLocation
    | _WireContentBlockLocation
    | _WireSearchResultLocation
    | _WireWebSearchResultLocation,
    Field(discriminator="type"),
]

CITATIONS: TypeAdapter[list[_AnyWireCitation]] = TypeAdapter(
    Annotated[list[_AnyWireCitation], Field(max_length=_MAX_CITATIONS)]
)
