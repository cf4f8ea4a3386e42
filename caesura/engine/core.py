"""One step after another: the engine without its thread.

Enters: sequence requests and cancellations. Leaves: after each step, a report for every sequence that has
something to say; exactly one report of a sequence carries its `Finished`. Ids are parsed here, so a stop
sequence ends its sequence in the step in which it appears. A step that cannot be computed raises; a
sequence whose new id cannot be dealt with ends as failed, and the others' reports are none the worse.
Read next: `engine.py`, which runs this on a thread of its own.
"""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections.abc import Callable
from collections.abc import Sequence as Items
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from caesura.engine.constraint import BitBlock, Keeper
from caesura.engine.page_keys import page_keys, root_key
from caesura.engine.phases import Move, PhaseMachine, PhaseState, phase_machine
from caesura.engine.prefix_cache import PrefixCache
from caesura.engine.runner import Runner
from caesura.engine.sampler import Draw, MaskTable, draw
from caesura.engine.scheduler import Load, Scheduler, SchedulerConfig, StepPlan
from caesura.engine.sequence import FinishReason, Sequence, SequenceRequest
from caesura.engine.tail_warming import TailWarmer, run_to_the_end
from caesura.messages.errors import InvalidRequestError
from caesura.messages.events import Event
from caesura.messages.response import Usage
from caesura.tokens.chat_format import ChatFormat
from caesura.tokens.cited_parser import ReplyParser, reply_parser

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The one terminal event of a sequence.

    reason: why it ended; "window" where the context window, not `max_tokens`, was the limit; "tool_use" where
        it ended behind a call.
    stop_sequence: the stop sequence that matched, if one did.
    usage: exact and final.
    output: the ids after the prompt.
    is_forced: for each of them, whether it was forced.
    log_probs: for each of them, its log-probability; empty unless asked for, 0 where forced.
    """

    reason: FinishReason
    stop_sequence: str | None
    usage: Usage
    output: tuple[int, ...]
    is_forced: tuple[bool, ...]
    log_probs: tuple[float, ...]


class Report(NamedTuple):
    """What one step brought one sequence: block events, and its end if it has come."""

    sequence: int
    events: list[Event]
    finished: Finished | None


class Prepared(NamedTuple):
    """A sequence with what interprets its ids.

    sequence, machine, keeper, parser: see there.

    told: events that are older than the sequence's first step (what `PhaseMachine.begin` forced).
    max_output: `max_tokens`, or what the window leaves if that is less.
    num_cached_estimate: prompt tokens in memory at present; those in lower tiers not counted, and pages
        may come and go before the sequence starts.
    """

    sequence: Sequence
    machine: PhaseMachine
    keeper: Keeper
    parser: ReplyParser
    told: list[Event]
    max_output: int
    num_cached_estimate: int = 0

    @property
    def usage_estimate(self) -> Usage:
        """The prompt's usage by that estimate. Only its sum is final; nothing is written yet."""
        usage = replace(self.sequence, num_cached=self.num_cached_estimate).usage
        return replace(usage, output_tokens=0, thinking_tokens=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStats:
    """What the engine is doing, in numbers.

    num_running, num_waiting: sequences.
    num_pages, num_free_pages: of the pool.
    num_kept_pages: pages that nobody uses at present, kept for whoever shares their prefix.
    num_retained_pages: pages that were asked to be retained.
    num_spills: sequences that had to give their pages back, since the start. num_evicted_pages: kept pages
        that left memory. num_loaded_pages: pages read from lower tiers. num_recomputed_tokens: tokens that
        had been computed before.
    num_steps: since the start.
    num_prompt_tokens, num_cached_tokens, num_output_tokens: of finished sequences, since the start; the
        second is the part of the first that was at hand.
    num_warmed_tokens: computed ahead of any request, while there was none (see `tail_warming.py`); none of
        them is among the others.
    """

    num_running: int
    num_waiting: int
    num_pages: int
    num_free_pages: int
    num_kept_pages: int
    num_retained_pages: int
    num_spills: int
    num_evicted_pages: int
    num_loaded_pages: int
    num_recomputed_tokens: int
    num_steps: int
    num_prompt_tokens: int
    num_cached_tokens: int
    num_output_tokens: int
    num_warmed_tokens: int

    @property
    def num_used_pages(self) -> int:
        """Pages that sequences hold; several may hold the same one."""
        return self.num_pages - self.num_free_pages - self.num_kept_pages


class EngineCore:
    """Scheduler, runner, phase machines and parsers, wired. Not safe for several threads."""

    def __init__(
        self,
        runner: Runner,
        cache: PrefixCache,
        chat_format: ChatFormat,
        table: MaskTable,
        *,
        max_positions: int,
        config: SchedulerConfig,
        identity: bytes = b"",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """max_positions: the model's context window; the pool's size if that is less.

        identity: what keys and values depend on beside the ids (see `page_keys.py`).
        clock: seconds that never go back.
        """
        self.max_positions = min(max_positions, cache.pool.num_tokens)
        self._identity = identity
        self._clock = clock
        self._runner = runner
        self._format = chat_format
        self._table = table
        self._scheduler = Scheduler(cache, config)
        self._live: dict[int, Prepared] = {}
        self._bits = BitBlock(config.max_running, table.num_words)
        self._next_ids = itertools.count()
        self._num_steps = self._num_prompt_tokens = self._num_cached_tokens = self._num_output_tokens = 0
        # To be run by whoever runs the steps, and only while there are none.
        self.warmer = TailWarmer(
            cache,
            partial(run_to_the_end, runner),
            identity=identity,
            sequence_ids=self._next_ids,
            clock=clock,
        )

    @property
    def has_work(self) -> bool:
        """Whether a step would do anything."""
        return self._scheduler.has_work

    @property
    def num_waiting(self) -> int:
        """The length of the queue."""
        return len(self._scheduler.waiting)

    @property
    def waiting_by_tenant(self) -> dict[str, int]:
        """How many wait of each tenant that has any. Safe on any thread."""
        return self._scheduler.waiting.sizes()

    def check(self, request: SequenceRequest) -> None:
        """Raise InvalidRequestError for a request that leaves no room for an answer."""
        # A prompt that is only computed may fill the window; one that is answered leaves a token's room.
        longest = self.max_positions - (1 if request.max_tokens else 0)
        if len(request.prompt) > longest:
            raise InvalidRequestError(f"prompt is too long: {len(request.prompt)} tokens > {longest} maximum")
        room = min(request.max_tokens, self.max_positions - len(request.prompt))
        if request.opening == "think" and request.max_tokens and room < 2:
            raise InvalidRequestError("thinking needs room for at least 2 output tokens, there is room for 1")

    def prepare(self, request: SequenceRequest) -> Prepared:
        """A sequence ready to be queued. Safe on any thread. Raises as `check` does."""
        self.check(request)
        max_output = min(request.max_tokens, self.max_positions - len(request.prompt))
        tokens = self._format.phase_tokens
        machine = phase_machine(
            tokens,
            budget_tokens=request.budget_tokens,
            max_tokens=max_output,
            calls=request.constraint.calls,
        )
        parser = reply_parser(
            lambda stops: self._format.parser(
                request.opening,
                stop_sequences=stops,
                is_continued=request.is_continued,
                is_verbatim=request.constraint.answer is not None and not request.sources,
                may_call=request.constraint.calls.is_offered,
            ),
            request.sources,
            request.stop_sequences,
        )
        # With no room for output there is nothing to force either.
        move = machine.begin(request.opening) if max_output else Move(PhaseState("start"), ())
        page_size = self._scheduler.cache.pool.page_size
        root = root_key(self._identity, request.tenant)
        keys = page_keys(root, request.prompt, page_size)
        sequence = Sequence(
            id=next(self._next_ids),
            request=request,
            seed=secrets.randbits(64) if request.sampling.seed is None else request.sampling.seed,
            ids=list(request.prompt),
            phase=move.state,
            page_size=page_size,
            root=root,
            keys=list(keys),
        )
        told = [event for token in move.forced for event in _force(sequence, parser, token)]
        num_known = len(self._scheduler.cache.tree.match(keys)) * page_size
        estimate = min(num_known, (len(request.prompt) - 1) // page_size * page_size)
        keeper = Keeper(request.constraint, tokens)
        keeper.enter(move.state)
        return Prepared(sequence, machine, keeper, parser, told, max_output, estimate)

    def add(self, prepared: Prepared) -> None:
        """Queue a sequence. If that fails, there is none."""
        self._scheduler.add(prepared.sequence, self._clock())
        self._live[prepared.sequence.id] = prepared

    def cancel(self, sequence: int) -> Report | None:
        """Stop a sequence and free its pages now; None if it has ended already."""
        return self._end(sequence, "cancelled") if sequence in self._live else None

    def fail_running(self) -> list[Report]:
        """End every sequence that holds pages: the step that they shared has failed. If it failed before
        any did, end those that wait.
        """
        failed = [sequence.id for sequence in self._scheduler.running or self._scheduler.waiting]
        return [self._end(sequence, "failed") for sequence in failed]

    def cancel_all(self) -> list[Report]:
        """End everything."""
        reports: list[Report] = []
        for sequence in list(self._live):
            try:
                reports.append(self._end(sequence, "cancelled"))
            except Exception:  # one that cannot be accounted for must not keep the others
                log.exception("a sequence could not be ended; it is forgotten")
                self._live.pop(sequence, None)
        return reports

    def step(self, when_admitted: Callable[[Items[int]], None] | None = None) -> list[Report]:
        """Compute one step and give every sequence that sampled, or has nothing to sample, its report.

        when_admitted: told, before anything is computed, which sequences have left the queue.
        """
        now = self._clock()
        plan = self._scheduler.plan(now)
        if plan.admitted and when_admitted is not None:
            when_admitted(plan.admitted)
        for load in plan.loads:
            self._load(load, now)
        self._num_steps += 1
        if not plan.rows:
            return []
        started = self._clock()
        output = self._runner.run(plan)
        sampling = [self._live[sequence] for sequence in output.sequences]
        # A graphics card still computes the logits while the grammars are asked here.
        draws = [self._draw_of(live, number) for number, live in enumerate(sampling)]
        wants_log_probs = any(live.sequence.request.wants_log_probs for live in sampling)
        drawn = draw(
            output.logits_RV,
            draws,
            self._table,
            bits_RW=self._bits.bits_GW,
            wants_log_probs=wants_log_probs,
        )
        # Before any page is kept. This waits for a graphics card, so the step's time is its own, too.
        spoilt = [self._end_spoilt(sequence) for sequence in output.spoilt()]
        self._scheduler.commit(plan, elapsed_s=self._clock() - started, now=now)
        log_probs = drawn.log_probs or [None] * len(sampling)
        rows = zip(sampling, drawn.ids, log_probs, drawn.is_sound, strict=True)
        reports = [self._advance_or_fail(*row) for row in rows if row[0].sequence.id in self._live]
        return spoilt + reports + self._end_warmed(plan)

    def _draw_of(self, live: Prepared, number: int) -> Draw:
        """What a row wants. number: of the row of bits that its grammar, if there is one, writes to."""
        sequence, state = live.sequence, live.sequence.phase
        return Draw(
            sequence.request.sampling,
            live.machine.mask(state.phase, has_grammar=live.keeper.is_armed),
            sequence.seed,
            state.num_output,
            live.keeper.allow(self._bits.rows[number]),
            sequence.request.scores_masked,
        )

    def stats(self) -> EngineStats:
        """The numbers as they stand."""
        cache = self._scheduler.cache
        pool = cache.pool
        return EngineStats(
            num_running=len(self._scheduler.running),
            num_waiting=len(self._scheduler.waiting),
            num_pages=pool.num_pages,
            num_free_pages=pool.num_free,
            num_kept_pages=cache.tree.num_idle,
            num_retained_pages=cache.tree.num_retained,
            num_spills=self._scheduler.num_spills,
            num_evicted_pages=cache.num_evicted,
            num_loaded_pages=cache.num_loaded,
            num_recomputed_tokens=self._scheduler.num_recomputed_tokens,
            num_steps=self._num_steps,
            num_prompt_tokens=self._num_prompt_tokens,
            num_cached_tokens=self._num_cached_tokens,
            num_output_tokens=self._num_output_tokens,
            num_warmed_tokens=self.warmer.num_tokens,
        )

    def _load(self, load: Load, now: float) -> None:
        started = self._clock()
        num_read = self._scheduler.load(load, now)
        self._scheduler.pace.learn_load(num_read, self._clock() - started)

    def _end_warmed(self, plan: StepPlan) -> list[Report]:
        """End the sequences that wanted their prompt computed and nothing else."""
        computed = [self._live[row.sequence].sequence for row in plan.rows if row.sequence in self._live]
        return [
            self._end(sequence.id, "max_tokens")
            for sequence in computed
            if not sequence.request.max_tokens and not sequence.num_pending
        ]

    def _end_spoilt(self, sequence: int) -> Report:
        log.warning("a prompt or reply cannot be computed in this dtype (not finite); its sequence is ended")
        return self._end(sequence, "failed")

    def _advance_or_fail(self, live: Prepared, token: int, log_prob: float | None, is_sound: bool) -> Report:
        if not is_sound:
            return self._end_spoilt(live.sequence.id)
        if live.keeper.is_broken:
            return self._end(live.sequence.id, "failed")
        try:
            return self._advance(live, token, log_prob)
        except Exception:  # whatever went wrong, rows that ended in this step must be reported
            log.exception("an id could not be dealt with; its sequence is ended")
            return self._end(live.sequence.id, "failed")

    def _advance(self, live: Prepared, token: int, log_prob: float | None) -> Report:
        """Append a sampled token and whatever is forced behind it; end the sequence if that is its end."""
        sequence, parser = live.sequence, live.parser
        events = [*live.told, *_append(sequence, parser, token, is_forced=False, log_prob=log_prob or 0.0)]
        live.told.clear()
        move = live.machine.advance(sequence.phase, token)
        for forced in move.forced:
            events += _force(sequence, parser, forced)
        sequence.phase = move.state
        live.keeper.advance(token, move.state)
        if not _is_over(live):
            return Report(sequence.id, events, None)
        # What was held back is told first: it can complete a stop sequence, which is then the reason.
        events += parser.finish()
        return Report(sequence.id, events, self._finish(live, _finish_reason(live)))

    def _end(self, sequence: int, reason: FinishReason) -> Report:
        return Report(sequence, [], self._finish(self._live[sequence], reason))

    def _finish(self, live: Prepared, reason: FinishReason) -> Finished:
        sequence = live.sequence
        self._scheduler.finish(sequence, reason, self._clock())
        del self._live[sequence.id]
        self._num_prompt_tokens += sequence.num_prompt
        self._num_cached_tokens += sequence.num_cached
        self._num_output_tokens += sequence.phase.num_output
        return Finished(
            reason=reason,
            stop_sequence=live.parser.stop_sequence,
            usage=sequence.usage,
            output=tuple(sequence.output),
            is_forced=tuple(sequence.is_forced),
            log_probs=tuple(sequence.log_probs),
        )


def _force(sequence: Sequence, parser: ReplyParser, token: int) -> list[Event]:
    return _append(sequence, parser, token, is_forced=True, log_prob=0.0)


def _append(
    sequence: Sequence, parser: ReplyParser, token: int, *, is_forced: bool, log_prob: float
) -> list[Event]:
    sequence.ids.append(token)
    sequence.is_forced.append(is_forced)
    if sequence.request.wants_log_probs:
        sequence.log_probs.append(log_prob)
    return parser.feed(token)


def _is_over(live: Prepared) -> bool:
    state = live.sequence.phase
    has_stopped = live.parser.stop_sequence is not None or state.phase == "done"
    return has_stopped or state.num_output >= live.max_output


def _finish_reason(live: Prepared) -> FinishReason:
    if live.parser.stop_sequence is not None:
        return "stop_sequence"
    if live.sequence.phase.phase == "done":
        return "tool_use" if live.sequence.phase.num_calls else "end"
    return "max_tokens" if live.max_output == live.sequence.request.max_tokens else "window"
