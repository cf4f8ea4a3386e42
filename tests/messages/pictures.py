"""The heads of image files, as small as they can be. Read next: `test_image_header.py`."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from typing import Any


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(9)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(3)


def jpeg(width: int, height: int) -> bytes:
    """With what cameras put before the frame: a comment, a table, fill bytes."""
    comment = b"\xff\xe0" + struct.pack(">H", 6) + b"JFIF"
    table = b"\xff\xc4" + struct.pack(">H", 3) + b"\x00"
    frame = b"\xff\xc2" + struct.pack(">HBHH", 11, 8, height, width) + bytes(4)
    return b"\xff\xd8" + comment + table + b"\xff" + frame


def _webp(chunk: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def webp_lossy(width: int, height: int) -> bytes:
    return _webp(
        b"VP8 " + struct.pack("<I", 10) + b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", width, height)
    )


def webp_lossless(width: int, height: int) -> bytes:
    return _webp(b"VP8L" + struct.pack("<IBI", 5, 0x2F, (width - 1) | (height - 1) << 14))


def webp_extended(width: int, height: int) -> bytes:
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return _webp(b"VP8X" + struct.pack("<II", 10, 0) + sizes)


PICTURES: dict[str, tuple[str, Callable[[int, int], bytes]]] = {
    "png": ("image/png", png),
    "gif": ("image/gif", gif),
    "jpeg": ("image/jpeg", jpeg),
    "webp_lossy": ("image/webp", webp_lossy),
    "webp_lossless": ("image/webp", webp_lossless),
    "webp_extended": ("image/webp", webp_extended),
}


def image(data: bytes, media_type: str = "image/png", **fields: Any) -> dict[str, Any]:
    """A block of a request body."""
    source = {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode()}
    return {"type": "image", "source": source, **fields}
