"""Which tokens are computed in the next step. Integers only; no clock, no tensor, no randomness.

Every sequence has ids whose keys and values are not computed yet: one if it is decoding, several if it
is a prompt, a spilled sequence or has just been forced. One of them is a decode row, and every decode row is
in every step. What is left of the step goes to chunks: forced ids whole, then the eldest prompt and whichever
others have the least to go, as much as the decode rows can bear (`pace.py`). When pages run out, those go
that nobody holds; then the youngest sequence is spilled: its full pages stay where they can be found again,
the rest is computed anew later, its sampled tokens kept.
Enters: sequences, the time, how long steps took. Leaves: an immutable `StepPlan`. Read next: `runner.py`,
which carries it out; `fairness.py` and `admission.py`, which say who starts.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence as Items
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from caesura.engine.admission import Admission
from caesura.engine.fairness import FairQueue, Waiting
from caesura.engine.pace import Pace, chunk_work, tokens_within
from caesura.engine.prefix_cache import PrefixCache
from caesura.engine.sequence import FinishReason, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerConfig:
    """Limits of a step, and the order of the queue.

    max_running: the most sequences that hold pages at once.
    max_step_tokens: the most tokens in a step; more than `max_running`, so that prompts advance too.
    min_chunk_tokens: prompts advance by this many tokens in every step that has any, however long that takes.
    target_step_s: the longest a step with decode rows is to take for the sake of prompts.
    max_stretch: the same in relation to a step with decode rows alone; the stricter one holds.
    quantum_tokens: what a tenant's turn earns (see `fairness.py`).
    max_wait_s: who has waited for so long goes first.
    """

    max_running: int = 128
    max_step_tokens: int = 512
    min_chunk_tokens: int = 2
    target_step_s: float = 0.06
    max_stretch: float = 3.5
    quantum_tokens: int = 2048
    max_wait_s: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.max_running < self.max_step_tokens:
            raise ValueError(
                f"max_running {self.max_running} must be positive and below "
                f"max_step_tokens {self.max_step_tokens}, or prompts would starve"
            )
        if self.min_chunk_tokens < 1 or self.quantum_tokens < 1:
            raise ValueError(
                f"min_chunk_tokens {self.min_chunk_tokens} and quantum_tokens {self.quantum_tokens} must be "
                "at least 1, or prompts would starve"
            )


class Row(NamedTuple):
    """What one sequence computes in a step.

    sequence: its id.
    start: the position of the first token.
    tokens: the ids to compute.
    pages: the pages of the sequence, which reach beyond the last token. The sequence's own list, because
        there can be thousands: to be read, and only until the step ends.
    is_sampled: whether the last token's logits are wanted.
    """

    sequence: int
    start: int
    tokens: tuple[int, ...]
    pages: Items[int]
    is_sampled: bool


class Load(NamedTuple):
    """Pages that a sequence reads from a lower tier before the step is computed: at most so many."""

    sequence: int
    num_pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan:
    """One step: decode rows (one token each), then chunks.

    rows: in the order in which they lie in the batch.
    num_decode: how many of them, from the first on, are decode rows.
    loads: what is read beside them.
    admitted: the sequences that have left the queue for the first time.
    """

    rows: tuple[Row, ...]
    num_decode: int
    loads: tuple[Load, ...] = ()
    admitted: tuple[int, ...] = ()


class Scheduler:
    """The queue, the running sequences, and their claim on the pages."""

    def __init__(self, cache: PrefixCache, config: SchedulerConfig) -> None:
        self.cache = cache
        self.config = config
        self.waiting = FairQueue(quantum=config.quantum_tokens, max_wait_s=config.max_wait_s)
        self.running: list[Sequence] = []  # the eldest first
        self.pace = Pace(target_s=config.target_step_s, max_stretch=config.max_stretch)
        self.num_spills = self.num_recomputed_tokens = self.num_plans = 0
        self._admission = Admission(cache)

    @property
    def has_work(self) -> bool:
        """Whether anything waits or runs."""
        return bool(self.waiting or self.running)

    def add(self, sequence: Sequence, now: float) -> None:
        """Queue a sequence that, at its longest, fits into the pool."""
        sequence.arrived_s = now
        cost = len(sequence.ids) - len(self.cache.find(sequence)) * sequence.page_size
        self.waiting.push(Waiting(sequence=sequence, cost=cost))

    def plan(self, now: float) -> StepPlan:
        """The next step. Pages are taken here; nothing else changes until `commit`."""
        self.num_plans += 1
        self._grow(now)
        admitted = tuple(self._admit(now))
        decode: list[Row] = []
        forced: list[Sequence] = []
        prompts: list[Sequence] = []
        loading: list[Sequence] = []
        for sequence in self.running:
            if sequence.num_loadable:
                loading.append(sequence)
            elif sequence.num_pending == 1:
                decode.append(_row(sequence, 1))
            else:
                is_forced = sequence.num_computed >= max(sequence.num_prompt, sequence.num_once)
                (forced if is_forced else prompts).append(sequence)
        chunks = self._chunks(forced, prompts, len(decode))
        loads = [Load(each.id, self.pace.pages(len(decode))) for each in loading[:1]]
        return StepPlan(
            rows=(*decode, *chunks), num_decode=len(decode), loads=tuple(loads), admitted=admitted
        )

    def commit(self, plan: StepPlan, *, elapsed_s: float, now: float) -> None:
        """The step is done: its tokens are computed, which took so long."""
        chunks = plan.rows[plan.num_decode :]
        if plan.rows:
            work = sum(chunk_work(row.start, len(row.tokens)) for row in chunks)
            self.pace.learn(plan.num_decode, work, elapsed_s)
        computed = {row.sequence: len(row.tokens) for row in plan.rows}
        for sequence in self.running:
            self._advance(sequence, computed.get(sequence.id, 0), now)

    def load(self, load: Load, now: float) -> int:
        """Read pages from a lower tier; how many were read."""
        sequence = next(each for each in self.running if each.id == load.sequence)
        start = sequence.num_computed
        num_read = self.cache.load(sequence, load.num_pages, now)
        if start == sequence.num_once == sequence.num_cached:
            sequence.num_cached = _num_at_hand(sequence)
        sequence.num_once = max(sequence.num_once, sequence.num_computed)
        return num_read

    def finish(self, sequence: Sequence, reason: FinishReason, now: float) -> None:
        """Take a sequence out, whether it waits or runs; its full pages are kept for the next."""
        if sequence.status == "running":
            self.running.remove(sequence)
        elif sequence.status == "waiting":
            self.waiting.remove(sequence)
        self.cache.release(sequence, now, has_failed=reason == "failed")
        sequence.status, sequence.finish_reason = "finished", reason

    def _advance(self, sequence: Sequence, size: int, now: float) -> None:
        start, stop = sequence.num_computed, sequence.num_computed + size
        self.num_recomputed_tokens += max(0, min(stop, sequence.num_once) - start)
        sequence.num_computed = stop
        sequence.num_once = max(sequence.num_once, stop)
        self.cache.keep(sequence, now)

    def _grow(self, now: float) -> None:
        """Give every running sequence pages for all its ids, the eldest first."""
        position = 0
        while position < len(self.running):
            sequence = self.running[position]
            while not self.cache.grow(sequence, now):
                self._spill_youngest(now)
                if sequence.status != "running":
                    break
            position += 1

    def _spill_youngest(self, now: float) -> None:
        sequence = self.running.pop()
        self.cache.release(sequence, now)
        sequence.status = "waiting"
        # Its turn was paid for when it started first.
        self.waiting.push(Waiting(sequence=sequence, cost=0), is_first=True)
        self.num_spills += 1

    def _admit(self, now: float) -> list[int]:
        """Who starts now; those among them that start for the first time."""
        first: list[int] = []
        while self.waiting and len(self.running) < self.config.max_running:
            look = partial(self._admission.look, running=self.running, step=self.num_plans)
            waiting = self.waiting.pick(look, now)
            if waiting is None:
                break
            # It runs before it has pages: should they not come, it is among those that are ended.
            sequence = waiting.sequence
            sequence.status = "running"
            insort(self.running, sequence, key=lambda each: each.id)
            self._admission.start(waiting, now)
            if not sequence.num_once:
                sequence.num_cached = _num_at_hand(sequence)
            sequence.num_once = max(sequence.num_once, sequence.num_computed)
            if not sequence.was_admitted:
                sequence.was_admitted = True
                first.append(sequence.id)
        return first

    def _chunks(self, forced: list[Sequence], prompts: list[Sequence], num_decode: int) -> list[Row]:
        budget = self.config.max_step_tokens - num_decode
        rows: list[Row] = []
        for sequence in forced:
            size = min(sequence.num_pending, budget)
            if size:
                rows.append(_row(sequence, size))
                budget -= size
        if num_decode and not forced and self.pace.needs_quiet:
            return []
        sizes = self._sizes(prompts, budget, self.pace.work(num_decode + len(forced)))
        return rows + [_row(sequence, size) for sequence, size in sizes if size]

    def _sizes(self, prompts: list[Sequence], budget: int, work: float) -> list[tuple[Sequence, int]]:
        """Half of the step is the eldest prompt's; the other half goes to whoever has least to go, and the
        eldest takes what they leave.
        """
        if not prompts:
            return []
        eldest, *others = prompts
        reserved = _Rest(-(-budget // 2), work / 2)
        spare = _Rest(budget - reserved.tokens, work / 2)
        least = self.config.min_chunk_tokens
        sizes: list[tuple[Sequence, int]] = []
        for sequence in sorted(others, key=lambda each: each.num_pending):
            size = spare.size(sequence, 0 if sizes else -(-least // 2))
            if not size:
                break
            sizes.append((sequence, size))
            spare = spare.less(sequence, size)
        rest = _Rest(reserved.tokens + spare.tokens, reserved.work + spare.work)
        return [(eldest, rest.size(eldest, -(-least // 2) if sizes else least)), *sizes]


class _Rest(NamedTuple):
    """What is left of a step: tokens, and work."""

    tokens: int
    work: float

    def size(self, sequence: Sequence, least: int) -> int:
        """How large a chunk of this sequence it holds; `least` tokens whatever work they are."""
        affordable = self.tokens
        if self.work < chunk_work(sequence.num_computed, self.tokens):
            affordable = max(least, tokens_within(self.work, sequence.num_computed))
        size = min(sequence.num_pending, self.tokens, affordable)
        return size if size == sequence.num_pending else _usual(size)

    def less(self, sequence: Sequence, size: int) -> _Rest:
        """What remains beside such a chunk."""
        return _Rest(self.tokens - size, self.work - chunk_work(sequence.num_computed, size))


def _usual(size: int) -> int:
    """The size, rounded down to three binary digits: operators are prepared anew for each size."""
    return size & (0b111 << max(0, size.bit_length() - 3))


def _num_at_hand(sequence: Sequence) -> int:
    """The prompt's tokens in pages that the sequence shares, but never the whole prompt."""
    return min(sequence.num_kept, (sequence.num_prompt - 1) // sequence.page_size) * sequence.page_size


def _row(sequence: Sequence, size: int) -> Row:
    start = sequence.num_computed
    stop = start + size
    is_sampled = stop == len(sequence.ids) and sequence.request.max_tokens > 0
    return Row(sequence.id, start, tuple(sequence.ids[start:stop]), sequence.pages, is_sampled)
