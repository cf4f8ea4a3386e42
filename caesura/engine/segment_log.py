"""Where fresh pages go: the open end of each model's segments, and room for it.

A segment that is full is closed, and another begun. Over the size cap the segment that was used least goes,
whole. After an error the segment is closed where its last whole record ends, and the next page begins
another; so nothing is ever written behind a torn record.
Enters: pages, from one thread. Leaves: files, and their places in the map. Read next: `disk_tier.py`.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from caesura.engine.page_map import PageMap, Place, Segment
from caesura.engine.segments import (
    SEGMENT_HEADER_BYTES,
    OpenSegment,
    SegmentFile,
    SegmentInfo,
    encode_record_header,
    encode_segment_header,
    segment_numbers,
    segment_path,
    write_whole,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenEnd:
    """A segment that takes pages."""

    segment: Segment
    file: SegmentFile


class SegmentLog:
    """Appends pages and keeps to the size cap.

    num_reclaimed: pages that went to make room.
    """

    def __init__(
        self, folder: Path, pages: PageMap, *, max_bytes: int, segment_bytes: int, open_file: OpenSegment
    ) -> None:
        """pages: what the folder holds already. segment_bytes: how long a segment becomes."""
        self.num_reclaimed = 0
        self._folder = folder
        self._pages = pages
        self._max_bytes = max_bytes
        self._segment_bytes = min(segment_bytes, max_bytes // 4)
        self._open_file = open_file
        self._ends: dict[SegmentInfo, _OpenEnd] = {}
        self._next_number = max(segment_numbers(folder), default=0) + 1

    def fits(self, info: SegmentInfo) -> bool:
        """Whether the cap leaves room for a single page."""
        return info.offset(1) <= self._max_bytes

    def append(
        self, info: SegmentInfo, key: bytes, payload: bytes | memoryview, *, retain_until: float, now: float
    ) -> Place:
        """Write a page and enter it into the map. Raises OSError; the page is then nowhere."""
        header = encode_record_header(key, payload, retain_until)
        end = self._end(info, now)
        try:
            write_whole(end.file, header)
            write_whole(end.file, payload)
        except OSError:
            self._close(info)
            raise
        self._pages.append(end.segment, key)
        self._pages.note_use([end.segment.number], retain_until=retain_until, now=now)
        return Place(end.segment.number, len(end.segment.keys) - 1)

    def make_room(self, num_bytes: int, now: float) -> list[int]:
        """Give up segments until so much more fits under the cap. Returns their numbers."""
        gone: list[int] = []
        while self._pages.size_bytes + num_bytes > self._max_bytes:
            segment = self._pages.least_used(now)
            if segment is None:
                break
            self.num_reclaimed += self.drop(segment.number)
            gone.append(segment.number)
        return gone

    def needed_bytes(self, info: SegmentInfo) -> int:
        """By how much the next page makes the files longer."""
        end = self._ends.get(info)
        is_open = end is not None and self._has_space(end.segment)
        return info.stride + (0 if is_open else SEGMENT_HEADER_BYTES)

    def drop(self, number: int) -> int:
        """Delete a segment; how many pages went."""
        segment = self._pages.segments.get(number)
        end = self._ends.get(segment.info) if segment is not None else None
        if segment is not None and end is not None and end.segment is segment:
            self._ends.pop(segment.info).file.close()
        num_pages = self._pages.drop_segment(number)
        try:
            segment_path(self._folder, number).unlink(missing_ok=True)
        except OSError as error:
            _log.warning("cannot delete segment %d: %s", number, error)
        return num_pages

    def close(self) -> None:
        """Let go of the files."""
        for info in list(self._ends):
            self._close(info)

    def _end(self, info: SegmentInfo, now: float) -> _OpenEnd:
        end = self._ends.get(info)
        if end is not None and self._has_space(end.segment):
            return end
        if end is not None:
            self._close(info)
        self._ends[info] = end = self._begin(info)
        self._pages.add_segment(end.segment)
        return end

    def _has_space(self, segment: Segment) -> bool:
        return not segment.keys or segment.size_bytes + segment.info.stride <= self._segment_bytes

    def _begin(self, info: SegmentInfo) -> _OpenEnd:
        number, header = self._next_number, encode_segment_header(info)
        self._next_number += 1
        path = segment_path(self._folder, number)
        file = self._open_file(path)
        try:
            write_whole(file, header)
        except OSError:
            with suppress(OSError):
                file.close()
            with suppress(OSError):
                path.unlink()
            raise
        return _OpenEnd(segment=Segment(number=number, info=info, size_bytes=SEGMENT_HEADER_BYTES), file=file)

    def _close(self, info: SegmentInfo) -> None:
        end = self._ends.pop(info)
        # A full disk may say so only now, and all whole records are in the file already.
        with suppress(OSError):
            end.file.close()
        if not end.segment.keys:
            self.drop(end.segment.number)
            return
        with suppress(OSError):
            os.truncate(segment_path(self._folder, end.segment.number), end.segment.size_bytes)
