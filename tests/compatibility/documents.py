"""Rows: documents, URLs and citations. Enters: nothing. Leaves: `Row`s. Read next: `page.py`."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import httpx
from pypdf import PdfReader, PdfWriter

from caesura.messages.content import DocumentBlock, ImageBlock, PdfPages, PlainText
from caesura.server.backing import Backing
from caesura.server.fetching import Fetcher
from tests.compatibility.parameters import NEWEST, SCHEMA
from tests.compatibility.probe import BODY, Answer, Check, Probe, Row, asking_another, block, field, verdict
from tests.messages.pictures import png
from tests.messages.reading import pdf

Json = dict[str, Any]

HARE, HOUND = "A hare is quick.", "A hound is not."
ON: Json = {"citations": {"enabled": True}}
PLAIN: Json = {"type": "text", "media_type": "text/plain", "data": f"{HARE} {HOUND}"}
PARTS: Json = {"type": "content", "content": [{"type": "text", "text": each} for each in (HARE, HOUND)]}
SEARCH_RESULT: Json = {
    "type": "search_result",
    "source": "https://x",
    "title": "Hares",
    "content": [{"type": "text", "text": each} for each in (HARE, HOUND)],
}
CITING: Json = {"type": "text", "text": "[[say It is <cite 0:1>no hound</cite>.]]"}


def pdf_source(data: bytes) -> Json:
    """The source of a PDF that is sent whole."""
    return {"type": "base64", "media_type": "application/pdf", "data": b64encode(data).decode()}


PDF = pdf_source(pdf(HARE, HOUND))


def document(source: Json, **fields: Any) -> Json:
    """A block."""
    return {"type": "document", "source": source, **fields}


def _encrypted() -> bytes:
    writer = PdfWriter(clone_from=PdfReader(BytesIO(pdf(HARE))))
    writer.encrypt("secret")
    file = BytesIO()
    writer.write(file)
    return file.getvalue()


def first_source(answer: Answer) -> Any:
    """What of the first document or image reached the model."""
    assert answer.request is not None
    (first, *_) = answer.request.conversation.turns[-1].content
    assert isinstance(first, DocumentBlock | ImageBlock)
    return first.data if isinstance(first, ImageBlock) else first.source


def _is_read(answer: Answer) -> bool:
    source = first_source(answer)
    return isinstance(source, PdfPages) and source.pages == (HARE, HOUND)


def said(*blocks: Json) -> Json:
    """The body's one message."""
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def _uploaded(kind: str, data: bytes, mime: str, honoured: Any) -> Check:
    """A block whose source is a file that was uploaded."""

    async def check(probe: Probe) -> str:
        made = await probe.ask("POST", "/v1/files", files={"file": ("hare", data, mime)})
        part = {"type": kind, "source": {"type": "file", "file_id": made.body["id"]}}
        return verdict(await probe.message(said(part)), honoured)

    return check


ADDRESS = "https://hares.example/one"


async def _resolve(host: str, port: int) -> Sequence[str]:
    return ["93.184.215.14"]


def _at_url(kind: str, data: bytes, mime: str, honoured: Any) -> Check:
    """A block whose source is a URL, asked of a server that fetches, from a network that is made up."""

    def serve(request: httpx.Request) -> httpx.Response:
        stream = httpx.ByteStream(data)
        return httpx.Response(200, headers={"content-type": mime}, stream=stream)

    async def check(probe: Probe) -> str:
        fetcher = Fetcher(resolve=_resolve, transport=httpx.MockTransport(serve))
        async with asking_another(Backing(fetcher=fetcher)) as fetching:
            part = {"type": kind, "source": {"type": "url", "url": ADDRESS}}
            return verdict(await fetching.message(said(part)), honoured)

    return check


def _is_text(answer: Answer) -> bool:
    source = first_source(answer)
    return isinstance(source, PlainText) and source.text == HARE


NAMED = {"title": "Hares", "context": "A book"}


def _is_named(answer: Answer) -> bool:
    assert answer.request is not None
    (first,) = answer.request.conversation.turns[-1].content
    return isinstance(first, DocumentBlock) and (first.title, first.context) == ("Hares", "A book")


PICTURE = png(2, 2)
FETCHES = "with `caesura serve --fetch-urls`"


def _is_picture(answer: Answer) -> bool:
    return first_source(answer) == PICTURE


DOCUMENTS = [
    Row("`document`: plain text", block(document(PLAIN))),
    Row("`document`: PDF", field(said(document(PDF)), _is_read), "its text, page by page; pictures are not"),
    Row("`document`: PDF that is encrypted", block(document(pdf_source(_encrypted()))), "as in the API"),
    Row(
        "`document`: PDF of more than 100 pages",
        block(document(pdf_source(pdf(*["x"] * 101)))),
        "as in the API; `--pdf-pages` sets the limit",
    ),
    Row("`document`: what is no PDF", block(document(pdf_source(b"a hare"))), "as in the API"),
    Row("`document`: content", block(document(PARTS))),
    Row("`document`: `file`, text", _uploaded("document", HARE.encode(), "text/plain", _is_text)),
    Row("`document`: `file`, PDF", _uploaded("document", pdf(HARE, HOUND), "application/pdf", _is_read)),
    Row("`document`: `url`", block(document({"type": "url", "url": ADDRESS})), "unless the server fetches"),
    Row(
        "`document`: `url` of a PDF, on a server that fetches",
        _at_url("document", pdf(HARE, HOUND), "application/pdf", _is_read),
        FETCHES,
    ),
    Row(
        "`document`: `url` of a text, on a server that fetches",
        _at_url("document", HARE.encode(), "text/plain", _is_text),
        FETCHES,
    ),
    Row("`document`: `title`, `context`", field(said(document(PLAIN, **NAMED)), _is_named)),
    Row(
        "`document` in an assistant's turn, version 2023-06-01",
        block(document(PLAIN), {"type": "text", "text": "So."}, role="assistant"),
    ),
    Row(
        "`document` in an assistant's turn, version 2026-10-21",
        block(document(PLAIN), {"type": "text", "text": "So."}, role="assistant", headers=NEWEST),
        "as in the API",
    ),
    Row("`search_result`", block(SEARCH_RESULT)),
    Row(
        "`search_result`: `citations` on its parts, version 2026-10-21",
        block(
            {**SEARCH_RESULT, "content": [{"type": "text", "text": HARE, "citations": [{"type": "x"}]}]},
            headers=NEWEST,
        ),
        "as in the API",
    ),
]
IMAGES = [
    Row(
        "`image`: `url`",
        block({"type": "image", "source": {"type": "url", "url": ADDRESS}}),
        "unless the server fetches",
    ),
    Row(
        "`image`: `url`, on a server that fetches",
        _at_url("image", PICTURE, "image/png", _is_picture),
        FETCHES,
    ),
    Row("`image`: `file`", _uploaded("image", PICTURE, "image/png", _is_picture)),
]


def _cites(cited_block: Json, /, **location: Any) -> Check:
    """The reply's second part comes from the second half of what is to be cited, and says so exactly."""

    def honoured(answer: Answer) -> bool:
        texts = [(part["text"], part.get("citations") or []) for part in answer.body["content"]]
        cited = [{name: each.get(name) for name in location} for each in texts[1][1]]
        return [text for text, _ in texts] == ["It is ", "no hound", "."] and cited == [location]

    return field(said({**cited_block, **ON}, CITING), honoured)


def _replayed(citation: Json) -> Check:
    """An answer that cites comes back; what it says of its sources reaches the model."""
    answer = {"role": "assistant", "content": [{"type": "text", "text": "quick", "citations": [citation]}]}
    messages = [*said({**document(PLAIN), **ON}, CITING)["messages"], answer, *BODY["messages"]]

    def honoured(got: Answer) -> bool:
        assert got.request is not None
        (replayed,) = got.request.conversation.turns[1].content
        return len(getattr(replayed, "citations", ())) == 1

    return field({"messages": messages}, honoured)


async def _file_id_is_told(probe: Probe) -> str:
    made = await probe.ask(
        "POST", "/v1/files", files={"file": ("hare", PLAIN["data"].encode(), "text/plain")}
    )
    file_id = made.body["id"]
    answer = await probe.message(said({**document({"type": "file", "file_id": file_id}), **ON}, CITING))
    return verdict(answer, lambda each: each.body["content"][1]["citations"][0]["file_id"] == file_id)


_CITED_TEXT: Json = {"cited_text": HARE, "document_index": 0, "document_title": None}
_IN_TEXT: Json = {"type": "char_location", "start_char_index": 0, "end_char_index": len(HARE), **_CITED_TEXT}
_IN_WEB: Json = {
    "type": "web_search_result_location",
    "cited_text": HARE,
    "url": "https://x",
    "title": "Hares",
    "encrypted_index": "x",
}
_NOT_CITED: Json = document(PLAIN, citations={"enabled": False})

CITATIONS = [
    Row(
        "a plain text: `char_location`",
        _cites(
            document(PLAIN),
            type="char_location",
            cited_text=HOUND,
            document_index=0,
            start_char_index=len(HARE) + 1,
            end_char_index=len(PLAIN["data"]),
        ),
        "from 0, the end exclusive, as in the API",
    ),
    Row(
        "a PDF: `page_location`",
        _cites(document(PDF), type="page_location", cited_text=HOUND, start_page_number=2, end_page_number=3),
        "from 1, the end exclusive, as in the API",
    ),
    Row(
        "parts: `content_block_location`",
        _cites(
            document(PARTS),
            type="content_block_location",
            cited_text=HOUND,
            start_block_index=1,
            end_block_index=2,
        ),
    ),
    Row(
        "a search result: `search_result_location`",
        _cites(
            SEARCH_RESULT,
            type="search_result_location",
            cited_text=HOUND,
            search_result_index=0,
            source="https://x",
            start_block_index=1,
            end_block_index=2,
        ),
    ),
    Row("a file: `file_id`", _file_id_is_told),
    Row("`char_location` that comes back", _replayed(_IN_TEXT)),
    Row("`web_search_result_location` that comes back", _replayed(_IN_WEB), "of other servers; none is made"),
    Row("for some documents only", block({**document(PLAIN), **ON}, _NOT_CITED), "as in the API"),
    Row(
        "together with `output_config.format`",
        field(
            {
                **said({**document(PLAIN), **ON}, CITING),
                "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
            }
        ),
        "as in the API",
    ),
]
