"""Citations where a part of the conversation has been cleared or summarised: the numbers of sources stay."""

from __future__ import annotations

from typing import Any

from caesura.messages.chunks import by_index, range_of, sources_of
from caesura.messages.citations import CharLocation, SearchResultLocation
from caesura.messages.content import Conversation, TextBlock
from caesura.messages.context_client import ContextClient
from caesura.messages.document_json import part_json
from caesura.messages.fold import collect
from caesura.messages.request_body import request_body
from caesura.messages.response import Message, ModelInfo
from caesura.messages.scripted import SCRIPTED_MODEL, ScriptedClient, ScriptedReply
from caesura.messages.validation import parse_request
from caesura.tokens.document_text import CITING_HINT, without_documents

ON = {"enabled": True}
LOOK: Any = {"name": "look", "input_schema": {"type": "object"}}
CLEAR: Any = {
    "type": "clear_tool_uses_20250919",
    "trigger": {"type": "tool_uses", "value": 1},
    "keep": {"type": "tool_uses", "value": 1},
}
COMPACT: Any = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 50_000}}


def found(*parts: str) -> Any:
    content = [{"type": "text", "text": part} for part in parts]
    return {"type": "search_result", "source": "s", "title": parts[0], "content": content, "citations": ON}


def document(text: str) -> Any:
    source = {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "document", "source": source, "citations": ON}


def cites_found(index: int, text: str) -> Any:
    place = {"search_result_index": index, "source": "s", "title": text}
    blocks = {"start_block_index": 0, "end_block_index": 1}
    return {"type": "search_result_location", "cited_text": text, **place, **blocks}


def cites_document(index: int, text: str) -> Any:
    place = {"document_index": index, "document_title": None}
    characters = {"start_char_index": 0, "end_char_index": len(text)}
    return {"type": "char_location", "cited_text": text, **place, **characters}


def said(text: str, *citations: Any) -> Any:
    block = {"type": "text", "text": text, "citations": list(citations)}
    return {"role": "assistant", "content": [block]}


def looked(name: str, *content: Any) -> list[Any]:
    call = {"type": "tool_use", "id": name, "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": name, "content": list(content)}
    return [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]


# The first result gives way; the second one's source is number 1, whatever became of number 0.
SEARCHED: list[Any] = [
    {"role": "user", "content": "Look twice."},
    *looked("c0", found("Old news. " * 30)),
    *looked("c1", found("New news.")),
    said("It is new.", cites_found(1, "New news.")),
    {"role": "user", "content": "Sure?"},
]


def body(messages: list[Any], *edits: Any, **more: Any) -> dict[str, Any]:
    managed = {"context_management": {"edits": list(edits)}} if edits else {}
    return {
        "model": "scripted",
        "max_tokens": 500,
        "messages": messages,
        "tools": [LOOK],
        **managed,
        **more,
    }


async def answered(
    asked: dict[str, Any], *replies: ScriptedReply | str, model: ModelInfo = SCRIPTED_MODEL
) -> tuple[Message, Conversation]:
    """The reply, and the conversation that the model read for the last of its passes."""
    inner = ScriptedClient(replies, models=[model])
    message = await collect(ContextClient(inner).stream(parse_request(asked)))
    return message, inner.history[-1].conversation


def quoted(read: Conversation) -> list[str | None]:
    """What each citation in a conversation is read as; None for plain text."""
    sources = sources_of(read)
    known = by_index(sources)
    found: list[str | None] = []
    for block in (block for turn in read.turns for block in turn.content):
        for citation in block.citations if isinstance(block, TextBlock) else ():
            place = range_of(citation, known)
            if place is None:
                found.append(None)
                continue
            source = sources[place.source]
            found.append(source.text[source.chunks[place.first].start : source.chunks[place.last].end])
    return found


async def test_a_citation_means_the_same_source_when_an_older_one_was_cleared() -> None:
    message, read = await answered(body(SEARCHED, CLEAR), "Yes <cite 1:0>sure</cite>.")
    assert [each.num_cleared for each in message.applied_edits or ()] == [1]
    assert quoted(read) == ["New news."]
    assert [source.number for source in sources_of(read)] == [0, 1]


async def test_an_answer_cites_by_the_places_that_the_request_has() -> None:
    message, _ = await answered(body(SEARCHED, CLEAR), "Yes <cite 1:0>sure</cite> <cite 0:0>not</cite>.")
    citations = [
        each for block in message.content if isinstance(block, TextBlock) for each in block.citations
    ]
    # What was cleared cannot be cited any more.
    assert [
        (each.search_result_index, each.cited_text)
        for each in citations
        if isinstance(each, SearchResultLocation)
    ] == [(1, "New news.")]
    assert len(citations) == 1


async def test_what_is_cleared_takes_no_room_and_its_number_stays_in_the_prompt() -> None:
    _, read = await answered(body(SEARCHED, CLEAR), "Yes.")
    told = without_documents(read)
    texts = str(told.conversation)
    assert "Search result 0" not in texts
    assert "[1:0] New news." in texts
    assert "<cite 1:0>It is new.</cite>" in texts
    assert texts.count(CITING_HINT) == 1
    assert [len(source.chunks) for source in told.sources] == [0, 1]


async def test_clearing_everything_that_can_be_cited_leaves_nothing_to_cite() -> None:
    none = {**CLEAR, "keep": {"type": "tool_uses", "value": 0}}
    _, read = await answered(body(SEARCHED, none), "Yes.")
    # The newer result is shorter than what would take its place, and both together are not.
    assert sources_of(read) == ()
    assert quoted(read) == [None]
    assert without_documents(read).sources == ()


async def test_another_server_is_sent_something_in_a_cleared_sources_place() -> None:
    _, read = await answered(body(SEARCHED, CLEAR), "Yes.")
    request = parse_request(body(SEARCHED))
    sent = request_body(type(request)(model="m", max_tokens=9, conversation=read))
    again = parse_request(sent).conversation
    assert [source.index for source in sources_of(again)] == [0, 1]
    assert quoted(again) == ["New news."]
    assert all(part_json(source.block)["type"] == "search_result" for source in sources_of(again))


SUMMED: Any = {"role": "assistant", "content": [{"type": "compaction", "content": "They looked."}]}
BEHIND: list[Any] = [
    {
        "role": "user",
        "content": [document("Old. Older."), found("Old news."), {"type": "text", "text": "Hm?"}],
    },
    SUMMED,
    {"role": "user", "content": [document("New. Newer."), {"type": "text", "text": "And?"}]},
]


async def test_documents_before_a_summary_keep_their_numbers() -> None:
    told = [*BEHIND, said("New it is.", cites_document(1, "New.")), {"role": "user", "content": "Sure?"}]
    message, read = await answered(body(told), "<cite 2:1>Yes</cite>")
    assert quoted(read) == ["New."]
    (block,) = message.content
    assert isinstance(block, TextBlock)
    (citation,) = block.citations
    assert isinstance(citation, CharLocation)
    assert (citation.document_index, citation.cited_text) == (1, "Newer.")


async def test_a_citation_of_a_summarised_document_is_none_of_the_next() -> None:
    told = [*BEHIND, said("Old it was.", cites_document(0, "Old.")), {"role": "user", "content": "Sure?"}]
    _, read = await answered(body(told), "Yes.")
    assert quoted(read) == [None]


async def test_what_was_left_out_before_a_summary_is_not_counted() -> None:
    told = [BEHIND[1], BEHIND[2], said("New it is.", cites_document(0, "New.")), BEHIND[2]]
    _, read = await answered(body(told), "Yes.")
    assert quoted(read) == ["New."]


async def test_a_citation_that_quotes_something_else_is_plain_text() -> None:
    # Its document was left out with what came before the summary, and another one has its number.
    told = [BEHIND[1], BEHIND[2], said("Old it was.", cites_document(0, "Old.")), BEHIND[2]]
    _, read = await answered(body(told), "Yes.")
    assert quoted(read) == [None]


async def test_a_summary_of_now_keeps_the_numbers_that_it_will_have_when_it_is_sent_back() -> None:
    long = {"role": "user", "content": [document("word. " * 20_000), found("Old news.")]}
    message, read = await answered(body([long], COMPACT), "They read.", "Done.", model=SCRIPTED_MODEL)
    reply = {
        "role": "assistant",
        "content": [{"type": "compaction", "content": message.content[0].content}],  # type: ignore[union-attr]
    }
    replayed = parse_request(body([long, reply])).conversation
    assert read.turns == replayed.turns
    assert len(read.turns[0].content) == 3


def test_a_form_may_be_asked_for_behind_a_summary_of_what_could_be_cited() -> None:
    form: Any = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    request = parse_request(body([BEHIND[0], SUMMED, {"role": "user", "content": "So?"}], output_config=form))
    assert sources_of(request.conversation) == ()
