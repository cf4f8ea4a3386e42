"""Who holds which page of the key/value store. Integers only; the tensors are in `paged_attention.py`.

A page is held as long as anyone counts on it: sequences hold theirs, and the tree of kept prefixes those
that are full, so a page can have many holders. free + held = all, always.
Enters: how many pages are wanted. Leaves: page ids. Read next: `prefix_cache.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

PAGE_SIZE_CPU = 32
PAGE_SIZE_CUDA = 64


# Pages left free behind a history that has no neighbour yet, so that it can grow there.
_ROOM_PAGES = 128


class PagePool:
    """Free pages with reference counts. Histories are laid out in runs of neighbouring pages as far as
    there are any, because a run can be read where it lies.
    """

    def __init__(self, num_pages: int, page_size: int) -> None:
        if num_pages < 1 or page_size < 1:
            raise ValueError(f"a pool of {num_pages} pages of {page_size} tokens holds nothing")
        self.num_pages = num_pages
        self.page_size = page_size
        self._is_free = np.ones(num_pages, dtype=np.bool_)
        self._num_free = num_pages
        self._num_holders = [0] * num_pages

    @property
    def num_free(self) -> int:
        """Pages that nobody holds."""
        return self._num_free

    @property
    def num_held(self) -> int:
        """Pages that somebody holds."""
        return self.num_pages - self._num_free

    @property
    def num_tokens(self) -> int:
        """How many tokens fit into the whole pool."""
        return self.num_pages * self.page_size

    def num_holders(self, page: int) -> int:
        """How many count on a page."""
        return self._num_holders[page]

    def pages_for(self, num_tokens: int) -> int:
        """How many pages that many tokens fill."""
        return -(-num_tokens // self.page_size)

    def take(self, count: int, after: int | None = None) -> list[int]:
        """Hold `count` free pages. The caller has looked at `num_free`.

        after: the page that they follow; its neighbours are taken if they are free.
        """
        assert count <= self._num_free
        pages: list[int] = []
        if after is not None:
            self._take(pages, range(after + 1, min(after + 1 + count, self.num_pages)))
        while len(pages) < count:
            self._take(pages, self._run(count - len(pages)))
        return pages

    def hold(self, pages: Iterable[int]) -> None:
        """Count on pages that somebody holds already."""
        for page in pages:
            assert self._num_holders[page] > 0
            self._num_holders[page] += 1

    def release(self, pages: Iterable[int]) -> None:
        """Stop counting on pages; those that nobody counts on are free."""
        for page in pages:
            assert self._num_holders[page] > 0
            self._num_holders[page] -= 1
            if not self._num_holders[page]:
                self._is_free[page] = True
                self._num_free += 1

    def _take(self, pages: list[int], run: range) -> None:
        """Take a run's pages up to the first that is held."""
        for page in run:
            if not self._is_free[page]:
                return
            self._is_free[page] = False
            self._num_free -= 1
            self._num_holders[page] = 1
            pages.append(page)

    def _run(self, count: int) -> range:
        """Free neighbours, `count` if there are so many: in the smallest gap with room to grow, else in the
        largest, and away from whoever may grow into it.
        """
        edges = np.flatnonzero(np.diff(self._is_free, prepend=False, append=False)).reshape(-1, 2)
        sizes = edges[:, 1] - edges[:, 0]
        roomy = np.where(sizes >= count + _ROOM_PAGES, sizes, self.num_pages + 1)
        index = int(roomy.argmin()) if roomy.min() <= self.num_pages else int(sizes.argmax())
        start, size = int(edges[index, 0]), int(sizes[index])
        start += min(_ROOM_PAGES, max(0, size - count) // 2)
        return range(start, min(start + count, self.num_pages))
