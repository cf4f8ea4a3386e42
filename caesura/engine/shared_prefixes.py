"""Which decode rows read the same pages, so that these are read once for all of them.

Enters: decode rows. Leaves: clusters, and the rows that are better off alone. Integers only. Read next:
`paged_attention.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from caesura.engine.history import Pages
from caesura.engine.scheduler import Row

# Pages that several rows must share for a read of its own, and that a single row must have: in one run, or
# scattered, where reading each run by itself is slower than a group's copy for long.
_MIN_SHARED = 4
_MIN_ALONE = 32
_MIN_SCATTERED = 128
_NO_PAGES: Pages = np.empty(0, dtype=np.int64)


class Cluster(NamedTuple):
    """Rows that begin with the same pages.

    rows: one or several.
    pages: what several share, all full.
    """

    rows: tuple[Row, ...]
    pages: Pages = _NO_PAGES


class Arrangement(NamedTuple):
    """The decode rows in two kinds; in the batch they lie in this order.

    clusters: see there.
    others: the rows that are read in groups, the longest first.
    """

    clusters: tuple[Cluster, ...]
    others: tuple[Row, ...]

    @property
    def rows(self) -> list[Row]:
        """All of them, in order."""
        return [row for cluster in self.clusters for row in cluster.rows] + list(self.others)


def arranged(rows: Sequence[Row], page_size: int) -> Arrangement:
    """Find the clusters: rows with the same first page, as far as they agree, unless they part so early
    that what follows is most of what they read.
    """
    by_first_page: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        by_first_page[row.pages[0]].append(row)
    clusters: list[Cluster] = []
    others: list[Row] = []
    for alike in by_first_page.values():
        shared = _shared(alike, page_size) if len(alike) > 1 else None
        if shared is not None and _is_worth_it(alike, len(shared), page_size):
            clusters.append(Cluster(tuple(alike), shared))
            continue
        for row in alike:
            if _is_read_alone(row, row.start // page_size):
                clusters.append(Cluster((row,)))
            else:
                others.append(row)
    return Arrangement(tuple(clusters), longest_first(others))


def _is_read_alone(row: Row, last: int) -> bool:
    # Pages are mostly taken in rising order, so two of them tell enough.
    is_run = row.pages[last] - row.pages[0] == last
    return last >= (_MIN_ALONE if is_run else _MIN_SCATTERED)


def longest_first(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Sorted by length, so that those which are padded together are neighbours."""
    return tuple(sorted(rows, key=lambda row: -row.start))


def _shared(rows: Sequence[Row], page_size: int) -> Pages:
    """The pages with which all begin; never the one that a row is writing to."""
    most = min(row.start for row in rows) // page_size
    shared = list(rows[0].pages[:most])
    for row in rows[1:]:
        pages = list(row.pages[: len(shared)])
        if pages != shared:
            pairs = zip(pages, shared, strict=True)
            shared = shared[: next(place for place, (one, other) in enumerate(pairs) if one != other)]
    return np.asarray(shared, dtype=np.int64)


def _is_worth_it(rows: Sequence[Row], num_shared: int, page_size: int) -> bool:
    longest = max(row.start for row in rows) // page_size + 1
    return num_shared >= _MIN_SHARED and longest - num_shared <= num_shared
