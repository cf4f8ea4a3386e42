"""Where the tokens lie that a query reads: in runs of neighbouring pages, or scattered.

Runs are read where they lie, if the store keeps them as they are read. Where they are short, reading each
costs more than copying their pages to one place first.
Shapes: P pages, L tokens, K key/value heads, E head dimension.
Enters: pages, in order. Leaves: for each layer, pieces of keys and values. Read next: `chunk_attention.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caesura.engine.kv_store import KVStore, Tokens

# Pages that a run must have on average.
_MIN_RUN = 16

Pages = NDArray[np.int64]


class Piece(NamedTuple):
    """Keys and values of consecutive tokens.

    key_KLE, value_KLE: up to their scales. key_scale_K1L, value_scale_K1L: None where they have none.
    """

    key_KLE: Tensor
    value_KLE: Tensor
    key_scale_K1L: Tensor | None = None
    value_scale_K1L: Tensor | None = None

    def first(self, count: int) -> Piece:
        """Its first tokens."""
        key, value, *scales = self
        return Piece(
            key[:, :count],
            value[:, :count],
            *(None if scale is None else scale[..., :count] for scale in scales),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A sequence's first tokens.

    length: how many.
    runs: the tokens of the pool that hold them, if these are read as runs; else empty.
    page_rows: the (head, page) rows to gather, for (2, K, pages) in this order; None where there are runs.
    """

    length: int
    runs: tuple[range, ...] = ()
    page_rows: Tensor | None = None

    def pieces(self, store: KVStore, layer: int) -> Iterator[Piece]:
        """The keys and values of one layer, in order. Good until the next history is asked for."""
        return (Piece(*tokens.widened()) for tokens in self._read(store, layer))

    def scaled_pieces(self, store: KVStore, layer: int) -> Iterator[Piece]:
        """The same, with scales where the store has them: quicker for few queries."""
        for numbers, scale in self._read(store, layer):
            yield Piece(*numbers) if scale is None else Piece(*numbers, *scale.transpose(2, 3))

    def _read(self, store: KVStore, layer: int) -> Iterable[Tokens]:
        """(2, K, L, E)."""
        if self.page_rows is None:
            return store.read(layer, self.runs)
        numbers, scale = store.gather(layer, self.page_rows, "history")
        return (
            Tokens(self._by_head(numbers, store), None if scale is None else self._by_head(scale, store)),
        )

    def _by_head(self, rows: Tensor, store: KVStore) -> Tensor:
        return rows.view(2, store.num_kv_heads, -1, rows.shape[-1])[:, :, : self.length]


def history(pages: Pages, length: int, store: KVStore) -> History:
    """pages: those of the first `length` tokens, at least one."""
    breaks = np.flatnonzero(np.diff(pages) != 1) + 1
    if len(breaks) and len(pages) < _MIN_RUN * (len(breaks) + 1):
        page_rows = store.head_offsets[:, None] + torch.from_numpy(pages).to(store.device)
        return History(length=length, page_rows=page_rows.flatten())
    size, runs = store.page_size, list[range]()
    firsts = [0, *breaks.tolist()]
    for first, stop in zip(firsts, [*firsts[1:], len(pages)], strict=True):
        start = int(pages[first]) * size
        runs.append(range(start, start + min(stop * size, length) - first * size))
    return History(length=length, runs=tuple(runs))
