"""Segment files: pages on disk, one after the other.

A segment holds pages of one model and one length. It begins with a header of 4,096 bytes; record n lies at
a place that n alone decides, so damage to one record never hides the next. A record is a header of 64 bytes
and the payload. The checksum is XXH3 (64 bits) over both, and is compared before a page is given out. A
segment is only ever appended to, by the process that made it, and deleted whole.

    segment: magic 8s, length of the text u64, checksum of the text u64, text (JSON), zeros
    record:  magic 4s, payload's length u32, key 16s, retain_until f64, checksum u64, zeros

Enters: keys and payloads. Leaves: the same, verified. Read next: `segment_log.py`, which fills segments, and
`disk_tier.py`, which reads them.
"""

from __future__ import annotations

import io
import json
import os
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from xxhash import xxh3_64, xxh3_64_intdigest

from caesura.engine.page_keys import KEY_BYTES

SEGMENT_HEADER_BYTES = 4096
RECORD_HEADER_BYTES = 64
# One call reads this many records: the system takes at most 1,024 buffers, two for each.
MAX_RUN = 512

_SEGMENT = struct.Struct("<8sQQ")
_SEGMENT_MAGIC = b"CAESKV02"
_RECORD = struct.Struct(f"<4sI{KEY_BYTES}sdQ")
_RECORD_MAGIC = b"PAGE"
# The checksum covers what comes before it in the header, and the payload.
_CHECKED_BYTES = _RECORD.size - 8
_FILE_NAME = re.compile(r"(\d{8})\.pages")


class SegmentFile(Protocol):
    """A file that is being written."""

    def write(self, data: bytes | memoryview, /) -> int | None:
        """Append; how many bytes were taken."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


OpenSegment = Callable[[Path], SegmentFile]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose pages they are.

    name: what the model was called when they were written; for people.
    identity: the digest of its weights.
    """

    name: str
    identity: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentInfo:
    """What the pages of a segment share.

    owner: see there.
    page_bytes: the length of a payload.
    """

    owner: Owner
    page_bytes: int

    @property
    def stride(self) -> int:
        """From one record to the next."""
        return RECORD_HEADER_BYTES + self.page_bytes

    def offset(self, slot: int) -> int:
        """Where a record begins."""
        return SEGMENT_HEADER_BYTES + slot * self.stride

    def num_whole(self, size_bytes: int) -> int:
        """How many whole records a file of that size has; a torn one at its end does not count."""
        return max(0, size_bytes - SEGMENT_HEADER_BYTES) // self.stride


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a record's header says; the payload is not looked at.

    key: empty if the header is damaged.
    retain_until: when it was written.
    """

    key: bytes
    retain_until: float


def segment_path(folder: Path, number: int) -> Path:
    """Where a segment lies."""
    return folder / f"{number:08d}.pages"


def segment_numbers(folder: Path) -> list[int]:
    """The segments in a folder, oldest first."""
    matches = (_FILE_NAME.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(match[1]) for match in matches if match)


def create_private(path: Path) -> io.FileIO:
    """A fresh file that only its owner may read: pages tell what prompts said."""
    return io.FileIO(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600))


def write_whole(file: SegmentFile, data: bytes | memoryview) -> None:
    """Write all of it; raises OSError if the file takes no more."""
    view = memoryview(data)
    while view:
        num_taken = file.write(view)
        if not num_taken:
            raise OSError(f"the file took none of {len(view)} bytes")
        view = view[num_taken:]


def encode_segment_header(info: SegmentInfo) -> bytes:
    """The first bytes of a segment."""
    owner = info.owner
    fields = {"model": owner.name, "identity": owner.identity.hex(), "page_bytes": info.page_bytes}
    text = json.dumps(fields).encode()
    header = _SEGMENT.pack(_SEGMENT_MAGIC, len(text), xxh3_64_intdigest(text)) + text
    if len(header) > SEGMENT_HEADER_BYTES:
        raise ValueError(f"a model's name may have about 4,000 bytes, not {len(owner.name)}")
    return header.ljust(SEGMENT_HEADER_BYTES, b"\0")


def read_segment_header(path: Path) -> SegmentInfo | None:
    """What a segment holds; None if its header is torn or damaged."""
    with path.open("rb") as file:
        header = file.read(SEGMENT_HEADER_BYTES)
    if len(header) < SEGMENT_HEADER_BYTES:
        return None
    magic, length, checksum = _SEGMENT.unpack_from(header)
    text = header[_SEGMENT.size : _SEGMENT.size + length]
    if magic != _SEGMENT_MAGIC or len(text) != length or xxh3_64_intdigest(text) != checksum:
        return None
    fields = cast("dict[str, Any]", json.loads(text))
    owner = Owner(name=fields["model"], identity=bytes.fromhex(fields["identity"]))
    return SegmentInfo(owner=owner, page_bytes=fields["page_bytes"])


def encode_record_header(key: bytes, payload: bytes | memoryview, retain_until: float) -> bytes:
    """What goes before a payload."""
    checked = _RECORD.pack(_RECORD_MAGIC, len(payload), key, retain_until, 0)[:_CHECKED_BYTES]
    checksum = _checksum(checked, payload)
    return (checked + checksum.to_bytes(8, "little")).ljust(RECORD_HEADER_BYTES, b"\0")


def scan_records(path: Path, info: SegmentInfo) -> list[Record]:
    """The headers of all whole records, in order."""
    with path.open("rb", buffering=0) as file:
        num_records = info.num_whole(os.fstat(file.fileno()).st_size)
        headers = (
            os.pread(file.fileno(), RECORD_HEADER_BYTES, info.offset(slot)) for slot in range(num_records)
        )
        return [_record(header, info.page_bytes) for header in headers]


def _record(header: bytes, page_bytes: int) -> Record:
    if len(header) == RECORD_HEADER_BYTES:
        magic, length, key, retain_until, _ = _RECORD.unpack_from(header)
        if magic == _RECORD_MAGIC and length == page_bytes:
            return Record(key=key, retain_until=retain_until)
    return Record(key=b"", retain_until=0.0)


def read_run(path: Path, info: SegmentInfo, slot: int, keys: Sequence[bytes], out: memoryview) -> int:
    """Read records that follow one another into `out`, without their headers.

    keys: what the records should hold, at most MAX_RUN. Returns how many leading pages are what they should
    be; what lies behind them in `out` is not to be used. Raises OSError if the file cannot be read.
    """
    size = info.page_bytes
    headers = memoryview(bytearray(RECORD_HEADER_BYTES * len(keys)))
    buffers: list[memoryview] = []
    for number in range(len(keys)):
        buffers.append(headers[number * RECORD_HEADER_BYTES : (number + 1) * RECORD_HEADER_BYTES])
        buffers.append(out[number * size : (number + 1) * size])
    with path.open("rb", buffering=0) as file:
        num_whole = os.preadv(file.fileno(), buffers, info.offset(slot)) // info.stride
        _read_ahead(file.fileno(), info.offset(slot + len(keys)), len(keys) * info.stride)
    for number in range(num_whole):
        if not _is_intact(buffers[2 * number], keys[number], buffers[2 * number + 1]):
            return number
    return num_whole


def _read_ahead(descriptor: int, offset: int, num_bytes: int) -> None:
    """Have the system fetch what a long prompt asks for next, while its pages so far are put in place."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, offset, num_bytes, os.POSIX_FADV_WILLNEED)


def _is_intact(header: memoryview, key: bytes, payload: memoryview) -> bool:
    magic, length, found, _, checksum = _RECORD.unpack_from(header)
    if (magic, length, found) != (_RECORD_MAGIC, len(payload), key):
        return False
    return _checksum(header[:_CHECKED_BYTES], payload) == checksum


def _checksum(header: bytes | memoryview, payload: bytes | memoryview) -> int:
    checksum = xxh3_64(header)
    checksum.update(payload)
    return checksum.intdigest()
