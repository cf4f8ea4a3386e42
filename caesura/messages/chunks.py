"""What can be cited: documents and search results in numbered chunks.

A plain text is cut into sentences, a PDF page by page too, and parts stay as they were sent. Whatever is
cited is a slice of the source's one text, so it is there word for word. Sources are numbered in the order
in which a conversation holds them, so a conversation that goes on keeps its numbers; one that was cleared
keeps its own, without a chunk (`cleared_sources.py`). Enters: a conversation. Leaves: sources; citations of
their chunks, and the chunks of a citation. Read next: `cited_text.py`, `caesura/tokens/document_text.py`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from caesura.messages.citations import (
    CharLocation,
    Citation,
    ContentBlockLocation,
    PageLocation,
    SearchResultLocation,
    WebSearchResultLocation,
)
from caesura.messages.content import (
    Block,
    ContentParts,
    Conversation,
    DocumentBlock,
    ImageBlock,
    PdfPages,
    PlainText,
    SearchResultBlock,
    TextBlock,
    ToolResultBlock,
)
from caesura.messages.sentences import sentences

PAGE_BREAK = "\n"


class Chunk(NamedTuple):
    """The least that can be cited.

    start, end: where in the source's text. place: the number of its page, from 1, or of its part, from 0.
    """

    start: int
    end: int
    place: int


class ChunkRange(NamedTuple):
    """Chunks of one source. first, last: their numbers, both included."""

    source: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A document or a search result that can be cited.

    number: among all of a conversation's. index: among those of its kind, those without citations too.
    block: it. text: all that it says. chunks: its parts, in order; none where a PDF holds no text, or
        nothing is left of it but its place.
    """

    number: int
    index: int
    block: DocumentBlock | SearchResultBlock
    text: str
    chunks: tuple[Chunk, ...]


def is_citing(conversation: Conversation) -> bool:
    """Whether answers say where things come from."""
    return any(block.is_citable and not block.is_cleared for block in readings_of(conversation))


def sources_of(conversation: Conversation) -> tuple[Source, ...]:
    """What can be cited, and the places of what no longer can; nothing where only places are left."""
    numbers = count()
    indices = {DocumentBlock: count(), SearchResultBlock: count()}
    found: list[Source] = []
    for block in readings_of(conversation):
        index = next(indices[type(block)])
        if block.is_citable:
            text, chunks = _cut(block)
            found.append(
                Source(number=next(numbers), index=index, block=block, text=text, chunks=tuple(chunks))
            )
    return tuple(found) if any(not source.block.is_cleared for source in found) else ()


def readings_of(conversation: Conversation) -> Iterator[DocumentBlock | SearchResultBlock]:
    """Every document and search result, in order."""
    for turn in conversation.turns:
        yield from readings_in(turn.content)


def readings_in(blocks: Iterable[Block]) -> Iterator[DocumentBlock | SearchResultBlock]:
    """The documents and search results among blocks, those in tools' results too, in order."""
    for block in blocks:
        if isinstance(block, DocumentBlock | SearchResultBlock):
            yield block
        elif isinstance(block, ToolResultBlock):
            yield from readings_in(block.content)


def num_characters(block: DocumentBlock | SearchResultBlock) -> int:
    """How much there is to read in it."""
    if isinstance(block, SearchResultBlock):
        return sum(len(part.text) for part in block.content)
    match block.source:
        case PlainText(text=text):
            return len(text)
        case PdfPages(pages=pages):
            return sum(map(len, pages))
        case ContentParts(content=content):
            return sum(len(part.text) for part in content if isinstance(part, TextBlock))


def _cut(block: DocumentBlock | SearchResultBlock) -> tuple[str, list[Chunk]]:
    if isinstance(block, SearchResultBlock):
        return _cut_parts(block.content)
    match block.source:
        case PlainText(text=text):
            return text, [Chunk(span.start, span.end, 0) for span in sentences(text)]
        case PdfPages(pages=pages):
            return PAGE_BREAK.join(pages), list(_page_chunks(pages))
        case ContentParts(content=content):
            return _cut_parts(content)


def _page_chunks(pages: Sequence[str]) -> Iterator[Chunk]:
    start = 0
    for number, page in enumerate(pages, start=1):
        for span in sentences(page):
            yield Chunk(start + span.start, start + span.end, number)
        start += len(page) + len(PAGE_BREAK)


def _cut_parts(parts: Sequence[TextBlock | ImageBlock]) -> tuple[str, list[Chunk]]:
    """Parts as they are; pictures keep their numbers, and hold nothing that can be cited."""
    chunks: list[Chunk] = []
    start = 0
    for number, part in enumerate(parts):
        if isinstance(part, TextBlock):
            chunks.append(Chunk(start, start + len(part.text), number))
            start += len(part.text)
    return "".join(part.text for part in parts if isinstance(part, TextBlock)), chunks


def citation_of(source: Source, first: int, last: int) -> Citation:
    """The citation of chunks `first` to `last`, both included."""
    begin, end = source.chunks[first], source.chunks[last]
    cited = source.text[begin.start : end.end]
    block = source.block
    if isinstance(block, SearchResultBlock):
        return SearchResultLocation(
            cited_text=cited,
            search_result_index=source.index,
            source=block.source,
            title=block.title,
            start_block_index=begin.place,
            end_block_index=end.place + 1,
        )
    match block.source:
        case PlainText():
            return CharLocation(
                cited_text=cited,
                document_index=source.index,
                document_title=block.title,
                file_id=block.file_id,
                start_char_index=begin.start,
                end_char_index=end.end,
            )
        case PdfPages():
            return PageLocation(
                cited_text=cited,
                document_index=source.index,
                document_title=block.title,
                file_id=block.file_id,
                start_page_number=begin.place,
                end_page_number=end.place + 1,
            )
        case ContentParts():
            return ContentBlockLocation(
                cited_text=cited,
                document_index=source.index,
                document_title=block.title,
                file_id=block.file_id,
                start_block_index=begin.place,
                end_block_index=end.place + 1,
            )


# Sources by their kind and their index among those of it.
SourcesByIndex = Mapping[tuple[type, int], Source]


def by_index(sources: Iterable[Source]) -> dict[tuple[type, int], Source]:
    """Sources as citations name them."""
    return {(type(source.block), source.index): source for source in sources}


def range_of(citation: Citation, sources: SourcesByIndex) -> ChunkRange | None:
    """The chunks that a citation is of; None where no source at hand says there what it quotes. Citations
    come by the thousand, and so do chunks: none is looked at in vain.
    """
    match citation:
        case WebSearchResultLocation():
            return None
        case SearchResultLocation():
            source = sources.get((SearchResultBlock, citation.search_result_index))
        case _:
            source = sources.get((DocumentBlock, citation.document_index))
    if source is None:
        return None
    first, stop = _named_chunks(source.chunks, citation)
    if first >= stop:
        return None
    region = source.chunks[first].start, source.chunks[stop - 1].end
    if isinstance(citation, PageLocation):
        at = source.text.find(citation.cited_text, *region) if citation.cited_text else -1
        if at < 0:
            return None
        first, stop = _chunks_within(source.chunks, at, at + len(citation.cited_text))
    else:
        if isinstance(citation, CharLocation):
            region = citation.start_char_index, citation.end_char_index
        if not _says(source.text, region, citation.cited_text):
            return None
    return ChunkRange(source.number, first, stop - 1) if first < stop else None


def _says(text: str, region: tuple[int, int], cited: str) -> bool:
    """Whether a text says this there. A client may have left out or changed what its citations are of, and
    other sources have the numbers then.
    """
    start, end = region
    return end - start == len(cited) and text.startswith(cited, start)


def _named_chunks(chunks: Sequence[Chunk], citation: Citation) -> tuple[int, int]:
    """The first chunk that a citation names, and the first behind it that it does not."""
    match citation:
        case CharLocation():
            return _chunks_within(chunks, citation.start_char_index, citation.end_char_index)
        case PageLocation():
            places = citation.start_page_number, citation.end_page_number
        case ContentBlockLocation() | SearchResultLocation():
            places = citation.start_block_index, citation.end_block_index
        case WebSearchResultLocation():
            return 0, 0
    first, stop = (bisect_left(chunks, place, key=lambda chunk: chunk.place) for place in places)
    return first, stop


def _chunks_within(chunks: Sequence[Chunk], start: int, end: int) -> tuple[int, int]:
    """Those that a part of the text touches."""
    first = bisect_right(chunks, start, key=lambda chunk: chunk.end)
    return first, bisect_left(chunks, end, key=lambda chunk: chunk.start)
