"""What can be cited: documents and search results in numbered chunks.

A plain text is cut into sentences, a PDF page by page too, and parts stay as they were sent. Whatever is
cited is a slice of the source's one text, so it is there word for word. Sources are numbered in the order
in which a conversation holds them, so a conversation that goes on keeps its numbers. Enters: a
conversation. Leaves: sources; citations of their chunks, and the chunks of a citation. Read next:
`cited_text.py`, `caesura/tokens/document_text.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
    block: it. text: all that it says. chunks: its parts, in order; none where a PDF holds no text.
    """

    number: int
    index: int
    block: DocumentBlock | SearchResultBlock
    text: str
    chunks: tuple[Chunk, ...]


def is_citing(conversation: Conversation) -> bool:
    """Whether answers say where things come from."""
    return any(block.is_citable for block in readings_of(conversation))


def sources_of(conversation: Conversation) -> tuple[Source, ...]:
    """What can be cited."""
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
    return tuple(found)


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


def range_of(citation: Citation, sources: Sequence[Source]) -> ChunkRange | None:
    """The chunks that a citation is of; None where no source at hand holds it."""
    match citation:
        case WebSearchResultLocation():
            return None
        case SearchResultLocation():
            source = _find(sources, SearchResultBlock, citation.search_result_index)
        case _:
            source = _find(sources, DocumentBlock, citation.document_index)
    if source is None:
        return None
    chunks = [number for number, chunk in enumerate(source.chunks) if _is_in(chunk, citation)]
    if isinstance(citation, PageLocation):
        return _on_pages(source, chunks, citation.cited_text)
    return ChunkRange(source.number, chunks[0], chunks[-1]) if chunks else None


def _find(sources: Sequence[Source], kind: type, index: int) -> Source | None:
    fitting = (each for each in sources if each.index == index and isinstance(each.block, kind))
    return next(fitting, None)


def _is_in(chunk: Chunk, citation: Citation) -> bool:
    match citation:
        case CharLocation():
            return chunk.end > citation.start_char_index and chunk.start < citation.end_char_index
        case PageLocation():
            return citation.start_page_number <= chunk.place < citation.end_page_number
        case ContentBlockLocation() | SearchResultLocation():
            return citation.start_block_index <= chunk.place < citation.end_block_index
        case WebSearchResultLocation():
            return False


def _on_pages(source: Source, numbers: Sequence[int], cited: str) -> ChunkRange | None:
    """The first chunks of these that say what was cited: pages alone do not tell."""
    if not numbers or not cited:
        return None
    first_chunk, last_chunk = source.chunks[numbers[0]], source.chunks[numbers[-1]]
    at = source.text.find(cited, first_chunk.start, last_chunk.end)
    if at < 0:
        return None
    within = [n for n in numbers if source.chunks[n].end > at and source.chunks[n].start < at + len(cited)]
    return ChunkRange(source.number, within[0], within[-1]) if within else None
