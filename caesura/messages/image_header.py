"""How large a picture is, from the head of its file: what is too large is never decoded.

Enters: the bytes of a PNG, JPEG, GIF or WebP file. Leaves: its kind, its width and its height. A file's head
may promise less than its body holds, so whoever decodes one still limits what comes out. Read next:
`images_in.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from caesura.messages.content import MediaType


class ImageHeader(NamedTuple):
    """What a file says of itself. width, height: in pixels."""

    media_type: MediaType
    width: int
    height: int


class ImageHeaderError(ValueError):
    """No file of a kind that is known, or one that ends within its head."""


# JPEG's markers of a frame, which hold its size: all from C0 to CF that are no table.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Files have a few dozen before their frame; more would only take time.
_MAX_MARKERS = 10_000
# Those that stand alone, without a length.
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})


def read_image_header(data: bytes) -> ImageHeader:
    """The kind and the size of a picture; raises ImageHeaderError."""
    for is_kind, media_type, size in _KINDS:
        if is_kind(data):
            try:
                width, height = size(data)
            except (struct.error, IndexError) as error:
                raise ImageHeaderError(f"the {media_type} file ends within its head") from error
            return ImageHeader(media_type, width, height)
    raise ImageHeaderError("the data is no PNG, JPEG, GIF or WebP file")


def _png_size(data: bytes) -> tuple[int, int]:
    if data[12:16] != b"IHDR":
        raise ImageHeaderError("the image/png file does not begin with its head")
    return struct.unpack_from(">II", data, 16)


def _gif_size(data: bytes) -> tuple[int, int]:
    return struct.unpack_from("<HH", data, 6)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    position = 2
    for _ in range(_MAX_MARKERS):
        if data[position] != 0xFF:
            break
        marker = data[position + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return width, height
        if marker == 0xFF:
            position += 1
        elif marker in _ALONE:
            position += 2
        else:
            (length,) = struct.unpack_from(">H", data, position + 2)
            # A length counts itself; one that is shorter would let the walk stand still.
            position += 2 + max(2, length)
    raise ImageHeaderError("the image/jpeg file has no frame")


def _webp_size(data: bytes) -> tuple[int, int]:
    match data[12:16]:
        case b"VP8X":
            across, more_across, down, more_down = struct.unpack_from("<HBHB", data, 24)
            return (across | more_across << 16) + 1, (down | more_down << 16) + 1
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
        case _:
            raise ImageHeaderError("the image/webp file holds no picture")


_Kind = tuple[Callable[[bytes], bool], MediaType, Callable[[bytes], tuple[int, int]]]
_KINDS: tuple[_Kind, ...] = (
    (lambda data: data.startswith(b"\x89PNG\r\n\x1a\n"), "image/png", _png_size),
    (lambda data: data.startswith(b"\xff\xd8\xff"), "image/jpeg", _jpeg_size),
    (lambda data: data[:6] in (b"GIF87a", b"GIF89a"), "image/gif", _gif_size),
    (lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP", "image/webp", _webp_size),
)
