"""Forms, cut anywhere."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.messages.errors import InvalidRequestError
from caesura.server.multipart import MultipartReader, PartHead, Piece

TYPE = 'multipart/form-data; boundary="b0"'
HEAD = PartHead(name="file", filename="a.txt", media_type="text/plain")


def form(*parts: tuple[str, bytes]) -> bytes:
    framed = b"".join(b"--b0\r\n%s\r\n\r\n%s\r\n" % (head.encode(), data) for head, data in parts)
    return framed + b"--b0--\r\n"


def read(body: bytes, cuts: list[int] | None = None) -> list[Piece]:
    reader = MultipartReader(TYPE)
    edges = [0, *sorted(cuts or []), len(body)]
    pieces: list[Piece] = [
        piece for start, stop in pairwise(edges) for piece in reader.feed(body[start:stop])
    ]
    reader.finish()
    return pieces


def joined(pieces: list[Piece]) -> list[Piece]:
    """Neighbouring data as one."""
    result: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, bytes) and result and isinstance(result[-1], bytes):
            result[-1] += piece
        else:
            result.append(piece)
    return result


FILE = 'Content-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain'
FIELD = 'Content-Disposition: form-data; name="expires_in_seconds"'


@settings(deadline=None)
@given(st.binary(max_size=200), st.lists(st.integers(0, 400), max_size=6))
def test_a_form_is_read_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    body = form((FIELD, b"3600"), (FILE, data))
    field = PartHead(name="expires_in_seconds", filename=None, media_type="")
    content: list[Piece] = [data] if data else []
    cuts = [min(cut, len(body)) for cut in cuts]
    assert joined(read(body, cuts)) == [field, b"3600", "end", HEAD, *content, "end"]


def test_a_name_that_is_not_ascii_is_read() -> None:
    head = 'Content-Disposition: form-data; name="file"; filename="naïve.txt"'
    (part, *_) = read(form((head, b"x")))
    assert part == PartHead(name="file", filename="naïve.txt", media_type="")


@pytest.mark.parametrize(
    "content_type", [None, "", "application/json", "multipart/form-data", "multipart/mixed; boundary=b0"]
)
def test_another_type_of_content_is_refused(content_type: str | None) -> None:
    with pytest.raises(InvalidRequestError, match=r"^content-type: "):
        MultipartReader(content_type)


def test_a_boundary_that_is_too_long_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="Boundary"):
        MultipartReader(f"multipart/form-data; boundary={'b' * 1000}")


def test_a_form_that_breaks_off_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="breaks off"):
        read(form((FILE, b"x"))[:-6])


def test_endless_headers_and_parts_are_refused() -> None:
    with pytest.raises(InvalidRequestError):
        read(b"--b0\r\n" + b"a" * 100_000)
    with pytest.raises(InvalidRequestError, match="more than 100 parts"):
        read(form(*[(FIELD, b"x")] * 101))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_whatever_is_sent_is_read_or_refused(data: bytes) -> None:
    reader = MultipartReader(TYPE)
    try:
        reader.feed(data)
        reader.finish()
    except InvalidRequestError:
        return
    # Whatever passes has said that it is complete.
    assert b"--b0--" in data
