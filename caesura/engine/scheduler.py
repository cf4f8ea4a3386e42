"""Which tokens are computed in the next step. Integers only; no clock, no tensor, no randomness.

Every sequence has ids whose keys and values are not computed yet: one if it is decoding, several if it
is a prompt, a preempted sequence or has just been forced. One of them is a decode row, several are cut
into chunks that fit the step's token budget. Sequences are served in the order of arrival. A prompt is
admitted when all of it fits beside one more page for everyone who runs; when pages run out, the youngest
gives its pages back and is computed anew later, its sampled tokens kept.
Enters: sequences. Leaves: an immutable `StepPlan`. Read next: `runner.py`, which carries it out.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from caesura.engine.pages import PagePool
from caesura.engine.sequence import FinishReason, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerConfig:
    """Limits of a step.

    max_running: the most sequences that hold pages at once.
    max_step_tokens: the most tokens in a step; more than `max_running`, so that prompts advance too.
    """

    max_running: int = 128
    max_step_tokens: int = 512

    def __post_init__(self) -> None:
        if not 0 < self.max_running < self.max_step_tokens:
            raise ValueError(
                f"max_running {self.max_running} must be positive and below "
                f"max_step_tokens {self.max_step_tokens}, or prompts would starve"
            )


class Row(NamedTuple):
    """What one sequence computes in a step.

    sequence: its id.
    start: the position of the first token.
    tokens: the ids to compute.
    pages: the pages of the sequence, which reach beyond the last token.
    is_sampled: whether the last token's logits are wanted.
    """

    sequence: int
    start: int
    tokens: tuple[int, ...]
    pages: tuple[int, ...]
    is_sampled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan:
    """One step: decode rows (one token each), then chunks.

    rows: in the order in which they lie in the batch.
    num_decode: how many of them, from the first on, are decode rows.
    """

    rows: tuple[Row, ...]
    num_decode: int


class Scheduler:
    """The queue, the running sequences, and their claim on the pages."""

    def __init__(self, pool: PagePool, config: SchedulerConfig) -> None:
        self.pool = pool
        self.config = config
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self.num_preemptions = 0

    @property
    def has_work(self) -> bool:
        """Whether anything waits or runs."""
        return bool(self.waiting or self.running)

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence that, at its longest, fits into the pool."""
        self.waiting.append(sequence)

    def plan(self) -> StepPlan:
        """The next step. Pages are taken here; nothing else changes until `commit`."""
        self._grow()
        self._admit()
        decode: list[Row] = []
        pending: list[Sequence] = []
        for sequence in self.running:
            if len(sequence.ids) - sequence.num_computed == 1:
                decode.append(_row(sequence, 1))
            else:
                pending.append(sequence)
        chunks = self._chunks(pending, self.config.max_step_tokens - len(decode))
        return StepPlan(rows=(*decode, *chunks), num_decode=len(decode))

    def commit(self, plan: StepPlan) -> None:
        """The step is done: its tokens are computed."""
        computed = {row.sequence: len(row.tokens) for row in plan.rows}
        for sequence in self.running:
            sequence.num_computed += computed.get(sequence.id, 0)

    def finish(self, sequence: Sequence, reason: FinishReason) -> None:
        """Take a sequence out, whether it waits or runs, and free its pages."""
        if sequence.status == "running":
            self.running.remove(sequence)
        elif sequence.status == "waiting":
            self.waiting.remove(sequence)
        self._free(sequence)
        sequence.status, sequence.finish_reason = "finished", reason

    def _grow(self) -> None:
        """Give every running sequence pages for all its ids, the eldest first."""
        position = 0
        while position < len(self.running):
            sequence = self.running[position]
            wanted = self.pool.pages_for(len(sequence.ids)) - len(sequence.pages)
            while wanted > self.pool.num_free and sequence.status == "running":
                self._preempt_youngest()
            if sequence.status == "running" and wanted > 0:
                sequence.pages += self.pool.take(wanted)
            position += 1

    def _preempt_youngest(self) -> None:
        sequence = self.running.pop()
        self._free(sequence)
        sequence.num_computed = 0
        sequence.status = "waiting"
        self.waiting.appendleft(sequence)
        self.num_preemptions += 1

    def _admit(self) -> None:
        while self.waiting and len(self.running) < self.config.max_running:
            sequence = self.waiting[0]
            wanted = self.pool.pages_for(len(sequence.ids))
            # One page more for each runner, or the newcomer would be preempted as soon as they grow.
            if wanted + len(self.running) > self.pool.num_free:
                return
            self.waiting.popleft()
            sequence.pages = self.pool.take(wanted)
            sequence.status = "running"
            self.running.append(sequence)

    def _chunks(self, pending: list[Sequence], budget: int) -> list[Row]:
        """A long prompt takes at most half of a step that others wait for."""
        share = budget if len(pending) == 1 else -(-budget // 2)
        rows: list[Row] = []
        for sequence in pending:
            size = min(len(sequence.ids) - sequence.num_computed, share, budget)
            if size == 0:
                break
            rows.append(_row(sequence, size))
            budget -= size
        return rows

    def _free(self, sequence: Sequence) -> None:
        self.pool.release(sequence.pages)
        sequence.pages = []


def _row(sequence: Sequence, size: int) -> Row:
    start = sequence.num_computed
    stop = start + size
    return Row(
        sequence.id,
        start,
        tuple(sequence.ids[start:stop]),
        tuple(sequence.pages),
        stop == len(sequence.ids),
    )
