"""What is left of documents and search results that the model reads no more: their places.

Citations name a source by its number among those of the whole request. So where one is cleared, or stands
before a summary, a block without content stays behind: it is not rendered, holds nothing that could be cited,
and those behind it keep their numbers. No request can hold such a block. Enters: blocks. Leaves: what stays
of them. Read next: `chunks.py`, which numbers sources; `context_edits.py` and `compaction.py`, which clear.
"""

from __future__ import annotations

from collections.abc import Iterable

from caesura.messages.chunks import readings_in
from caesura.messages.content import Block, ContentParts, DocumentBlock, SearchResultBlock

_NOTHING = ContentParts(content=())


def places_in(blocks: Iterable[Block]) -> tuple[DocumentBlock | SearchResultBlock, ...]:
    """The places of every document and search result among blocks, in their order."""
    return tuple(
        place_of(is_document=isinstance(block, DocumentBlock), is_citable=block.is_citable)
        for block in readings_in(blocks)
    )


def place_of(*, is_document: bool, is_citable: bool) -> DocumentBlock | SearchResultBlock:
    """The place of one document, or of one search result."""
    if is_document:
        return DocumentBlock(source=_NOTHING, is_citable=is_citable)
    return SearchResultBlock(source="", title="", content=(), is_citable=is_citable)
