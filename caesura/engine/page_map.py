"""Where each stored page lies, and which segment goes first when there is no more room.

A segment is used when one of its pages is. Uses are ordered by a count, not by a clock, so a clock that
jumps changes nothing; the time of the last use is kept only to be shown. One thread changes which pages and
segments there are, any thread may look and note uses: each step is a single operation on a dict.
Enters: segments, keys. Leaves: places. Read next: `segment_log.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from caesura.engine.retention import is_retained, later
from caesura.engine.segments import SegmentInfo

_SLOT_BITS = 32


class Place(NamedTuple):
    """A record: its segment's number, and its own in the segment."""

    number: int
    slot: int


@dataclass(slots=True, kw_only=True)
class Segment:
    """A segment, and when it was used.

    number, info: its file, and what its pages share.
    size_bytes: of the file.
    keys: of its records, in order; empty for a record that is known to be damaged.
    last_use: counts uses of all segments, so the largest was used last.
    used_at: when that was, by a clock that may be wrong.
    retain_until: the latest of its pages.
    """

    number: int
    info: SegmentInfo
    size_bytes: int
    keys: list[bytes] = field(default_factory=list[bytes])
    last_use: int = 0
    used_at: float = 0.0
    retain_until: float = 0.0


class PageMap:
    """All segments and pages of a folder.

    segments: by number, oldest first.
    size_bytes: what they take.
    """

    def __init__(self) -> None:
        self.segments: dict[int, Segment] = {}
        self._places: dict[bytes, int] = {}
        self.size_bytes = 0
        self._num_uses = 0

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def place(self, key: bytes) -> Place | None:
        """Where a page lies."""
        place = self._places.get(key)
        return None if place is None else Place(place >> _SLOT_BITS, place & (1 << _SLOT_BITS) - 1)

    def numbers(self, keys: Iterable[bytes]) -> set[int]:
        """The segments in which these pages lie, as far as they are here."""
        places = map(self._places.get, keys)
        return {place >> _SLOT_BITS for place in places if place is not None}

    def add_segment(self, segment: Segment) -> None:
        """Enter a segment and its pages; of two pages with one key, the later counts."""
        self.segments[segment.number] = segment
        self.size_bytes += segment.size_bytes
        self._num_uses = max(self._num_uses, segment.last_use)
        first = segment.number << _SLOT_BITS
        self._places.update(zip(segment.keys, range(first, first + len(segment.keys)), strict=True))
        self._places.pop(b"", None)

    def append(self, segment: Segment, key: bytes) -> None:
        """Enter the next page of a segment."""
        segment.keys.append(key)
        segment.size_bytes += segment.info.stride
        self.size_bytes += segment.info.stride
        self._places[key] = (segment.number << _SLOT_BITS) + len(segment.keys) - 1

    def forget(self, key: bytes) -> None:
        """Leave a page out from now on."""
        self._places.pop(key, None)

    def drop_segment(self, number: int) -> int:
        """Leave a whole segment out; how many pages went."""
        segment = self.segments.pop(number, None)
        if segment is None:
            return 0
        self.size_bytes -= segment.size_bytes
        gone = 0
        for slot, key in enumerate(segment.keys):
            if self._places.get(key) == (number << _SLOT_BITS) + slot:
                self._places.pop(key, None)
                gone += 1
        return gone

    def clear(self) -> None:
        """Leave everything out."""
        self.segments.clear()
        self._places.clear()
        self.size_bytes = 0

    def note_use(self, numbers: Iterable[int], *, retain_until: float, now: float) -> None:
        """These segments were used just now."""
        self._num_uses += 1
        for number in numbers:
            segment = self.segments.get(number)
            if segment is not None:
                segment.last_use, segment.used_at = self._num_uses, now
                segment.retain_until = later(segment.retain_until, retain_until, now)

    def least_used(self, now: float) -> Segment | None:
        """The segment to give up first: those that are to be retained come last."""

        def order(segment: Segment) -> tuple[bool, int, int]:
            return is_retained(segment.retain_until, now), segment.last_use, segment.number

        return min(self.segments.values(), key=order, default=None)
