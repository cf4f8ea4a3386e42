"""What was computed is kept: the pool, the tree of prefixes and the tiers below, joined.

A sequence starts with the pages that its ids share with the tree; as its own become full they enter the
tree, and stay there when it ends. Where it parts from the tree within a page, the beginning of that page is
copied from the sibling that agrees furthest. Pages that are wanted come from the free ones, then from those
that nobody holds. A page in the tree has one holder there and one in each sequence that uses it.
With tiers below, a page is written down as soon as it is full, so leaving memory costs nothing.
Enters: sequences. Leaves: their pages. Read next: `prefix_tree.py`, `scheduler.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Items
from functools import partial
from itertools import groupby
from typing import Protocol

from caesura.engine.page_keys import page_keys
from caesura.engine.pages import PagePool
from caesura.engine.prefix_tree import Node, PrefixTree
from caesura.engine.sequence import Sequence
from caesura.engine.tiers import PageTiers

# The share of the pool that retention protects.
_RETAINED_SHARE = 0.25
# The most that is read from the tiers in one call: it is held a second time until it is in pages. In memory
# that is kept, because fresh memory can take longer to touch than a disk to read.
_MAX_READ_BYTES = 16_000_000


class PageStore(Protocol):
    """What pages hold, as bytes."""

    @property
    def page_bytes(self) -> int:
        """The length of a page's payload."""
        ...

    def export_page(self, page: int) -> memoryview:
        """A copy of a page's payload."""
        ...

    def import_pages(self, pages: Items[int], payloads: memoryview) -> None:
        """Fill pages from payloads that lie back to back."""
        ...

    def copy_page(self, source: int, target: int) -> None:
        """Make one page hold what another holds."""
        ...

    def clear_pages(self, pages: Items[int]) -> None:
        """Fill pages with zeros."""
        ...


class PrefixCache:
    """Hands pages to sequences and keeps them afterwards."""

    def __init__(
        self,
        pool: PagePool,
        store: PageStore,
        *,
        tiers: PageTiers | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """wall_clock: the tiers outlive the process, so their retention ends at a time of day."""
        self.pool = pool
        self.tree = PrefixTree(int(pool.num_pages * _RETAINED_SHARE))
        self.num_evicted = self.num_loaded = 0
        self._store = store
        self._tiers = tiers
        self._wall_clock = wall_clock
        self._payloads = bytearray()
        # Pages that may hold what is no number. Whoever gets one reads behind its own last token, too.
        self._spoilt = set[int]()

    @property
    def num_available(self) -> int:
        """Pages that are free or can be freed at once."""
        return self.pool.num_free + self.tree.num_idle

    def find(self, sequence: Sequence) -> list[Node]:
        """The nodes of a waiting sequence's leading pages. The last id stays out: it is computed."""
        num_usable = (len(sequence.ids) - 1) // sequence.page_size
        self._extend_keys(sequence, num_usable)
        return self.tree.match(_leading(sequence.keys, num_usable))

    def num_missing(self, sequence: Sequence, path: Items[Node]) -> int:
        """How many available pages starting on this path would use up."""
        num_idle = sum(not node.num_users for node in path)
        return self.pool.pages_for(len(sequence.ids)) - len(path) + num_idle

    def start(self, sequence: Sequence, path: Items[Node], now: float) -> None:
        """Give a sequence the pages of its path, and fresh ones for the rest of its ids."""
        self.tree.hold(path)
        pages = [node.page for node in path]
        self.pool.hold(pages)
        sequence.pages = pages
        sequence.num_kept = len(path)
        sequence.node = path[-1] if path else None
        sequence.num_computed = len(path) * sequence.page_size
        self.grow(sequence, now)
        self._retain(sequence, path, now)
        if self._tiers is not None:
            self._touch(path)
            keys = sequence.keys[len(path) : (len(sequence.ids) - 1) // sequence.page_size]
            sequence.num_loadable = self._tiers.count(keys) if keys else 0
        if not sequence.num_loadable:
            self._copy_nearest(sequence)

    def grow(self, sequence: Sequence, now: float) -> bool:
        """Give a sequence pages for all its ids; False, and none, if there are not enough."""
        wanted = self.pool.pages_for(len(sequence.ids)) - len(sequence.pages)
        if wanted <= 0:
            return True
        if wanted > self.num_available:
            return False
        if wanted > self.pool.num_free:
            gone = self.tree.evict(wanted - self.pool.num_free, now)
            self.pool.release(node.page for node in gone)
            self.num_evicted += len(gone)
        pages = self.pool.take(wanted, after=sequence.pages[-1] if sequence.pages else None)
        spoilt = self._spoilt.intersection(pages)
        if spoilt:
            self._store.clear_pages(sorted(spoilt))
            self._spoilt -= spoilt
        sequence.pages += pages
        return True

    def _copy_nearest(self, sequence: Sequence) -> None:
        """Take over what a sibling of the first page that is missing has in common with it. Whoever asks is
        told of whole pages only, so this counts as computed.
        """
        number, size = sequence.num_kept, sequence.page_size
        wanted = sequence.ids[number * size : min((number + 1) * size, len(sequence.ids) - 1)]
        if sequence.node is None or not wanted or number >= len(sequence.pages):
            return
        nearest = self.tree.nearest(sequence.node, wanted)
        if nearest is not None:
            node, num_equal = nearest
            self._store.copy_page(node.page, sequence.pages[number])
            sequence.num_computed += num_equal

    def copy_tail(self, source: Sequence, target: Sequence, num_shared: int) -> None:
        """Fork: `target` takes over the page that `source` shares in part, up to `num_shared` tokens."""
        number = target.num_computed // target.page_size
        self._store.copy_page(source.pages[number], target.pages[number])
        target.num_computed, target.num_loadable = num_shared, 0

    def load(self, sequence: Sequence, num_pages: int, now: float) -> int:
        """Read pages that follow the computed ones from the tiers. Returns how many were read; after a page
        that is missing or damaged the rest is computed. What follows the last one is taken over like at the
        start: meanwhile others may have come further.
        """
        assert self._tiers is not None
        first, size = sequence.num_kept, self._store.page_bytes
        most = min(num_pages, sequence.num_loadable, max(1, _MAX_READ_BYTES // size))
        keys = sequence.keys[first : first + most]
        if len(self._payloads) < len(keys) * size:
            self._payloads = bytearray(len(keys) * size)
        payloads = memoryview(self._payloads)[: len(keys) * size]
        num_read = self._tiers.read(keys, payloads)
        if num_read:
            self._store.import_pages(sequence.pages[first : first + num_read], payloads[: num_read * size])
        sequence.num_loadable = sequence.num_loadable - num_read if num_read == len(keys) else 0
        sequence.num_computed += num_read * sequence.page_size
        self.num_loaded += num_read
        self._keep(sequence, now, is_written=True)
        for ttl_s, numbers in groupby(range(first, first + num_read), key=partial(_ttl_s, sequence)):
            self._tiers.touch([sequence.keys[number] for number in numbers], self._until(ttl_s))
        if not sequence.num_loadable:
            self._copy_nearest(sequence)
        return num_read

    def keep(self, sequence: Sequence, now: float) -> None:
        """Enter the pages that have become full into the tree. Where the tree has the same page already,
        the sequence takes that one, so that it is stored once.
        """
        self._keep(sequence, now, is_written=False)

    def release(self, sequence: Sequence, now: float, *, has_failed: bool = False) -> None:
        """Take all pages back; those in the tree stay in memory as long as there is room.

        has_failed: whether what is not in the tree may be no numbers; it is cleared before anyone gets it.
        """
        if has_failed:
            self._spoilt.update(sequence.pages[sequence.num_kept :])
        self.tree.release(sequence.node, now)
        self.pool.release(sequence.pages)
        sequence.pages, sequence.node = [], None
        sequence.num_kept = sequence.num_computed = sequence.num_loadable = 0

    def _keep(self, sequence: Sequence, now: float, *, is_written: bool) -> None:
        num_full = sequence.num_computed // sequence.page_size
        if num_full == sequence.num_kept:
            return
        self._extend_keys(sequence, num_full)
        for number in range(sequence.num_kept, num_full):
            node = self.tree.find(sequence.keys[number])
            if node is None:
                node = self._insert(sequence, number, is_written=is_written)
            else:
                self._adopt(sequence, number, node)
            ttl_s = _ttl_s(sequence, number)
            if ttl_s:
                self.tree.retain((node,), ttl_s, now)
            sequence.node = node
        sequence.num_kept = num_full

    def _insert(self, sequence: Sequence, number: int, *, is_written: bool) -> Node:
        key, page = sequence.keys[number], sequence.pages[number]
        if self._tiers is not None and not is_written:
            payload = self._store.export_page(page)
            self._tiers.write(key, payload, retain_until=self._until(_ttl_s(sequence, number)))
        # Last, for a page that could not be written down must not stay held.
        self.pool.hold((page,))
        size = sequence.page_size
        ids = sequence.ids[number * size : (number + 1) * size]
        return self.tree.insert(key, sequence.node, page, ids)

    def _adopt(self, sequence: Sequence, number: int, node: Node) -> None:
        self.tree.hold((node,))
        self.pool.hold((node.page,))
        self.pool.release((sequence.pages[number],))
        sequence.pages[number] = node.page

    def _extend_keys(self, sequence: Sequence, num_pages: int) -> None:
        num_known, size = len(sequence.keys), sequence.page_size
        if num_pages > num_known:
            parent = sequence.keys[-1] if num_known else sequence.root
            sequence.keys += page_keys(parent, sequence.ids[num_known * size : num_pages * size], size)

    def _retain(self, sequence: Sequence, path: Items[Node], now: float) -> None:
        start = 0
        for retention in sorted(sequence.request.retentions, key=lambda each: each.position):
            stop = min(retention.position // sequence.page_size, len(path))
            if stop > start:
                self.tree.retain(path[start:stop], _ttl_s(sequence, start), now)
                start = stop

    def _touch(self, path: Items[Node]) -> None:
        assert self._tiers is not None
        for ttl_s, nodes in groupby(path, key=lambda node: node.ttl_s):
            self._tiers.touch([node.key for node in nodes], self._until(ttl_s))

    def _until(self, ttl_s: float) -> float:
        return self._wall_clock() + ttl_s if ttl_s else 0.0


def _leading(keys: list[bytes], count: int) -> Iterator[bytes]:
    return (keys[number] for number in range(min(count, len(keys))))


def _ttl_s(sequence: Sequence, number: int) -> float:
    """How long that page of the sequence is to be retained; 0: not."""
    stop = (number + 1) * sequence.page_size
    return max((each.ttl_s for each in sequence.request.retentions if each.position >= stop), default=0.0)
