"""Documents, search results and citations as plain text, whoever's chat format it stands in.

What can be cited is written chunk by chunk, each on a line under its number; the first such source comes
with a word on how to cite. An answer that cited is written with the markers that it was generated with, and
text that merely looks like them is escaped wherever it follows something that can be cited. So what was
said of a conversation stays as it is when the conversation goes on. Of a source that was cleared nothing is
written. Enters: a conversation. Leaves: one of
texts, thoughts, calls and results alone, and its sources. Read next: `caesura/messages/chunks.py`;
`chat_format.py`, which renders it; `template.py`, its twin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from caesura.messages.chunks import (
    ChunkRange,
    Source,
    SourcesByIndex,
    by_index,
    range_of,
    readings_in,
    sources_of,
)
from caesura.messages.cited_text import marked
from caesura.messages.content import (
    Block,
    CacheControl,
    ContentParts,
    Conversation,
    DocumentBlock,
    ImageBlock,
    PdfPages,
    PlainText,
    ResultPart,
    SearchResultBlock,
    TextBlock,
    ToolResultBlock,
    Turn,
)
from caesura.tokens.tool_text import no_images

CITING_HINT = (
    "Sources are given in numbered parts. Mark words that rest on a part with its number:"
    " <cite 0:2>words</cite>; <cite 0:2+1> also names the part behind it."
)
NO_TEXT = "This page holds no text that can be read."


Known = dict[tuple[type, int], Source]


class Told(NamedTuple):
    """A conversation without documents, and what of them can be cited."""

    conversation: Conversation
    sources: tuple[Source, ...]


def without_documents(conversation: Conversation) -> Told:
    """The same conversation in plain text. Raises ValueError for a picture inside a document."""
    if not any(readings_in(block for turn in conversation.turns for block in turn.content)):
        return Told(conversation, ())
    sources = sources_of(conversation)
    waiting = iter([source for source in sources if not source.block.is_cleared])
    known: Known = {}
    turns = tuple(_turn(turn, waiting, known) for turn in conversation.turns)
    return Told(replace(conversation, turns=turns), sources)


def _turn(turn: Turn, waiting: Iterator[Source], known: Known) -> Turn:
    """known: the sources so far; those of this turn join them."""
    blocks = _marked_blocks(turn.content, known) if turn.role == "assistant" and known else turn.content
    kept = (block for block in blocks if not _is_cleared(block))
    return replace(turn, content=tuple(_block(block, waiting, known) for block in kept))


def _is_cleared(block: Block) -> bool:
    return isinstance(block, DocumentBlock | SearchResultBlock) and block.is_cleared


def _block(block: Block, waiting: Iterator[Source], known: Known) -> Block:
    match block:
        case ToolResultBlock():
            kept = (part for part in block.content if not _is_cleared(part))
            return replace(block, content=tuple(_part(part, waiting, known) for part in kept))
        case DocumentBlock() | SearchResultBlock():
            return _part(block, waiting, known)
        case _:
            return block


def _part(part: ResultPart, waiting: Iterator[Source], known: Known) -> TextBlock | ImageBlock:
    if not isinstance(part, DocumentBlock | SearchResultBlock):
        return part
    if not part.is_citable:
        return TextBlock(text=_plain_text(part), cache_control=part.cache_control)
    source = next(waiting)
    hint = "" if known else f"{CITING_HINT}\n\n"
    known |= by_index((source,))
    text = hint + "\n".join(_numbered_lines(source))
    return TextBlock(text=text, cache_control=part.cache_control)


def _plain_text(block: DocumentBlock | SearchResultBlock) -> str:
    return "\n".join([*_heading(block, ""), "", *_plain_parts(block)])


def _heading(block: DocumentBlock | SearchResultBlock, number: str) -> list[str]:
    """number: with a space before it, where the source has one."""
    if isinstance(block, SearchResultBlock):
        return [f"Search result{number}: {block.title}", f"Source: {block.source}"]
    first = f"Document{number}: {block.title}" if block.title else f"Document{number}"
    return [first, f"Context: {block.context}"] if block.context else [first]


def _plain_parts(block: DocumentBlock | SearchResultBlock) -> list[str]:
    if isinstance(block, SearchResultBlock):
        return _texts(block.content)
    match block.source:
        case PlainText(text=text):
            return [text]
        case PdfPages(pages=pages):
            return [line for number, page in enumerate(pages, start=1) for line in _page(number, page)]
        case ContentParts(content=content):
            return _texts(content)


def _page(number: int, text: str) -> tuple[str, str]:
    return (f"Page {number}:", text if text.strip() else NO_TEXT)


def _texts(parts: Sequence[TextBlock | ImageBlock]) -> list[str]:
    if not all(isinstance(part, TextBlock) for part in parts):
        raise no_images()
    return [part.text for part in parts if isinstance(part, TextBlock)]


def _numbered_lines(source: Source) -> Iterator[str]:
    yield from _heading(source.block, f" {source.number}")
    lines = [
        f"[{source.number}:{number}] {source.text[chunk.start : chunk.end]}"
        for number, chunk in enumerate(source.chunks)
    ]
    match source.block:
        case DocumentBlock(source=PdfPages(pages=pages)):
            for number in range(1, len(pages) + 1):
                yield f"Page {number}:"
                of_page = [
                    line for line, chunk in zip(lines, source.chunks, strict=True) if chunk.place == number
                ]
                yield from of_page or (NO_TEXT,)
        case DocumentBlock(source=ContentParts(content=content)):
            _texts(content)
            yield from lines
        case _:
            yield from lines


def _marked_blocks(content: Sequence[Block], known: SourcesByIndex) -> list[Block]:
    """An assistant's blocks with their citations as markers; cited parts join the texts beside them."""
    blocks: list[Block] = []
    run = _Run()
    for block in content:
        if isinstance(block, TextBlock):
            ranges = _ranges(block, known)
            if not run.joins(is_cited=bool(ranges)):
                blocks += run.end()
            run.add(block, marked(block.text, ranges), is_cited=bool(ranges))
        else:
            blocks += [*run.end(), block]
    return [*blocks, *run.end()]


class _Run:
    """Texts that become one."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._control: CacheControl | None = None
        self._was_cited = self._is_continuation = False

    def joins(self, *, is_cited: bool) -> bool:
        """Whether another text belongs to it."""
        return is_cited or self._was_cited

    def add(self, block: TextBlock, text: str, *, is_cited: bool) -> None:
        """text: the block's, with its citations as markers."""
        if not self._texts:
            self._is_continuation = block.is_continuation
        self._texts.append(text)
        self._control = _longest(self._control, block.cache_control)
        self._was_cited = is_cited

    def end(self) -> list[TextBlock]:
        """The text, if there is any; another run begins."""
        texts, control, goes_on = self._texts, self._control, self._is_continuation
        self._texts, self._control, self._was_cited = [], None, False
        if not texts:
            return []
        return [TextBlock(text="".join(texts), cache_control=control, is_continuation=goes_on)]


def _ranges(block: TextBlock, known: SourcesByIndex) -> list[ChunkRange]:
    found = (range_of(citation, known) for citation in block.citations)
    return list(dict.fromkeys(each for each in found if each is not None))


def _longest(one: CacheControl | None, other: CacheControl | None) -> CacheControl | None:
    """Of two breakpoints that come to stand in one place, the one that keeps longest."""
    wanted = [control for control in (one, other) if control is not None]
    return max(wanted, key=lambda control: control.ttl == "1h", default=None)
