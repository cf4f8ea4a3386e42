"""Citations, from a model's marked text to blocks and back: whatever is written, what is cited is there."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.chunks import ChunkRange, Source, by_index, citation_of, range_of, sources_of
from caesura.messages.citations import (
    CharLocation,
    Citation,
    ContentBlockLocation,
    PageLocation,
    SearchResultLocation,
    WebSearchResultLocation,
    citation_json,
    parse_citation,
)
from caesura.messages.cited_events import CitedEvents
from caesura.messages.cited_text import CitedTextReader, escaped, marked
from caesura.messages.content import (
    Block,
    ContentParts,
    Conversation,
    DocumentBlock,
    PdfPages,
    PlainText,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
    text_of,
)
from caesura.messages.events import BlockStart, BlockStop, CitationsDelta, Event, TextDelta
from caesura.messages.fold import MessageFold
from tests.messages.reading import GRASS, answers, asked, conversations, found, in_parts, paged, plain


def text_events(text: str, size: int = 3, index: int = 0) -> list[Event]:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    deltas = [TextDelta(index=index, text=piece) for piece in pieces]
    return [BlockStart(index=index, block=TextBlock(text="")), *deltas, BlockStop(index=index)]


def staged(conversation: Conversation, events: Sequence[Event]) -> list[Event]:
    stage = CitedEvents(sources_of(conversation))
    return [*stage.feed(events), *stage.finish()]


def answered(conversation: Conversation, text: str, size: int = 3) -> tuple[Block, ...]:
    folding = MessageFold()
    for event in staged(conversation, text_events(text, size)):
        folding.add(event)
    return folding.content


def holds(conversation: Conversation, citation: Citation) -> bool:
    """Whether what is cited stands where the citation says, reckoned from the API's own fields."""
    blocks = [block for turn in conversation.turns for block in turn.content]
    documents = [block for block in blocks if isinstance(block, DocumentBlock)]
    match citation:
        case CharLocation():
            source = documents[citation.document_index].source
            assert isinstance(source, PlainText)
            return source.text[citation.start_char_index : citation.end_char_index] == citation.cited_text
        case PageLocation():
            source = documents[citation.document_index].source
            assert isinstance(source, PdfPages)
            pages = source.pages[citation.start_page_number - 1 : citation.end_page_number - 1]
            return len(pages) > 0 and citation.cited_text in "\n".join(pages)
        case ContentBlockLocation():
            source = documents[citation.document_index].source
            assert isinstance(source, ContentParts)
            return text_of(source.content[citation.start_block_index : citation.end_block_index]) == (
                citation.cited_text
            )
        case SearchResultLocation():
            results = [block for block in blocks if not isinstance(block, DocumentBlock | TextBlock)]
            result = results[citation.search_result_index]
            parts = result.content[citation.start_block_index : citation.end_block_index]  # type: ignore[union-attr]
            return "".join(part.text for part in parts) == citation.cited_text  # type: ignore[union-attr]
        case WebSearchResultLocation():
            return False


def test_a_cited_part_is_a_block_of_its_own() -> None:
    told = asked(plain(title="Colours", file_id="file_1"))
    free, cited, rest = answered(told, "Well: <cite 0:0+1>green and blue</cite>. Bye.")
    assert (free, rest) == (TextBlock(text="Well: "), TextBlock(text=". Bye."))
    location = CharLocation(
        cited_text="The grass is green. The sky is blue.",
        document_index=0,
        document_title="Colours",
        file_id="file_1",
        start_char_index=0,
        end_char_index=36,
    )
    assert cited == TextBlock(text="green and blue", citations=(location,))


def test_pages_are_counted_from_one_and_their_end_is_exclusive() -> None:
    (cited,) = answered(asked(paged("One. Two.", "", "Three.")), "<cite 0:1+1>two</cite>")
    assert isinstance(cited, TextBlock)
    (location,) = cited.citations
    assert location == PageLocation(
        cited_text="Two.\n\nThree.", document_index=0, start_page_number=1, end_page_number=4
    )


def test_documents_and_search_results_are_counted_apart() -> None:
    told = asked(found("a"), plain(), found("b", "c"), in_parts("d", "e", "f"))
    (cited,) = answered(told, "<cite 2:0+1,3:1,1:2>x</cite>")
    assert isinstance(cited, TextBlock)
    result, parts, text = cited.citations
    assert isinstance(result, SearchResultLocation)
    assert (result.search_result_index, result.cited_text, result.end_block_index) == (1, "bc", 2)
    assert isinstance(parts, ContentBlockLocation)
    assert (parts.document_index, parts.cited_text, parts.start_block_index) == (1, "e", 1)
    assert isinstance(text, CharLocation)
    assert (text.document_index, text.cited_text) == (0, "Water is wet.")


def test_white_space_between_cited_parts_makes_no_block() -> None:
    blocks = answered(asked(plain()), " \n<cite 0:0>a</cite> \n<cite 0:0>b</cite>\n")
    assert [block.text for block in blocks if isinstance(block, TextBlock)] == [" \na \n", "b\n"]


def test_what_only_looks_like_a_marker_is_text() -> None:
    text = "<cite 0:9>a</cite> <cite 0:0+3> <cite> <cite 0> <\\cite 0:0>x<\\/cite> 1 < 2"
    (block,) = answered(asked(plain()), text)
    assert block == TextBlock(text="<cite 0:9>a</cite> <cite 0:0+3> <cite> <cite 0> <cite 0:0>x</cite> 1 < 2")


def test_a_marker_that_breaks_off_is_not_shown() -> None:
    for cut in ("<cite", "<cite 0:", "<cite 0:0+1"):
        assert answered(asked(plain()), f"Yes {cut}") == (TextBlock(text="Yes "),)
    (begun,) = answered(asked(plain()), "<cite 0:0>half a word</ci")
    assert isinstance(begun, TextBlock)
    assert begun.text.startswith("half a word")
    assert len(begun.citations) == 1


def test_thoughts_and_calls_pass_under_their_new_numbers() -> None:
    thought = [BlockStart(index=0, block=ThinkingBlock(thinking="")), BlockStop(index=0)]
    call = [BlockStart(index=2, block=ToolUseBlock(id="t", name="n", input={})), BlockStop(index=2)]
    events = [*thought, *text_events("a <cite 0:0>b</cite> c", index=1), *call]
    folding = MessageFold()
    for event in staged(asked(plain()), events):
        folding.add(event)
    assert [type(block) for block in folding.content] == [
        ThinkingBlock,
        TextBlock,
        TextBlock,
        TextBlock,
        ToolUseBlock,
    ]


def test_citations_come_last_in_their_block() -> None:
    events = staged(asked(plain()), text_events("<cite 0:0,0:1>b</cite>"))
    kinds = [type(event) for event in events]
    assert kinds == [BlockStart, TextDelta, CitationsDelta, CitationsDelta, BlockStop]


@given(conversations, answers, st.integers(1, 9))
def test_whatever_is_written_what_is_cited_is_there(told: Conversation, text: str, size: int) -> None:
    blocks = answered(told, text, size)
    assert blocks == answered(told, text, 1_000)
    for block in blocks:
        assert isinstance(block, TextBlock)
        assert block.text
        assert all(holds(told, citation) for citation in block.citations)


@given(st.text() | answers)
def test_escaped_text_is_never_a_marker(text: str) -> None:
    sources = sources_of(asked(plain(), plain()))
    reader = CitedTextReader(sources)
    pieces = [*reader.feed(escaped(text) + "."), *reader.finish()]
    assert "".join(piece.text for piece in pieces) == text + "."
    assert not any(piece.ranges for piece in pieces)


@st.composite
def cited_texts(draw: st.DrawFn) -> tuple[Conversation, list[tuple[str, tuple[ChunkRange, ...]]]]:
    """A conversation, and parts of an answer as a grammar allows them: no two free ones side by side."""
    told = draw(conversations)
    sources = [source for source in sources_of(told) if source.chunks]
    words = (st.text(max_size=12) | answers).filter(lambda text: bool(text.strip()))
    parts: list[tuple[str, tuple[ChunkRange, ...]]] = []
    for _ in range(draw(st.integers(0, 4))):
        is_free = not sources or (draw(st.booleans()) and not (parts and not parts[-1][1]))
        if is_free and parts and not parts[-1][1]:
            break
        ranges = (
            () if is_free else tuple(dict.fromkeys(draw(st.lists(_ranges(sources), min_size=1, max_size=3))))
        )
        parts.append((draw(words) if is_free else draw(words).strip(), ranges))
    return told, parts


@st.composite
def _ranges(draw: st.DrawFn, sources: list[Source]) -> ChunkRange:
    source = draw(st.sampled_from(sources))
    first = draw(st.integers(0, len(source.chunks) - 1))
    return ChunkRange(source.number, first, draw(st.integers(first, min(first + 9, len(source.chunks) - 1))))


@given(cited_texts())
def test_marked_text_is_read_back(
    case: tuple[Conversation, list[tuple[str, tuple[ChunkRange, ...]]]],
) -> None:
    told, parts = case
    sources = sources_of(told)
    blocks = answered(told, "".join(marked(text, ranges) for text, ranges in parts))
    expected = [
        TextBlock(
            text=text,
            citations=tuple(citation_of(sources[each.source], each.first, each.last) for each in ranges),
        )
        for text, ranges in parts
    ]
    assert list(blocks) == expected


@given(conversations)
def test_the_chunks_of_a_citation_are_found_again(told: Conversation) -> None:
    sources = sources_of(told)
    for source in sources:
        for first in range(len(source.chunks)):
            for last in range(first, min(first + 3, len(source.chunks))):
                citation = citation_of(source, first, last)
                there = range_of(citation, by_index(sources))
                assert there is not None
                again = citation_of(sources[there.source], there.first, there.last)
                if isinstance(citation, PageLocation):
                    # Pages do not tell alike sentences apart.
                    assert again.cited_text == citation.cited_text
                else:
                    assert there == ChunkRange(source.number, first, last)


def test_a_citation_of_nothing_at_hand_has_no_chunks() -> None:
    sources = by_index(sources_of(asked(plain())))
    far = CharLocation(cited_text="x", document_index=0, start_char_index=900, end_char_index=901)
    other = CharLocation(cited_text="x", document_index=1, start_char_index=0, end_char_index=1)
    web = WebSearchResultLocation(cited_text="x", encrypted_index="e", url="u")
    assert [range_of(each, sources) for each in (far, other, web)] == [None, None, None]


@given(conversations)
def test_citations_survive_json(told: Conversation) -> None:
    for source in sources_of(told):
        for number in range(len(source.chunks)):
            citation = citation_of(source, number, number)
            assert parse_citation(citation_json(citation)) == citation


def test_text_of_a_plain_document_is_cited_by_characters() -> None:
    (source,) = sources_of(asked(plain()))
    assert [GRASS[chunk.start : chunk.end] for chunk in source.chunks] == [
        "The grass is green.",
        "The sky is blue.",
        "Water is wet.",
    ]
