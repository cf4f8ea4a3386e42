"""Pages on their way to the disk: they can be read from here until they can be read from there.

Enters: pages, from engines' threads. Leaves: batches, to one writing thread. Read next: `disk_tier.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from threading import Condition

from caesura.engine.segments import SegmentInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingPage:
    """A page to be written.

    info: the kind of segment that it belongs into.
    payload: must not change any more.
    retain_until: a time of day; 0: it is not retained.
    """

    info: SegmentInfo
    payload: bytes | memoryview
    retain_until: float


class PendingPages:
    """A queue of limited size, by key."""

    def __init__(self, max_bytes: int) -> None:
        """max_bytes: of payloads."""
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._pages: dict[bytes, PendingPage] = {}
        self._changed = Condition()
        self._is_closed = False

    def __contains__(self, key: bytes) -> bool:
        return key in self._pages

    def get(self, key: bytes) -> PendingPage | None:
        """A page that is not written yet."""
        return self._pages.get(key)

    def put(self, key: bytes, page: PendingPage) -> bool:
        """Queue a page; False if there is no room, or no one to write it."""
        with self._changed:
            if self._is_closed or self._num_bytes + len(page.payload) > self._max_bytes:
                return False
            if key not in self._pages:
                self._pages[key] = page
                self._num_bytes += len(page.payload)
                self._changed.notify_all()
            return True

    def retain(self, key: bytes, until: float) -> None:
        """Retain a page longer than was said when it was queued."""
        with self._changed:
            page = self._pages.get(key)
            if page is not None and until > page.retain_until:
                self._pages[key] = replace(page, retain_until=until)

    def wait(self, timeout_s: float) -> bool:
        """Until there is something to write, at most that long; False once closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._pages or self._is_closed, timeout_s)
            return bool(self._pages) or not self._is_closed

    def oldest(self, count: int) -> dict[bytes, PendingPage]:
        """The pages that wait longest; they stay until `remove`."""
        with self._changed:
            return dict(islice(self._pages.items(), count))

    def remove(self, keys: list[bytes]) -> None:
        """These are written, or given up."""
        with self._changed:
            for key in keys:
                self._num_bytes -= len(self._pages.pop(key).payload)
            self._changed.notify_all()

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Whether everything was written within that time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pages, timeout_s)

    def close(self) -> None:
        """Take no more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
