"""The files of the disk cache, byte by byte, and their map."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.engine.page_map import PageMap, Place, Segment
from caesura.engine.retention import LONGEST_RETENTION_S, is_retained, later
from caesura.engine.segment_log import SegmentLog
from caesura.engine.segments import (
    RECORD_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    Owner,
    SegmentInfo,
    create_private,
    encode_record_header,
    encode_segment_header,
    read_run,
    read_segment_header,
    scan_records,
    segment_numbers,
    segment_path,
)
from tests.engine.cache_pages import OWNER, key, keys, payload

INFO = SegmentInfo(owner=OWNER, page_bytes=100)


def write_segment(path: Path, pages: list[bytes]) -> None:
    records = [encode_record_header(page, payload(page, 100), 5.0) + payload(page, 100) for page in pages]
    path.write_bytes(encode_segment_header(INFO) + b"".join(records))


@given(
    name=st.text(max_size=200),
    identity=st.binary(max_size=64),
    page_bytes=st.integers(1, 2**31),
    data=st.data(),
)
def test_a_segments_header_says_what_was_written_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, name: str, identity: bytes, page_bytes: int, data: st.DataObject
) -> None:
    info = SegmentInfo(owner=Owner(name=name, identity=identity), page_bytes=page_bytes)
    header = encode_segment_header(info)
    assert len(header) == SEGMENT_HEADER_BYTES
    path = tmp_path_factory.mktemp("segment") / "header"
    path.write_bytes(header)
    assert read_segment_header(path) == info
    place, bit = data.draw(st.integers(0, len(header.rstrip(b"\0")) - 1)), data.draw(st.integers(0, 7))
    path.write_bytes(header[:place] + bytes([header[place] ^ 1 << bit]) + header[place + 1 :])
    assert read_segment_header(path) is None
    path.write_bytes(header[:place])
    assert read_segment_header(path) is None


def test_a_name_that_does_not_fit_into_the_header_is_refused() -> None:
    info = SegmentInfo(owner=Owner(name="x" * 5000, identity=b""), page_bytes=1)
    with pytest.raises(ValueError, match="not 5000"):
        encode_segment_header(info)


def test_records_that_follow_one_another_are_read_at_once_and_verified(tmp_path: Path) -> None:
    pages, path = keys(range(10)), tmp_path / "segment"
    write_segment(path, pages)
    out = memoryview(bytearray(700))
    assert read_run(path, INFO, 2, pages[2:9], out) == 7
    assert out == b"".join(payload(page, 100) for page in pages[2:9])
    assert read_run(path, INFO, 2, [pages[2], pages[4], pages[5]], out[:300]) == 1, "another key"
    assert read_run(path, INFO, 8, [*pages[8:], key(99)], out[:300]) == 2, "the file ends"


def test_a_scan_goes_on_behind_a_damaged_record(tmp_path: Path) -> None:
    pages, path = keys(range(4)), tmp_path / "segment"
    write_segment(path, pages)
    content = bytearray(path.read_bytes())
    content[INFO.offset(1)] ^= 1
    content[INFO.offset(2) + RECORD_HEADER_BYTES] ^= 1
    path.write_bytes(content[:-1])
    records = scan_records(path, INFO)
    assert [record.key for record in records] == [pages[0], b"", pages[2]]
    assert records[0].retain_until == 5.0
    assert read_run(path, INFO, 2, [pages[2]], memoryview(bytearray(100))) == 0


def test_what_lies_in_the_folder_beside_segments_is_left_alone(tmp_path: Path) -> None:
    for name in ("00000003.pages", "00000001.pages", "notes.pages", "1.pages", "00000002.pages.bak"):
        (tmp_path / name).touch()
    assert segment_numbers(tmp_path) == [1, 3]


def test_a_segment_that_is_full_is_followed_by_another(tmp_path: Path) -> None:
    pages = PageMap()
    log = SegmentLog(tmp_path, pages, max_bytes=100_000, segment_bytes=6000, open_file=create_private)
    places = [
        log.append(INFO, page, payload(page, 100), retain_until=0.0, now=0.0) for page in keys(range(25))
    ]
    log.close()
    assert places[10:13] == [Place(1, 10), Place(2, 0), Place(2, 1)]
    assert segment_numbers(tmp_path) == [1, 2, 3]
    for number in (1, 2, 3):
        path = segment_path(tmp_path, number)
        assert path.stat().st_size == pages.segments[number].size_bytes <= 6000
        assert [record.key for record in scan_records(path, INFO)] == pages.segments[number].keys


def test_of_two_pages_with_one_key_the_later_counts_and_outlives_the_earlier() -> None:
    pages = PageMap()
    for number in (1, 2):
        pages.add_segment(Segment(number=number, info=INFO, size_bytes=0, keys=[key(0), b"", key(number)]))
    assert pages.place(key(0)) == (2, 0)
    assert pages.drop_segment(1) == 1
    assert pages.place(key(0)) == (2, 0)
    assert pages.place(key(1)) is None
    assert b"" not in pages
    assert pages.drop_segment(2) == 2
    assert len(pages) == 0


times = st.floats(0, 1e11)


@given(until=times, other=times, now=times)
def test_of_two_retentions_the_later_that_counts_is_kept(until: float, other: float, now: float) -> None:
    kept = later(until, other, now)
    assert kept in (until, other, 0.0)
    assert is_retained(kept, now) == (is_retained(until, now) or is_retained(other, now))
    assert kept <= now + LONGEST_RETENTION_S
