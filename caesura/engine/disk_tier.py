"""Pages on disk, for all models of a process.

Engines' threads look pages up in a map, read them from the segments, and queue what is to be written. One
thread of this tier does everything else: it reads the index at the start, appends to segments, gives up the
least used ones over the cap, and notes all that in the index. Whatever happens to the files, a page is
either what was written under its key, or a miss.
Enters: keys and payloads. Leaves: payloads, verified. Read next: `segments.py` for the files,
`segment_log.py` for writing, `stored_pages.py` for the start.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread

from caesura.engine.folder_lock import FolderLock
from caesura.engine.page_map import PageMap, Place, Segment
from caesura.engine.pending_pages import PendingPage, PendingPages
from caesura.engine.segment_index import PageRow, SegmentIndex, SegmentUse
from caesura.engine.segment_log import SegmentLog
from caesura.engine.segments import (
    MAX_RUN,
    OpenSegment,
    Owner,
    SegmentInfo,
    create_private,
    read_run,
    segment_path,
)
from caesura.engine.stored_pages import load_pages

# Pages that are written between two commits of the index.
_BATCH = 64
# Uses are noted this often when nothing is written.
_IDLE_S = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskConfig:
    """The limits of a disk tier.

    max_bytes: of all segments.
    segment_bytes: of one; room is made by giving up a whole one.
    max_queue_bytes: of pages that wait to be written; further ones are dropped.
    retry_s: for how long nothing is written after an error.
    """

    max_bytes: int = 20_000_000_000
    segment_bytes: int = 64_000_000
    max_queue_bytes: int = 256_000_000
    retry_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskStats:
    """What a disk tier holds and has done since it was opened.

    num_pages, size_bytes: what it holds.
    num_written: pages. num_read: pages.
    num_dropped: pages that were not written: the queue was full, or the disk took nothing.
    num_errors: failures of the files or the index.
    num_damaged: pages that were not what had been written; they were misses.
    num_reclaimed: pages that went to make room.
    """

    num_pages: int
    size_bytes: int
    num_written: int
    num_read: int
    num_dropped: int
    num_errors: int
    num_damaged: int
    num_reclaimed: int


class DiskTier:
    """A cache folder, held until `close`. Any thread may call."""

    def __init__(
        self,
        folder: Path,
        config: DiskConfig | None = None,
        *,
        clock: Callable[[], float] = time.time,
        open_file: OpenSegment = create_private,
    ) -> None:
        """The pages of earlier processes are found step by step, see `wait_until_loaded`.

        Raises FolderInUseError if another process holds the folder, OSError if it cannot be made.
        """
        self._folder = folder
        self._config = config or DiskConfig()
        self._clock = clock
        self._open_file = open_file
        self._lock = FolderLock(folder)
        self._pages = PageMap()
        self._pending = PendingPages(self._config.max_queue_bytes)
        self._is_loaded = Event()
        self._uses_lock = Lock()
        self._used: set[int] = set()
        self._damaged: deque[PageRow] = deque()
        self._vanished: deque[int] = deque()
        self._paused_at: float | None = None
        self._num_written = self._num_read = self._num_dropped = self._num_errors = self._num_damaged = 0
        self._num_reclaimed = 0
        self._thread = Thread(target=self._run, name="caesura-cache", daemon=True)
        self._thread.start()

    def __enter__(self) -> DiskTier:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __contains__(self, key: bytes) -> bool:
        return key in self._pages or key in self._pending

    @property
    def stats(self) -> DiskStats:
        """What it holds and has done."""
        return DiskStats(
            num_pages=len(self._pages),
            size_bytes=self._pages.size_bytes,
            num_written=self._num_written,
            num_read=self._num_read,
            num_dropped=self._num_dropped,
            num_errors=self._num_errors,
            num_damaged=self._num_damaged,
            num_reclaimed=self._num_reclaimed,
        )

    def wait_until_loaded(self, timeout_s: float) -> bool:
        """Whether the pages of earlier processes are all known within that time."""
        return self._is_loaded.wait(timeout_s)

    def read(self, keys: Sequence[bytes], out: memoryview) -> int:
        """Fill `out` with payloads, back to back; how many leading pages were read and verified."""
        size, num_read = len(out) // max(1, len(keys)), 0
        while num_read < len(keys):
            rest = keys[num_read : num_read + MAX_RUN]
            wanted, num_found = self._read_some(rest, out[num_read * size :], size)
            num_read += num_found
            if num_found < wanted or not wanted:
                break
        self._num_read += num_read
        return num_read

    def write(self, owner: Owner, key: bytes, payload: bytes | memoryview, *, retain_until: float) -> None:
        """Queue a page, which must not change any more; it is dropped, and counted, if the queue is full."""
        if key in self._pages:
            self.touch([key], retain_until)
            return
        info = SegmentInfo(owner=owner, page_bytes=len(payload))
        if not self._pending.put(key, PendingPage(info=info, payload=payload, retain_until=retain_until)):
            self._num_dropped += 1

    def touch(self, keys: Sequence[bytes], retain_until: float) -> None:
        """Note that pages were used, and until when they are to be retained."""
        numbers = self._pages.numbers(keys)
        self._pages.note_use(numbers, retain_until=retain_until, now=self._clock())
        for key in keys:
            if key in self._pending:
                self._pending.retain(key, retain_until)
        with self._uses_lock:
            self._used |= numbers

    def flush(self, timeout_s: float = 60.0) -> bool:
        """Whether all that is queued was written, or given up, within that time."""
        return self._pending.wait_until_empty(timeout_s)

    def close(self) -> None:
        """Write what is queued and let go of the folder. Afterwards nothing is found or taken."""
        self._pending.close()
        self._thread.join()

    def _read_some(self, keys: Sequence[bytes], out: memoryview, size: int) -> tuple[int, int]:
        """How many leading pages could be had in one step, and how many were."""
        pending = self._pending.get(keys[0])
        if pending is not None and len(pending.payload) == size:
            out[:size] = memoryview(pending.payload).cast("B")
            return 1, 1
        place = self._pages.place(keys[0])
        segment = self._pages.segments.get(place.number) if place is not None else None
        if place is None or segment is None or segment.info.page_bytes != size:
            return 0, 0
        run = keys[: self._run_length(keys, place)]
        return len(run), self._read_run(segment, place.slot, run, out)

    def _run_length(self, keys: Sequence[bytes], first: Place) -> int:
        for number in range(1, len(keys)):
            if self._pages.place(keys[number]) != (first.number, first.slot + number):
                return number
        return len(keys)

    def _read_run(self, segment: Segment, slot: int, keys: Sequence[bytes], out: memoryview) -> int:
        try:
            path = segment_path(self._folder, segment.number)
            num_read = read_run(path, segment.info, slot, keys, out)
        except FileNotFoundError:
            # It was reclaimed just now, or somebody cleared the folder.
            self._vanished.append(segment.number)
            return 0
        except OSError as error:
            _log.warning("cannot read segment %d: %s", segment.number, error)
            self._num_errors += 1
            num_read = 0
        if num_read < len(keys):
            self._pages.forget(keys[num_read])
            self._num_damaged += 1
            self._damaged.append(PageRow(number=segment.number, slot=slot + num_read, key=b""))
        return num_read

    # From here on, the tier's own thread.

    def _run(self) -> None:
        try:
            self._serve()
        except Exception:
            # The edge of a thread: serving goes on without the disk.
            _log.exception("the disk cache stopped")
            self._num_errors += 1
        finally:
            self._is_loaded.set()
            self._pending.close()
            self._pending.remove(list(self._pending.oldest(2**62)))
            self._pages.clear()
            self._lock.release()

    def _serve(self) -> None:
        index = SegmentIndex(self._folder)
        load_pages(self._folder, self._pages, index)
        log = SegmentLog(
            self._folder,
            self._pages,
            max_bytes=self._config.max_bytes,
            segment_bytes=self._config.segment_bytes,
            open_file=self._open_file,
        )
        try:
            self._save(index, [], log.make_room(0, self._clock()))
            self._is_loaded.set()
            while self._pending.wait(_IDLE_S):
                self._write_batch(log, index)
            self._write_batch(log, index)
        finally:
            log.close()
            index.close()

    def _write_batch(self, log: SegmentLog, index: SegmentIndex) -> None:
        batch = self._pending.oldest(_BATCH)
        rows: list[PageRow] = []
        gone = self._drop_vanished(log)
        for key, page in batch.items():
            place = self._write_page(log, key, page, gone)
            if place is not None:
                rows.append(PageRow(number=place.number, slot=place.slot, key=key))
        self._num_reclaimed = log.num_reclaimed
        self._save(index, rows, gone)
        # Last: whoever waits until nothing is queued waits for the index's rows too.
        self._pending.remove(list(batch))

    def _write_page(self, log: SegmentLog, key: bytes, page: PendingPage, gone: list[int]) -> Place | None:
        now = self._clock()
        if key in self._pages:
            return None
        if self._is_paused(now) or not log.fits(page.info):
            self._num_dropped += 1
            return None
        gone += log.make_room(log.needed_bytes(page.info), now)
        try:
            place = log.append(page.info, key, page.payload, retain_until=page.retain_until, now=now)
        except OSError as error:
            _log.warning("the disk cache takes no pages for %g s: %s", self._config.retry_s, error)
            self._num_errors += 1
            self._num_dropped += 1
            self._paused_at = now
            return None
        self._num_written += 1
        with self._uses_lock:
            self._used.add(place.number)
        return place

    def _is_paused(self, now: float) -> bool:
        # A clock that was set back since must not prolong it.
        return self._paused_at is not None and self._paused_at <= now < self._paused_at + self._config.retry_s

    def _drop_vanished(self, log: SegmentLog) -> list[int]:
        numbers = {self._vanished.popleft() for _ in range(len(self._vanished))}
        gone = [number for number in numbers if not segment_path(self._folder, number).exists()]
        for number in gone:
            log.drop(number)
        return gone

    def _save(self, index: SegmentIndex, rows: list[PageRow], gone: list[int]) -> None:
        rows = rows + [self._damaged.popleft() for _ in range(len(self._damaged))]
        with self._uses_lock:
            used, self._used = self._used, set()
        present = self._pages.segments
        uses = [_use(present[number]) for number in used if number in present]
        if not (rows or gone or uses):
            return
        try:
            if gone:
                index.drop(gone)
            index.save((row for row in rows if row.number in present), uses)
        except sqlite3.Error as error:
            # The next start reads what is missing from the segments.
            _log.warning("the index of the disk cache takes no rows: %s", error)
            self._num_errors += 1


def _use(segment: Segment) -> SegmentUse:
    return SegmentUse(
        number=segment.number,
        last_use=segment.last_use,
        used_at=segment.used_at,
        retain_until=segment.retain_until,
    )
