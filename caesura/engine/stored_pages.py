"""What a cache folder holds when it is opened.

Enters: a folder and its index. Leaves: a filled map. Read next: `page_map.py`.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import suppress
from pathlib import Path

from caesura.engine.page_map import PageMap, Segment
from caesura.engine.segment_index import SegmentIndex, SegmentUse
from caesura.engine.segments import (
    SegmentInfo,
    read_segment_header,
    scan_records,
    segment_numbers,
    segment_path,
)

_log = logging.getLogger(__name__)


def load_pages(folder: Path, pages: PageMap, index: SegmentIndex) -> None:
    """Enter all segments and their pages, from the index where it is complete, else from the segments."""
    try:
        _load(folder, pages, index)
    except sqlite3.Error as error:
        _log.warning("the index of %s is damaged (%s); the segments are read instead", folder, error)
        pages.clear()
        index.recreate()
        _load(folder, pages, index)


def _load(folder: Path, pages: PageMap, index: SegmentIndex) -> None:
    uses = index.uses()
    for number in segment_numbers(folder):
        try:
            segment = _load_segment(folder, number, index, uses.pop(number, SegmentUse(number=number)))
            if segment is None:
                # Nothing in it can be read, by this process or a later one.
                segment_path(folder, number).unlink()
        except OSError as error:
            _log.warning("cannot use segment %d of %s: %s", number, folder, error)
            continue
        if segment is not None:
            pages.add_segment(segment)
    # A full disk may refuse this; the rows are then in nobody's way.
    with suppress(sqlite3.OperationalError):
        index.drop(list(uses))


def _load_segment(folder: Path, number: int, index: SegmentIndex, use: SegmentUse) -> Segment | None:
    path = segment_path(folder, number)
    info = read_segment_header(path)
    size_bytes = path.stat().st_size
    if info is None or not info.num_whole(size_bytes):
        return None
    keys, retain_until = index.keys(number), use.retain_until
    if len(keys) != info.num_whole(size_bytes):
        keys, retain_until = _scan(path, number, info, index)
    return Segment(
        number=number,
        info=info,
        size_bytes=size_bytes,
        keys=keys,
        last_use=use.last_use,
        used_at=use.used_at,
        retain_until=retain_until,
    )


def _scan(path: Path, number: int, info: SegmentInfo, index: SegmentIndex) -> tuple[list[bytes], float]:
    records = scan_records(path, info)
    keys = [record.key for record in records]
    # A full disk may refuse this; the next start scans again.
    with suppress(sqlite3.OperationalError):
        index.replace(number, keys)
    return keys, max(record.retain_until for record in records)
