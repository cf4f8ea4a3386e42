"""Documents into rows of one length, without a document seeing its neighbour.

Enters: a `TokenSet`. Leaves: batches of tokens, targets, mask and positions, each a pure function of the
step's number: resuming a run needs no more than that number. Shapes: B rows, T tokens. Read next: `loop.py`.
"""

from __future__ import annotations

import bisect
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

    tokens_BT: ids. targets_BT: the id that follows each. mask_BT: how often each target counts, 0 or 1
    but for `lead_targets`.
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
    row_tokens: the row lengths on offer, ascending; a long document opens the shortest row that holds
        it, because attention over a row costs its length squared, and short ones fill the gaps.
    seed: of the shuffle; each pass over the data is shuffled anew.
    lead_targets: how many targets at the beginning of each reply count more; plain text has no replies.
    lead_weight: how often each of them counts. What a reply is decides itself in its first tokens (whether
        it declines, which tool it calls), and those would drown in the many that follow.
    """

    batch_tokens: int = 8192
    row_tokens: tuple[int, ...] = (256,)
    seed: int = 0
    lead_targets: int = 0
    lead_weight: int = 1

    def __post_init__(self) -> None:
        if self.lead_targets < 0 or self.lead_weight < 1:
            raise ValueError(
                f"lead_targets {self.lead_targets} must be at least 0 and lead_weight {self.lead_weight} at "
                "least 1: what is learnt counts once or more"
            )


class Packer:
    """Batches by number. A document longer than the longest row is an error, named by its index."""

    def __init__(self, token_set: TokenSet, config: PackingConfig) -> None:
        lengths = np.asarray(token_set.lengths)
        longest = int(lengths.argmax())
        if lengths[longest] > config.row_tokens[-1] + 1:
            raise DataError(
                f"document {longest} has {lengths[longest]} tokens, more than a row of "
                f"{config.row_tokens[-1]}; raise row_tokens or shorten it"
            )
        self._set = token_set
        self._config = config
        self._lengths = np.maximum(lengths - 1, 1)
        self._epoch = self._batches(0)
        self._epoch_number = 0
        self._starts = [0, len(self._epoch)]

    @property
    def num_batches(self) -> int:
        """How many batches make the first pass over the data."""
        return self._starts[1]

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted over all passes. The same step always gives the same batch."""
        while step >= self._starts[-1]:
            self._open_epoch(len(self._starts) - 1)
            self._starts.append(self._starts[-1] + len(self._epoch))
        number = bisect.bisect_right(self._starts, step) - 1
        if number != self._epoch_number:
            self._open_epoch(number)
        row_tokens, rows = self._epoch[step - self._starts[number]]
        filled = [self._fill(row, row_tokens) for row in rows]
        return Batch(*(torch.from_numpy(np.stack(arrays)) for arrays in zip(*filled, strict=True)))

    def _open_epoch(self, number: int) -> None:
        self._epoch, self._epoch_number = self._batches(number), number

    def _batches(self, epoch: int) -> list[tuple[int, list[list[int]]]]:
        """Every document once; a batch that rows do not fill is filled up with empty ones."""
        rng = np.random.default_rng((self._config.seed, epoch))
        order = rng.permutation(len(self._set))
        rows: dict[int, list[list[int]]] = {limit: [] for limit in self._config.row_tokens}
        for start in range(0, len(order), _WINDOW):
            for limit, row in best_fit(
                order[start : start + _WINDOW], self._lengths, self._config.row_tokens
            ):
                rows[limit].append(row)
        batches: list[tuple[int, list[list[int]]]] = []
        for limit, ready in rows.items():
            size = max(1, self._config.batch_tokens // limit)
            shuffled = [ready[index] for index in rng.permutation(len(ready))]
            shuffled += [[]] * (-len(shuffled) % size)
            batches += [(limit, shuffled[at : at + size]) for at in range(0, len(shuffled), size)]
        return [batches[index] for index in rng.permutation(len(batches))]

    def _fill(self, documents: list[int], length: int) -> tuple[npt.NDArray[np.int64], ...]:
        tokens, targets = np.zeros(length, np.int64), np.full(length, _NO_TARGET, np.int64)
        mask, positions = np.zeros(length, np.int64), np.zeros(length, np.int64)
        at = 0
        for document in documents:
            start, stop = self._set.starts[document], self._set.starts[document + 1]
            count = int(stop - start) - 1
            tokens[at : at + count] = self._set.ids[start : stop - 1]
            targets[at : at + count] = self._set.ids[start + 1 : stop]
            mask[at : at + count] = weights(self._set.mask[start + 1 : stop], self._config)
            positions[at : at + count] = np.arange(count)
            at += count
        return tokens, targets, mask, positions


def weights(is_learnt: npt.NDArray[np.bool_], config: PackingConfig) -> npt.NDArray[np.int64]:
    """How often each target of a document counts. A reply is a stretch that is learnt behind one that is not:
    plain text is learnt from its first target on, and has no lead.
    """
    counts = is_learnt.astype(np.int64)
    is_start = np.diff(counts, prepend=1) > 0
    is_lead = is_start.copy()
    for step in range(1, config.lead_targets):
        is_lead[step:] |= is_start[:-step]
    if config.lead_targets:
        counts[is_lead & is_learnt] = config.lead_weight
    return counts


def best_fit(
    documents: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], limits: tuple[int, ...]
) -> list[tuple[int, list[int]]]:
    """Longest first, each into the fullest row that still takes it; where there is none, into a new row of
    the shortest length that does. Rows as (row length, document indices).
    """
    rows: list[tuple[int, list[int]]] = []
    rows_by_room: list[list[int]] = [[] for _ in range(limits[-1] + 1)]
    for document in sorted(documents.tolist(), key=lambda each: -int(lengths[each])):
        length = int(lengths[document])
        room = next((room for room in range(length, limits[-1] + 1) if rows_by_room[room]), None)
        if room is None:
            room = next(limit for limit in limits if limit >= length)
            rows.append((room, []))
            row = len(rows) - 1
        else:
            row = rows_by_room[room].pop()
        rows[row][1].append(document)
        rows_by_room[room - length].append(row)
    return rows
