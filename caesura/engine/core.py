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
from dataclasses import dataclass
from typing import NamedTuple

from caesura.engine.pages import PagePool
from caesura.engine.phases import PhaseMachine, phase_machine
from caesura.engine.runner import Runner
from caesura.engine.sampler import Draw, MaskTable, draw
from caesura.engine.scheduler import Scheduler, SchedulerConfig
from caesura.engine.sequence import FinishReason, Sequence, SequenceRequest
from caesura.messages.errors import InvalidRequestError
from caesura.messages.events import Event
from caesura.messages.response import Usage
from caesura.tokens.chat_format import ChatFormat
from caesura.tokens.parser import BlockParser

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The one terminal event of a sequence.

    reason: why it ended; "window" where the context window, not `max_tokens`, was the limit.
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

    sequence, machine, parser: see there.

    told: events that are older than the sequence's first step (what `PhaseMachine.begin` forced).
    max_output: `max_tokens`, or what the window leaves if that is less.
    """

    sequence: Sequence
    machine: PhaseMachine
    parser: BlockParser
    told: list[Event]
    max_output: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStats:
    """What the engine is doing, in numbers.

    num_running, num_waiting: sequences.
    num_pages, num_free_pages: of the pool.
    num_preemptions, num_steps: since the start.
    num_prompt_tokens, num_output_tokens: of finished sequences, since the start.
    """

    num_running: int
    num_waiting: int
    num_pages: int
    num_free_pages: int
    num_preemptions: int
    num_steps: int
    num_prompt_tokens: int
    num_output_tokens: int


class EngineCore:
    """Scheduler, runner, phase machines and parsers, wired. Not safe for several threads."""

    def __init__(
        self,
        runner: Runner,
        pool: PagePool,
        chat_format: ChatFormat,
        table: MaskTable,
        *,
        max_positions: int,
        config: SchedulerConfig,
    ) -> None:
        """max_positions: the model's context window; the pool's size if that is less."""
        self.max_positions = min(max_positions, pool.num_tokens)
        self._runner = runner
        self._format = chat_format
        self._table = table
        self._scheduler = Scheduler(pool, config)
        self._live: dict[int, Prepared] = {}
        self._next_ids = itertools.count()
        self._num_steps = self._num_prompt_tokens = self._num_output_tokens = 0

    @property
    def has_work(self) -> bool:
        """Whether a step would do anything."""
        return self._scheduler.has_work

    @property
    def num_waiting(self) -> int:
        """The length of the queue."""
        return len(self._scheduler.waiting)

    def check(self, request: SequenceRequest) -> None:
        """Raise InvalidRequestError for a request that leaves no room for an answer."""
        if len(request.prompt) >= self.max_positions:
            raise InvalidRequestError(
                f"prompt is too long: {len(request.prompt)} tokens > {self.max_positions - 1} maximum"
            )
        room = min(request.max_tokens, self.max_positions - len(request.prompt))
        if request.opening != "answer" and room < 2:
            raise InvalidRequestError("thinking needs room for at least 2 output tokens, there is room for 1")

    def prepare(self, request: SequenceRequest) -> Prepared:
        """A sequence ready to be queued. Safe on any thread. Raises as `check` does."""
        self.check(request)
        max_output = min(request.max_tokens, self.max_positions - len(request.prompt))
        tokens = self._format.phase_tokens
        machine = phase_machine(tokens, budget_tokens=request.budget_tokens, max_tokens=max_output)
        parser = self._format.parser(request.opening, stop_sequences=request.stop_sequences)
        move = machine.begin(request.opening)
        sequence = Sequence(
            id=next(self._next_ids),
            request=request,
            seed=secrets.randbits(64) if request.sampling.seed is None else request.sampling.seed,
            ids=list(request.prompt),
            phase=move.state,
        )
        told = [event for token in move.forced for event in _force(sequence, parser, token)]
        return Prepared(sequence, machine, parser, told, max_output)

    def add(self, prepared: Prepared) -> None:
        """Queue a sequence."""
        self._live[prepared.sequence.id] = prepared
        self._scheduler.add(prepared.sequence)

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
        return [self._end(sequence, "cancelled") for sequence in list(self._live)]

    def step(self) -> list[Report]:
        """Compute one step and give every sequence that sampled its report."""
        plan = self._scheduler.plan()
        output = self._runner.run(plan)
        sampling = [self._live[sequence] for sequence in output.sequences]
        draws = [_draw_of(live.sequence) for live in sampling]
        wants_log_probs = any(live.sequence.request.wants_log_probs for live in sampling)
        drawn = draw(output.logits_RV, draws, self._table, wants_log_probs=wants_log_probs)
        self._scheduler.commit(plan)
        self._num_steps += 1
        log_probs = drawn.log_probs or [None] * len(sampling)
        return [self._advance_or_fail(*each) for each in zip(sampling, drawn.ids, log_probs, strict=True)]

    def stats(self) -> EngineStats:
        """The numbers as they stand."""
        pool = self._scheduler.pool
        return EngineStats(
            num_running=len(self._scheduler.running),
            num_waiting=len(self._scheduler.waiting),
            num_pages=pool.num_pages,
            num_free_pages=pool.num_free,
            num_preemptions=self._scheduler.num_preemptions,
            num_steps=self._num_steps,
            num_prompt_tokens=self._num_prompt_tokens,
            num_output_tokens=self._num_output_tokens,
        )

    def _advance_or_fail(self, live: Prepared, token: int, log_prob: float | None) -> Report:
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
        if not _is_over(live):
            return Report(sequence.id, events, None)
        # What was held back is told first: it can complete a stop sequence, which is then the reason.
        events += parser.finish()
        return Report(sequence.id, events, self._finish(live, _finish_reason(live)))

    def _end(self, sequence: int, reason: FinishReason) -> Report:
        return Report(sequence, [], self._finish(self._live[sequence], reason))

    def _finish(self, live: Prepared, reason: FinishReason) -> Finished:
        sequence = live.sequence
        self._scheduler.finish(sequence, reason)
        del self._live[sequence.id]
        self._num_prompt_tokens += len(sequence.request.prompt)
        self._num_output_tokens += sequence.phase.num_output
        return Finished(
            reason=reason,
            stop_sequence=live.parser.stop_sequence,
            usage=sequence.usage,
            output=tuple(sequence.output),
            is_forced=tuple(sequence.is_forced),
            log_probs=tuple(sequence.log_probs),
        )


def _force(sequence: Sequence, parser: BlockParser, token: int) -> list[Event]:
    return _append(sequence, parser, token, is_forced=True, log_prob=0.0)


def _append(
    sequence: Sequence, parser: BlockParser, token: int, *, is_forced: bool, log_prob: float
) -> list[Event]:
    sequence.ids.append(token)
    sequence.is_forced.append(is_forced)
    if sequence.request.wants_log_probs:
        sequence.log_probs.append(log_prob)
    return parser.feed(token)


def _draw_of(sequence: Sequence) -> Draw:
    state = sequence.phase
    return Draw(sequence.request.sampling, state.phase, sequence.seed, state.num_output)


def _is_over(live: Prepared) -> bool:
    state = live.sequence.phase
    has_stopped = live.parser.stop_sequence is not None or state.phase == "done"
    return has_stopped or state.num_output >= live.max_output


def _finish_reason(live: Prepared) -> FinishReason:
    if live.parser.stop_sequence is not None:
        return "stop_sequence"
    if live.sequence.phase.phase == "done":
        return "end"
    return "max_tokens" if live.max_output == live.sequence.request.max_tokens else "window"
