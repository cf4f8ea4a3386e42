"""PDFs, the hostile ones too: the text of each page, or a refusal in bounded time and memory."""

from __future__ import annotations

import zlib
from dataclasses import replace
from io import BytesIO

import pytest
from pypdf import PdfReader, PdfWriter

from caesura.messages.pdf import PdfError, PdfLimits, read_pdfs
from caesura.messages.pdf_child import TOO_MUCH_MEMORY
from tests.messages.reading import assembled, pdf

LIMITS = PdfLimits()


def refusal(*files: bytes, limits: PdfLimits = LIMITS) -> PdfError:
    with pytest.raises(PdfError) as refused:
        read_pdfs(files, limits)
    return refused.value


def test_each_page_has_its_text() -> None:
    assert read_pdfs([pdf("One. Two.\nThree.", "", "Four.")], LIMITS) == [("One. Two.\nThree.", "", "Four.")]


def test_several_files_are_read_in_order() -> None:
    assert read_pdfs([pdf("a"), pdf("b", "c")], LIMITS) == [("a",), ("b", "c")]


def test_without_a_file_there_is_nothing_to_read() -> None:
    assert read_pdfs([], LIMITS) == []


def test_what_is_no_pdf_is_refused_by_its_number() -> None:
    error = refusal(pdf("a"), b"hello")
    assert (error.index, error.reason) == (1, "The PDF specified was not valid.")


def test_an_encrypted_file_is_refused_even_if_its_password_is_empty() -> None:
    writer = PdfWriter(clone_from=PdfReader(BytesIO(pdf("secret"))))
    writer.encrypt("")
    file = BytesIO()
    writer.write(file)
    assert refusal(file.getvalue()).reason == "The PDF specified is password protected."


def test_pages_are_counted_over_all_files() -> None:
    limits = replace(LIMITS, max_pages=3)
    assert len(read_pdfs([pdf("a", "b", "c")], limits)[0]) == 3
    error = refusal(pdf("a", "b"), pdf("c", "d"), limits=limits)
    assert (error.index, error.reason) == (1, "A maximum of 3 PDF pages may be provided; found 4.")


def test_files_are_not_larger_than_the_limit() -> None:
    file = pdf("a")
    error = refusal(file, limits=replace(LIMITS, max_bytes=len(file) - 1))
    assert error.reason.startswith(f"PDFs exceed {len(file) - 1} bytes, the maximum of one request")


def test_text_is_not_longer_than_the_limit() -> None:
    error = refusal(pdf("abc", "def"), limits=replace(LIMITS, max_characters=5))
    assert error.reason == "Could not process PDF: its text has more than 5 characters"


def test_a_decompression_bomb_ends_in_a_refusal() -> None:
    bomb = zlib.compress(zlib.compress(bytes(150 * 2**20), 9), 9)
    file = pdf("x", content=bomb).replace(b"/Filter /FlateDecode", b"/Filter [/FlateDecode /FlateDecode]")
    assert len(file) < 100_000
    assert refusal(file).reason.startswith(("The PDF specified was not valid", "Could not process PDF"))


def test_a_file_that_takes_for_ever_is_given_up() -> None:
    # Millions of operators, each of which is looked at.
    slow = zlib.compress(b"BT /F1 12 Tf (a) Tj ET\n" * 3_000_000, 1)
    error = refusal(pdf("x", content=slow), limits=replace(LIMITS, deadline_s=1.5))
    assert error.reason == "Could not process PDF: it takes more than 1.5 seconds to read"


def test_memory_is_bounded() -> None:
    wide = zlib.compress(b"BT /F1 12 Tf (" + b"a" * 20_000_000 + b") Tj ET", 1)
    limits = replace(LIMITS, max_memory_bytes=150 * 2**20, deadline_s=60.0)
    assert read_pdfs([pdf("a")], limits) == [("a",)]
    assert refusal(pdf("x", content=wide), limits=limits).reason == TOO_MUCH_MEMORY


def test_a_page_tree_that_holds_itself_ends_in_a_refusal() -> None:
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 >>"]
    assert refusal(assembled(objects)).reason.startswith(("The PDF specified", "Could not process PDF"))


def test_deep_nesting_ends_in_a_refusal() -> None:
    objects = [b"[" * 200_000 + b"]" * 200_000, b"<< /Type /Pages /Kids [] /Count 0 >>"]
    assert refusal(assembled(objects)).reason.startswith(("The PDF specified", "Could not process PDF"))


def test_a_chain_of_older_tables_that_ends_in_itself_does_not_go_on_for_ever() -> None:
    file = assembled([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [] /Count 0 >>"])
    start = file.index(b"xref\n")
    looped = file.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev %d" % start)
    assert refusal(looped).reason.startswith(("The PDF specified", "Could not process PDF"))


def test_a_form_that_draws_itself_does_not_go_on_for_ever() -> None:
    drawn = zlib.compress(b"/X Do")
    head = b"<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 5 0 R >> >>"
    form = head + b" /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(drawn), drawn)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R"
        b" /Resources << /XObject << /X 5 0 R >> >> >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(drawn), drawn),
        form,
    ]
    limits = replace(LIMITS, deadline_s=10.0)
    assert read_pdfs([assembled(objects)], limits) == [("",)]
