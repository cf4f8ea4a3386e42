"""Pages in RAM beside the pool: a budget of bytes, the least used going first.

Retention is soft. Retained pages go last, and those beyond a quarter of the budget count as not retained,
so that nothing can be kept from entering. Order of use is an order in a dict, not a time.
Enters: keys and payloads. Leaves: payloads. Read next: `tiers.py`.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from caesura.engine.retention import is_retained, later

_RETAINED_SHARE = 0.25
# Below this many, entries that were overtaken are not worth clearing away.
_MIN_ENDS = 1000


@dataclass(slots=True, kw_only=True)
class _Page:
    payload: memoryview
    retain_until: float


class RamTier:
    """A cache of payloads, for any number of models and threads.

    num_evicted: pages that went to make room.
    """

    def __init__(self, max_bytes: int) -> None:
        """max_bytes: of payloads."""
        self.num_evicted = 0
        self._max_bytes = max_bytes
        # A page is in one of the two; the least used is first.
        self._plain: OrderedDict[bytes, _Page] = OrderedDict()
        self._retained: OrderedDict[bytes, _Page] = OrderedDict()
        self._size_bytes = self._retained_bytes = 0
        # When retentions end, soonest first; entries that were overtaken since are skipped.
        self._ends: list[tuple[float, bytes]] = []
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._plain) + len(self._retained)

    def __contains__(self, key: bytes) -> bool:
        return key in self._plain or key in self._retained

    @property
    def size_bytes(self) -> int:
        """What the payloads take."""
        return self._size_bytes

    def read(self, keys: Sequence[bytes], out: memoryview, size: int) -> int:
        """Fill `out` with payloads of `size` bytes, back to back; how many leading pages there were."""
        with self._lock:
            for number, key in enumerate(keys):
                page = self._find(key)
                if page is None or len(page.payload) != size:
                    return number
                out[number * size : (number + 1) * size] = page.payload
            return len(keys)

    def put(self, key: bytes, payload: bytes | memoryview, *, retain_until: float, now: float) -> None:
        """Keep a page, which must not change any more; one larger than the budget is not kept."""
        with self._lock:
            if self._find(key) is not None:
                self._use(key, retain_until, now)
            elif len(payload) <= self._max_bytes:
                self._make_room(len(payload), now)
                self._size_bytes += len(payload)
                self._plain[key] = _Page(payload=memoryview(payload).cast("B"), retain_until=0.0)
                self._use(key, retain_until, now)

    def touch(self, keys: Sequence[bytes], retain_until: float, now: float) -> None:
        """Note that pages were used, and until when they are to be retained."""
        with self._lock:
            for key in keys:
                if self._find(key) is not None:
                    self._use(key, retain_until, now)

    def _find(self, key: bytes) -> _Page | None:
        return self._plain.get(key) or self._retained.get(key)

    def _use(self, key: bytes, retain_until: float, now: float) -> None:
        page = self._remove(key)
        before, page.retain_until = page.retain_until, later(page.retain_until, retain_until, now)
        if page.retain_until:
            self._retained[key] = page
            self._retained_bytes += len(page.payload)
            if page.retain_until != before:
                self._note_end(page.retain_until, key)
        else:
            self._plain[key] = page

    def _note_end(self, until: float, key: bytes) -> None:
        heapq.heappush(self._ends, (until, key))
        if len(self._ends) > _MIN_ENDS + 2 * len(self._retained):
            self._ends = [(page.retain_until, key) for key, page in self._retained.items()]
            heapq.heapify(self._ends)

    def _remove(self, key: bytes) -> _Page:
        page = self._plain.pop(key, None)
        if page is None:
            page = self._retained.pop(key)
            self._retained_bytes -= len(page.payload)
        return page

    def _make_room(self, num_bytes: int, now: float) -> None:
        self._end_retentions(now)
        while self._size_bytes + num_bytes > self._max_bytes:
            is_crowded = self._retained_bytes > _RETAINED_SHARE * self._max_bytes
            pages = self._retained if is_crowded or not self._plain else self._plain
            self._size_bytes -= len(self._remove(next(iter(pages))).payload)
            self.num_evicted += 1

    def _end_retentions(self, now: float) -> None:
        while self._ends and not is_retained(self._ends[0][0], now):
            until, key = heapq.heappop(self._ends)
            page = self._retained.get(key)
            if page is not None and page.retain_until == until:
                self._plain[key] = self._remove(key)
                # What was kept longest beyond its last use goes first.
                self._plain.move_to_end(key, last=False)
                page.retain_until = 0.0
