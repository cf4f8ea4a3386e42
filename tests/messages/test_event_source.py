"""Event streams are read however they are cut and whatever ends their lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.event_source import EventSourceReader

STREAM = b': hello\n\nevent: a\ndata: {"x":1}\n\nevent: b\ndata:two\ndata: lines\n\nid: 7\n\ndata: last\n\n'
DATA = [b'{"x":1}', b"two\nlines", b"last"]


def read(chunks: list[bytes]) -> list[bytes]:
    reader = EventSourceReader()
    return [data for chunk in chunks for data in reader.feed(chunk)]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_every_cut_gives_the_same_events(line_end: bytes) -> None:
    stream = STREAM.replace(b"\n", line_end)
    for cut in range(len(stream)):
        assert read([stream[:cut], stream[cut:]]) == DATA


def test_single_bytes_give_the_same_events() -> None:
    assert read([bytes([byte]) for byte in STREAM.replace(b"\n", b"\r\n")]) == DATA


def test_an_event_without_its_blank_line_is_not_yet_one() -> None:
    assert read([b"data: half\n"]) == []


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1))
def test_unusual_line_separators_stay_inside_their_line(text: str) -> None:
    assert read([f"data: {text}\n\n".encode()]) == [text.encode()]
