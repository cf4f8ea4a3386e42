"""Documents and search results of a request body: read, or refused by name."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from caesura.messages.citations import CharLocation
from caesura.messages.content import (
    CacheControl,
    ContentParts,
    DocumentBlock,
    ImageBlock,
    PdfPages,
    PlainText,
    SearchResultBlock,
    TextBlock,
    ToolResultBlock,
)
from caesura.messages.documents_in import MAX_DOCUMENT_CHARACTERS
from caesura.messages.errors import InvalidRequestError
from caesura.messages.pdf import PdfLimits
from caesura.messages.request import MessagesRequest
from caesura.messages.request_body import request_body
from caesura.messages.validation import Dialect, parse_request
from tests.messages.pictures import image, png
from tests.messages.reading import pdf

NEWEST = Dialect(version="2026-10-21")
ON = {"enabled": True}
QUESTION = {"type": "text", "text": "What is it?"}
CALL = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}
LOCATION: dict[str, Any] = {
    "type": "char_location",
    "cited_text": "b",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 1,
}


def document(text: str = "Grass is green.", **more: Any) -> dict[str, Any]:
    return {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}, **more}


def in_parts(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"type": "document", "source": {"type": "content", "content": list(parts)}, **more}


def pdf_document(file: bytes, **more: Any) -> dict[str, Any]:
    data = base64.b64encode(file).decode()
    source = {"type": "base64", "media_type": "application/pdf", "data": data}
    return {"type": "document", "source": source, **more}


def result(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"type": "search_result", "source": "s", "title": "t", "content": list(parts), **more}


def text(told: str = "a", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": told, **more}


def body(*content: Any, **more: Any) -> dict[str, Any]:
    return {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": [*content, QUESTION]}],
        **more,
    }


def with_answer(*blocks: Any, **more: Any) -> dict[str, Any]:
    asked = body(document(citations=ON), **more)
    answer = {"role": "assistant", "content": list(blocks)}
    return {**asked, "messages": [*asked["messages"], answer, {"role": "user", "content": "And?"}]}


def in_result(*content: Any) -> dict[str, Any]:
    answered = {"type": "tool_result", "tool_use_id": "t1", "content": list(content)}
    talk = [("user", "hi"), ("assistant", [CALL]), ("user", [answered])]
    return {**body(), "messages": [{"role": role, "content": told} for role, told in talk]}


def first(request: MessagesRequest) -> Any:
    return request.conversation.turns[0].content[0]


def test_a_plain_text_is_read() -> None:
    asked = document("One.", title="T", context="C", citations=ON, cache_control={"type": "ephemeral"})
    assert first(parse_request(body(asked))) == DocumentBlock(
        source=PlainText(text="One."), title="T", context="C", is_citable=True, cache_control=CacheControl()
    )


def test_a_pdf_is_read_page_by_page() -> None:
    file = pdf("One.", "Two.")
    assert first(parse_request(body(pdf_document(file)))) == DocumentBlock(
        source=PdfPages(data=file, pages=("One.", "Two."))
    )


@pytest.mark.parametrize("content", ["One.", [text("One.")]])
def test_parts_may_be_one_string(content: Any) -> None:
    asked = {"type": "document", "source": {"type": "content", "content": content}}
    assert first(parse_request(body(asked))).source == ContentParts(content=(TextBlock(text="One."),))


def test_parts_may_be_pictures() -> None:
    source = first(parse_request(body(in_parts(text(), image(png(1, 1)))))).source
    assert [type(part) for part in source.content] == [TextBlock, ImageBlock]


def test_a_search_result_is_read() -> None:
    asked = result(text("a"), text("b"), citations={"enabled": False}, cache_control={"type": "ephemeral"})
    assert first(parse_request(body(asked))) == SearchResultBlock(
        source="s",
        title="t",
        content=(TextBlock(text="a"), TextBlock(text="b")),
        cache_control=CacheControl(),
    )


def test_results_of_tools_hold_documents() -> None:
    marked = document(cache_control={"type": "ephemeral", "ttl": "1h"})
    request = parse_request(in_result(text(), marked, result(text()), pdf_document(pdf("One."))))
    (held,) = request.conversation.turns[2].content
    assert isinstance(held, ToolResultBlock)
    assert [type(part) for part in held.content] == [
        TextBlock,
        DocumentBlock,
        SearchResultBlock,
        DocumentBlock,
    ]
    assert held.cache_control == CacheControl(ttl="1h")


def test_the_automatic_breakpoint_may_stand_behind_a_document() -> None:
    asked = {
        **body(),
        "messages": [{"role": "user", "content": [document()]}],
        "cache_control": {"type": "ephemeral"},
    }
    assert first(parse_request(asked)).cache_control == CacheControl()


def test_a_cited_answer_comes_back() -> None:
    request = parse_request(with_answer(text("a", citations=[LOCATION]), text("b")), NEWEST)
    cited, free = request.conversation.turns[1].content
    location = CharLocation(cited_text="b", document_index=0, start_char_index=0, end_char_index=1)
    assert cited == TextBlock(text="a", citations=(location,))
    assert free == TextBlock(text="b")


def test_every_kind_of_citation_comes_back() -> None:
    kinds = [
        LOCATION,
        {**LOCATION, "file_id": "file_1", "document_title": "T"},
        {
            "type": "page_location",
            "cited_text": "b",
            "document_index": 0,
            "document_title": None,
            "start_page_number": 1,
            "end_page_number": 2,
        },
        {
            "type": "content_block_location",
            "cited_text": "b",
            "document_index": 0,
            "document_title": None,
            "start_block_index": 0,
            "end_block_index": 1,
        },
        {
            "type": "search_result_location",
            "cited_text": "b",
            "search_result_index": 0,
            "source": "s",
            "title": None,
            "start_block_index": 0,
            "end_block_index": 1,
        },
        {
            "type": "web_search_result_location",
            "cited_text": "b",
            "encrypted_index": "e",
            "title": None,
            "url": "u",
        },
    ]
    request = parse_request(with_answer(text("a", citations=kinds)))
    assert request_body(request)["messages"][1]["content"][0]["citations"] == kinds


def test_a_request_survives_its_own_body() -> None:
    asked = body(
        document(title="T", context="C", citations=ON),
        pdf_document(pdf("One."), citations=ON),
        in_parts(text(), citations=ON),
        result(text("a"), text("b"), citations=ON),
    )
    request = parse_request(asked)
    again = parse_request(json.loads(json.dumps(request_body(request))))
    assert again.conversation == request.conversation


def test_the_older_dialect_takes_documents_of_the_assistants() -> None:
    request = parse_request(with_answer(document(citations=ON), text("b")))
    assert isinstance(request.conversation.turns[1].content[0], DocumentBlock)


def test_the_older_dialect_takes_citations_inside_what_is_read() -> None:
    cited = text(citations=[{"anything": 1}])
    parse_request(body(result(cited), in_parts(cited)))


PDF_PLACE = "messages.0.content.0.pdf.source.base64.data"
MIXED = "citations must be enabled on all or none of the"
BAD: list[tuple[dict[str, Any], str]] = [
    (body({"type": "document"}), "messages.0.content.0.document.source: Field required"),
    (
        body(document("")),
        "messages.0.content.0.document.source.text.data: documents must contain non-whitespace",
    ),
    (
        body(document(" \n")),
        "messages.0.content.0.document.source.text.data: documents must contain non-whitespace",
    ),
    (
        body(document("x" * (MAX_DOCUMENT_CHARACTERS + 1))),
        "messages.0.content.0.document.source.text.data: 4000001 characters > 4000000 maximum",
    ),
    (body(document(title="x" * 501)), "messages.0.content.0.document.title: String should have at most 500"),
    (
        body(in_parts()),
        "messages.0.content.0.document.source.content.content: List should have at least 1 item",
    ),
    (body(in_parts(text(""))), "messages.0.content.0.document.source.content.content.0.text: documents must"),
    (
        body(in_parts(text(cache_control={"type": "ephemeral"}))),
        "messages.0.content.0.document.source.content.content.0.cache_control: a part of a document cannot",
    ),
    (
        body(in_parts(document())),
        "messages.0.content.0.document.source.content.content.0.type: Input tag 'document' found",
    ),
    (
        body({"type": "document", "source": {"type": "url", "url": "https://x"}}),
        "messages.0.content.0.document.source.type: `url` sources are not supported by this server",
    ),
    (
        body({"type": "document", "source": {"type": "file", "file_id": "file_1"}}),
        "messages.0.content.0.document.source.type: `file` sources are not supported by this server",
    ),
    (
        body({"type": "document", "source": {"type": "base64", "media_type": "text/html", "data": ""}}),
        "messages.0.content.0.document.source.base64.media_type: Input should be 'application/pdf'",
    ),
    (body(pdf_document(b"hello")), f"{PDF_PLACE}: The PDF specified was not valid."),
    (
        body(
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "*"}}
        ),
        f"{PDF_PLACE}: invalid base64 data",
    ),
    (body(pdf_document(pdf(*"abc"))), f"{PDF_PLACE}: A maximum of 2 PDF pages may be provided; found 3."),
    (
        body(pdf_document(pdf(*"ab")), image(png(1, 1))),
        "messages: too much media: 2 document pages + 1 images > 2 maximum",
    ),
    (body(result()), "messages.0.content.0.search_result.content: List should have at least 1 item"),
    (
        body({"type": "search_result", "source": "s"}),
        "messages.0.content.0.search_result.title: Field required",
    ),
    (body(result(text(" "))), "messages.0.content.0.search_result.content.0.text: documents must contain"),
    (
        body(result(text(cache_control={"type": "ephemeral"}))),
        "messages.0.content.0.search_result.content.0.cache_control: a part of a document cannot be cached",
    ),
    (
        body(document(citations=ON), document()),
        f"messages.0.content.1.document.citations.enabled: {MIXED} documents within a request",
    ),
    (
        body(result(text(), citations={"enabled": False}), result(text(), citations=ON)),
        f"messages.0.content.1.search_result.citations.enabled: {MIXED} search results within a request",
    ),
    (
        body(document(citations=ON), output_config={"format": {"type": "json_schema", "schema": {}}}),
        "output_config.format: Citations cannot be enabled when an output format is set",
    ),
    (
        with_answer(result(text(), citations=ON)),
        "messages.1.content.0.type: `search_result` blocks are only allowed in `user` messages",
    ),
    (
        {**body(), "messages": [*body()["messages"], {"role": "system", "content": [document()]}]},
        "messages.1.content.0.type: `document` blocks are only allowed in `user` messages",
    ),
    (
        body(*[document(cache_control={"type": "ephemeral"})] * 5),
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    (
        body(in_parts(*[text()] * 100_000)),
        "messages: 100002 content blocks > 100000 maximum; shorten the conversation",
    ),
    (
        with_answer(text("a", citations=[{**LOCATION, "start_char_index": -1}])),
        "messages.1.content.0.text.citations.0.char_location.start_char_index: Input should be greater than",
    ),
    (
        with_answer(text("a", citations=[{"type": "poem"}])),
        "messages.1.content.0.text.citations.0: Input tag 'poem' found using 'type'",
    ),
    (
        with_answer(text("a", citations=[LOCATION] * 1_001)),
        "messages.1.content.0.text.citations: List should have at most 1000 items",
    ),
    (
        with_answer(*[text("a", citations=[LOCATION] * 1_000)] * 6),
        "messages: 6000 citations > 5000 maximum; shorten the conversation",
    ),
]


@pytest.mark.parametrize(("bad", "message"), BAD, ids=[str(number) for number in range(len(BAD))])
def test_what_cannot_be_read_is_refused_by_name(bad: Any, message: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_request(bad, Dialect(pdf_limits=PdfLimits(max_pages=2)))
    assert refused.value.message.startswith(message)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            with_answer(document(citations=ON), text("b")),
            "messages.1.content.0.type: `document` blocks are only allowed in `user` messages",
        ),
        (
            body(result(text(citations=[LOCATION]))),
            "messages.0.content.0.search_result.content.0.citations: Extra inputs are not permitted",
        ),
        (
            body(in_parts(text(), text(citations=[LOCATION]))),
            "messages.0.content.0.document.source.content.content.1.citations: Extra inputs are"
            " not permitted",
        ),
    ],
)
def test_the_newest_dialect_has_left_something_behind(bad: Any, message: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_request(bad, NEWEST)
    assert refused.value.message == message
    parse_request(bad)
