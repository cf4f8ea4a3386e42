"""Documents into rows of one length, without a document seeing its neighbour.

Enters: a `TokenSet`. Leaves: batches of tokens, targets, mask and positions, each a pure function of the
step's number: resuming a run needs no more than that number. Shapes: B rows, T tokens. Read next: `loop.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from caesura.messages.errors import DataError
from caesura.train.encoding import TokenSet

_WINDOW = 4096  # documents that are packed together: large enough to fill rows, small enough to stay shuffled
_NO_TARGET = 0


class Batch(NamedTuple):
    """What the network reads and what it should say.

    tokens_BT: ids. targets_BT: the id that follows each. mask_BT: which targets count.
    positions_BT: places within the document; 0 opens a new one.
    """

    tokens_BT: Tensor
    targets_BT: Tensor
    mask_BT: Tensor
    positions_BT: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class PackingConfig:
    """How batches are cut.

    batch_tokens: B * T of every batch.
    row_tokens: the row lengths on offer, ascending; a document goes into the shortest that holds it,
        because attention over a row costs its length squared.
    seed: of the shuffle; each pass over the data is shuffled anew.
    """

    batch_tokens: int = 8192
    row_tokens: tuple[int, ...] = (256,)
    seed: int = 0


class Packer:
    """Batches by number. A document longer than the longest row is an error, named by its index."""

    def __init__(self, token_set: TokenSet, config: PackingConfig) -> None:
        limits = np.asarray(config.row_tokens)
        lengths = np.asarray(token_set.lengths)
        longest = int(lengths.argmax())
        if lengths[longest] > limits[-1] + 1:
            raise DataError(
                f"document {longest} has {lengths[longest]} tokens, more than a row of {limits[-1]}; "
                "raise row_tokens or shorten it"
            )
        which = np.searchsorted(limits, lengths - 1)
        self._buckets = [
            _Bucket(token_set, config, int(limit), np.flatnonzero(which == index))
            for index, limit in enumerate(limits)
            if (which == index).any()
        ]
        self._turns: list[tuple[int, int]] = []

    @property
    def num_batches(self) -> int:
        """How many batches make one pass over the data, roughly."""
        return max(1, round(sum(bucket.num_batches for bucket in self._buckets)))

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted over all epochs. The same step always gives the same batch."""
        while len(self._turns) <= step:
            self._turns.append(self._next_turn())
        bucket, number = self._turns[step]
        return self._buckets[bucket].batch(number)

    def _next_turn(self) -> tuple[int, int]:
        """(bucket, its own batch number): the bucket that is furthest behind its share comes next."""
        given = [0] * len(self._buckets)
        if self._turns:
            given = [self._given(index) for index in range(len(self._buckets))]
        progress = [(given[i] + 1) / bucket.num_batches for i, bucket in enumerate(self._buckets)]
        chosen = progress.index(min(progress))
        return chosen, given[chosen]

    def _given(self, bucket: int) -> int:
        return next((number + 1 for each, number in reversed(self._turns) if each == bucket), 0)


class _Bucket:
    """The documents that share a row length."""

    def __init__(
        self, token_set: TokenSet, config: PackingConfig, row_tokens: int, documents: npt.NDArray[np.int64]
    ) -> None:
        self._set = token_set
        self._documents = documents
        self._row_tokens = row_tokens
        self._num_rows = max(1, config.batch_tokens // row_tokens)
        self._seed = config.seed
        self._lengths = np.maximum(np.asarray(token_set.lengths) - 1, 1)
        self._open_epoch(0)
        # Every epoch counts as many rows as the first, so that a row's number alone tells its epoch.
        self._rows_per_epoch = len(self._rows)

    @property
    def num_batches(self) -> float:
        return self._rows_per_epoch / self._num_rows

    def batch(self, number: int) -> Batch:
        rows = [self._row(row) for row in range(number * self._num_rows, (number + 1) * self._num_rows)]
        return Batch(*(torch.from_numpy(np.stack(arrays)) for arrays in zip(*rows, strict=True)))

    def _row(self, number: int) -> tuple[npt.NDArray[np.int64], ...]:
        epoch, index = divmod(number, self._rows_per_epoch)
        if epoch != self._epoch:
            self._open_epoch(epoch)
        return self._fill(self._rows[index % len(self._rows)])

    def _open_epoch(self, epoch: int) -> None:
        rng = np.random.default_rng((self._seed, self._row_tokens, epoch))
        order = rng.permutation(self._documents)
        rows: list[list[int]] = []
        for start in range(0, len(order), _WINDOW):
            rows += best_fit(order[start : start + _WINDOW], self._lengths, self._row_tokens)
        self._rows = [rows[index] for index in rng.permutation(len(rows))]
        self._epoch = epoch

    def _fill(self, documents: list[int]) -> tuple[npt.NDArray[np.int64], ...]:
        length = self._row_tokens
        tokens, targets = np.zeros(length, np.int64), np.full(length, _NO_TARGET, np.int64)
        mask, positions = np.zeros(length, np.int64), np.zeros(length, np.int64)
        at = 0
        for document in documents:
            start, stop = self._set.starts[document], self._set.starts[document + 1]
            count = int(stop - start) - 1
            tokens[at : at + count] = self._set.ids[start : stop - 1]
            targets[at : at + count] = self._set.ids[start + 1 : stop]
            mask[at : at + count] = self._set.mask[start + 1 : stop]
            positions[at : at + count] = np.arange(count)
            at += count
        return tokens, targets, mask, positions


def best_fit(
    documents: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], row_tokens: int
) -> list[list[int]]:
    """Longest first, each into the fullest row that still takes it: rows of document indices."""
    rows: list[list[int]] = []
    rows_by_room: list[list[int]] = [[] for _ in range(row_tokens + 1)]
    for document in sorted(documents.tolist(), key=lambda each: -int(lengths[each])):
        length = min(int(lengths[document]), row_tokens)
        room = next((room for room in range(length, row_tokens + 1) if rows_by_room[room]), None)
        if room is None:
            rows.append([])
            row, room = len(rows) - 1, row_tokens
        else:
            row = rows_by_room[room].pop()
        rows[row].append(document)
        rows_by_room[room - length].append(row)
    return rows
