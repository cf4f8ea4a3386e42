"""Who holds which page of the key/value store. Integers only; the tensors are in `paged_attention.py`.

A page is held as long as anyone counts on it: sequences hold theirs, and the tree of kept prefixes those
that are full, so a page can have many holders. free + held = all, always.
Enters: how many pages are wanted. Leaves: page ids. Read next: `prefix_cache.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

PAGE_SIZE_CPU = 32
PAGE_SIZE_CUDA = 64


class PagePool:
    """A free stack with reference counts. The page freed last is reused first: it is the warmest."""

    def __init__(self, num_pages: int, page_size: int) -> None:
        if num_pages < 1 or page_size < 1:
            raise ValueError(f"a pool of {num_pages} pages of {page_size} tokens holds nothing")
        self.num_pages = num_pages
        self.page_size = page_size
        self._free = list(range(num_pages - 1, -1, -1))
        self._num_holders = [0] * num_pages

    @property
    def num_free(self) -> int:
        """Pages that nobody holds."""
        return len(self._free)

    @property
    def num_held(self) -> int:
        """Pages that somebody holds."""
        return self.num_pages - len(self._free)

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

    def take(self, count: int) -> list[int]:
        """Hold `count` free pages. The caller has looked at `num_free`."""
        assert count <= len(self._free)
        pages = [self._free.pop() for _ in range(count)]
        for page in pages:
            self._num_holders[page] = 1
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
                self._free.append(page)
