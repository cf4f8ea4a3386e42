"""Pictures are measured by their heads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.image_header import ImageHeader, ImageHeaderError, read_image_header
from tests.messages.pictures import PICTURES, jpeg, png

SIDES = st.integers(1, 16_383)


@pytest.mark.parametrize("kind", PICTURES)
@given(width=SIDES, height=SIDES)
def test_every_kind_tells_its_size(kind: str, width: int, height: int) -> None:
    media_type, make = PICTURES[kind]
    assert read_image_header(make(width, height)) == ImageHeader(media_type, width, height)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", PICTURES)
def test_a_file_that_ends_within_its_head_has_no_size(kind: str) -> None:
    whole = PICTURES[kind][1](300, 200)
    readable = [length for length in range(len(whole)) if not is_refused(whole[:length])]
    assert readable == list(range(readable[0], len(whole))) if readable else True
    assert all(read_image_header(whole[:length])[1:] == (300, 200) for length in readable)


def is_refused(data: bytes) -> bool:
    try:
        read_image_header(data)
    except ImageHeaderError:
        return True
    return False


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"BM" + bytes(60),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        png(3, 3).replace(b"IHDR", b"iCCP"),
        b"\xff\xd8\xff\xda\x00\x02" + bytes(10),
        b"\xff\xd8" + b"\xff\xe0\x00\x00" * 50,
        b"RIFF\x00\x00\x00\x00WEBPANIM" + bytes(20),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    assert is_refused(data)


@given(st.binary(), st.sampled_from([png(9, 9), jpeg(9, 9), b"GIF89a", b"RIFF\x00\x00\x00\x00WEBPVP8 "]))
def test_any_bytes_are_measured_or_refused(tail: bytes, head: bytes) -> None:
    for cut in (4, 8, 12, len(head)):
        data = head[:cut] + tail
        assert is_refused(data) or min(read_image_header(data)[1:]) >= 0


@pytest.mark.parametrize("filling", [b"\xff\xe0\x00\x02", b"\xff", b"\xff\x01"])
def test_a_frame_is_not_looked_for_for_ever(filling: bytes) -> None:
    start, frame = jpeg(9, 9)[:2], jpeg(9, 9)[-13:]
    assert read_image_header(start + filling * 9_999 + frame) == ("image/jpeg", 9, 9)
    assert is_refused(start + filling * 10_001 + frame)
