"""PDFs are read once for each tenant, and refused as if they had all been read anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from caesura.messages.pdf import Pages, PdfError, PdfLimits, read_pdfs
from caesura.server.kept_pdfs import KeptPdfs
from tests.messages.reading import pdf

LIMITS = PdfLimits()
ONE, TWO, THREE = pdf("one"), pdf("two", "too"), pdf("three")


class Reader:
    """Reads, and remembers how many files it was given."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, files: Sequence[bytes], limits: PdfLimits) -> list[Pages]:
        self.calls.append(len(files))
        return read_pdfs(files, limits)


def test_a_file_is_read_once() -> None:
    reader = Reader()
    read = KeptPdfs(reader=reader).of("t")
    assert read([ONE], LIMITS) == [("one",)]
    assert read([TWO, ONE, THREE], LIMITS) == [("two", "too"), ("one",), ("three",)]
    assert read([THREE, TWO], LIMITS) == [("three",), ("two", "too")]
    assert read([], LIMITS) == []
    assert reader.calls == [1, 2]


def test_nobody_learns_what_others_have_sent() -> None:
    reader = Reader()
    kept = KeptPdfs(reader=reader)
    for tenant in ("t", "u", ""):
        assert kept.of(tenant)([ONE], LIMITS) == [("one",)]
    assert reader.calls == [1, 1, 1]


def test_what_is_known_counts_towards_the_limits() -> None:
    read = KeptPdfs().of("t")
    read([TWO], LIMITS)
    for limits in (replace(LIMITS, max_pages=2), replace(LIMITS, max_characters=8)):
        with pytest.raises(PdfError) as anew:
            read_pdfs([TWO, ONE], limits)
        with pytest.raises(PdfError) as refused:
            read([TWO, ONE], limits)
        assert (refused.value.index, refused.value.reason) == (anew.value.index, anew.value.reason)


def test_a_bad_file_among_known_ones_is_named() -> None:
    read = KeptPdfs().of("t")
    read([ONE, TWO], LIMITS)
    with pytest.raises(PdfError) as refused:
        read([ONE, b"no", TWO], LIMITS)
    assert refused.value.index == 1


def test_what_is_kept_is_bounded() -> None:
    reader = Reader()
    read = KeptPdfs(300, reader).of("t")
    for _ in range(2):
        read([ONE], LIMITS)
        read([THREE], LIMITS)
    assert reader.calls == [1, 1, 1, 1]
