"""Documents to cite, small PDFs, and answers about them."""

from __future__ import annotations

import zlib
from typing import Any

from hypothesis import strategies as st

from caesura.messages.content import (
    ContentParts,
    Conversation,
    DocumentBlock,
    PdfPages,
    PlainText,
    SearchResultBlock,
    TextBlock,
    Turn,
)

GRASS = "The grass is green. The sky is blue. Water is wet."


def plain(text: str = GRASS, **more: Any) -> DocumentBlock:
    """A document that is one text."""
    return _document(PlainText(text=text), more)


def paged(*pages: str, **more: Any) -> DocumentBlock:
    """A PDF that was read already."""
    return _document(PdfPages(data=b"%PDF-", pages=pages), more)


def in_parts(*parts: str, **more: Any) -> DocumentBlock:
    """A document in parts."""
    content = tuple(TextBlock(text=part) for part in parts)
    return _document(ContentParts(content=content), more)


def _document(source: PlainText | PdfPages | ContentParts, more: dict[str, Any]) -> DocumentBlock:
    fields: dict[str, Any] = {"is_citable": True, **more}
    return DocumentBlock(source=source, **fields)


def found(*parts: str, **more: Any) -> SearchResultBlock:
    """A search result."""
    content = tuple(TextBlock(text=part) for part in parts)
    fields: dict[str, Any] = {"source": "https://example.org", "title": "Found", "is_citable": True, **more}
    return SearchResultBlock(content=content, **fields)


def asked(*blocks: DocumentBlock | SearchResultBlock, question: str = "What colour?") -> Conversation:
    """A question about them."""
    return Conversation(turns=(Turn(role="user", content=(*blocks, TextBlock(text=question))),))


_words = st.text(
    alphabet=st.characters(exclude_categories=("Cs",)) | st.sampled_from(".!? \n\"'AaBb"),
    min_size=1,
    max_size=60,
).filter(lambda text: bool(text.strip()))
readings = st.one_of(
    _words.map(plain),
    st.lists(_words | st.just(""), min_size=1, max_size=3).map(lambda pages: paged(*pages)),
    st.lists(_words, min_size=1, max_size=3).map(lambda parts: in_parts(*parts)),
    st.lists(_words, min_size=1, max_size=3).map(lambda parts: found(*parts)),
)
conversations = st.lists(readings, min_size=1, max_size=4).map(lambda blocks: asked(*blocks))
# Text that may be, or nearly be, markers.
answers = st.lists(
    st.sampled_from(
        [
            "<cite 0:0>",
            "<cite 1:0+1,0:0>",
            "<cite 0:2+1>",
            "</cite>",
            "<\\cite",
            "<",
            "<cite ",
            "a",
            " ",
            "\n",
            "b c",
        ]
    )
    | st.text(alphabet="<>/\\cite 0:1+,x\n", max_size=8),
    max_size=14,
).map("".join)


def pdf(*pages: str, content: bytes | None = None, extra: str = "") -> bytes:
    """A PDF of pages with lines of text.

    content: of every page, in place of the text, deflated already. extra: more entries of every page.
    """
    kids = " ".join(f"{4 + 2 * index} 0 R" for index in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for index, text in enumerate(pages):
        lines = [f"({line.replace('(', '').replace(')', '')}) Tj" for line in text.split("\n") if line]
        drawn = f"BT /F1 12 Tf 14 TL 40 700 Td {' T* '.join(lines)} ET".encode()
        stream = content if content is not None else zlib.compress(drawn)
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * index} 0 R {extra}"
            " /Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        head = f"<< /Length {len(stream)} /Filter /FlateDecode >>\nstream\n".encode()
        objects.append(head + stream + b"\nendstream")
    return assembled(objects)


def assembled(objects: list[bytes], trailer: str = "/Root 1 0 R") -> bytes:
    """Numbered objects as a file."""
    written = bytearray(b"%PDF-1.7\n")
    places: list[int] = []
    for number, each in enumerate(objects, start=1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    start = len(written)
    written += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for place in places:
        written += b"%010d 00000 n \n" % place
    written += f"trailer\n<< /Size {len(objects) + 1} {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(written)
