"""Which tokens of a step read the same pages first, as one table of integers.

Rows of one token that begin alike are read together, as `shared_prefixes.py` finds them. A chunk's tokens
are cut where pages begin: those of one page have all earlier pages in common, and among them what the chunk
itself computes, for each layer writes all keys and values before it reads any. Enters: a step's rows. Leaves:
a `StepTable`. Integers only. Read next: `native_network.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from caesura.engine.history import Pages
from caesura.engine.scheduler import Row
from caesura.engine.shared_prefixes import Arrangement

_NO_PAGES: Pages = np.empty(0, dtype=np.int64)


class Read(NamedTuple):
    """Tokens that read the same pages, then each pages of its own.

    positions: one for each token.
    shared: full pages.
    own: for each token those that follow, up to and including its own.
    """

    positions: Sequence[int]
    shared: Pages
    own: Sequence[Pages]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTable:
    """A step as `step.cpp` reads it.

    integers: ids and positions of all tokens, which of them are scored, (first token, tokens, shared pages)
        of each cluster, and its pages: those that are shared, then each token's own.
    num_tokens, num_scored, num_clusters: what lies there.
    """

    integers: NDArray[np.int64]
    num_tokens: int
    num_scored: int
    num_clusters: int


def step_table(decode: Arrangement, chunks: Sequence[Row], page_size: int) -> StepTable:
    """The table of these rows, in this order."""
    rows = [*decode.rows, *chunks]
    tokens = [token for row in rows for token in row.tokens]
    scored, clusters, positions = list[int](), list[int](), list[int]()
    pages: list[Pages] = []
    stop = 0
    for row in rows:
        stop += len(row.tokens)
        if row.is_sampled:
            scored.append(stop - 1)
    for read in _reads(decode, chunks, page_size):
        clusters += (len(positions), len(read.positions), len(read.shared))
        positions += read.positions
        pages += (read.shared, *read.own)
    integers = np.asarray([*tokens, *positions, *scored, *clusters], dtype=np.int64)
    return StepTable(
        integers=np.concatenate((integers, *pages)),
        num_tokens=len(tokens),
        num_scored=len(scored),
        num_clusters=len(clusters) // 3,
    )


def _reads(decode: Arrangement, chunks: Sequence[Row], page_size: int) -> Iterator[Read]:
    for rows, shared in decode.clusters:
        own = [_pages(row, len(shared), row.start // page_size + 1) for row in rows]
        yield Read([row.start for row in rows], shared, own)
    for row in decode.others:
        yield Read((row.start,), _NO_PAGES, (_pages(row, 0, row.start // page_size + 1),))
    for row in chunks:
        yield from _chunk_reads(row, page_size)


def _chunk_reads(row: Row, page_size: int) -> Iterator[Read]:
    start, stop = row.start, row.start + len(row.tokens)
    pages = _pages(row, 0, (stop - 1) // page_size + 1)
    while start < stop:
        page = start // page_size
        positions = range(start, min(stop, (page + 1) * page_size))
        yield Read(positions, pages[:page], (pages[page : page + 1],) * len(positions))
        start = positions.stop


def _pages(row: Row, first: int, stop: int) -> Pages:
    """Raises IndexError if the row has fewer: whoever reads the table counts on them."""
    if len(row.pages) < stop:
        raise IndexError(f"sequence {row.sequence} has {len(row.pages)} pages where a step reads {stop}")
    return np.asarray(row.pages[first:stop], dtype=np.int64)
