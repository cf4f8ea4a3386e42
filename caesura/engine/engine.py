"""The engine: one thread owns the model, asyncio in front.

Enters: sequence requests, from any event loop or thread. Leaves: for each a `Stream` of block events that
ends in one `Finished`. After a step the thread hands all streams' news to their event loop in one call, if
it is time to. A failing step fails the sequences that shared it, a failure between steps all of them, and
the engine goes on: every sequence that was taken in is told its end. When nothing has come for a while, the
thread computes what next turns will begin with, until something comes.
Read next: `core.py` (a step), `outbox.py` (when it is time), `local_client.py` (the Messages API on top).
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch

from caesura.engine.core import EngineCore, EngineStats, Prepared, Report
from caesura.engine.fairness import has_place
from caesura.engine.outbox import Outbox, Told
from caesura.engine.sequence import SequenceRequest
from caesura.engine.streams import Completion, Gathering, News, Receiver, Stream
from caesura.engine.tails import TailSource
from caesura.messages.errors import ApiError, OverloadedError

log = logging.getLogger(__name__)

# Shorter than anyone sees, and still several steps of a small model.
_MAX_WAIT_S = 0.05

# A program that waits for a reply asks on sooner, a person later.
_CALM_S = 0.1

# A full queue does not empty in a second.
_FULL_RETRY_S = 5

_FAILED = "The engine failed while it computed this reply; try again"

_Batch = list[tuple[Callable[[Sequence[News]], None], list[News]]]


class _Submission(NamedTuple):
    prepared: Prepared
    receiver: Receiver


class Engine:
    """Runs an `EngineCore` on a daemon thread, which sleeps while there is nothing to do."""

    def __init__(
        self,
        core: EngineCore,
        *,
        num_threads: int | None = None,
        max_waiting: int = 1024,
        calm_s: float = _CALM_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """num_threads: of each operator; None leaves torch's own choice. max_waiting: the queue's limit; a
        tenant that has less than its share of it may go beyond (see `fairness.py`).

        calm_s: how long nothing must have come before anything is computed ahead.
        clock: seconds, by which deltas leave.
        """
        self._core = core
        self._calm_s = calm_s
        self._num_threads = num_threads
        self._max_waiting = max_waiting
        self._condition = threading.Condition()
        self._submissions: deque[_Submission] = deque()
        self._cancellations: deque[int] = deque()
        self._is_closing = False
        self._thread: threading.Thread | None = None
        self._receivers: dict[int, Receiver] = {}
        self._outbox = Outbox(max_wait_s=_MAX_WAIT_S, clock=clock)

    @property
    def max_positions(self) -> int:
        """The most tokens of prompt and output together."""
        return self._core.max_positions

    def submit(self, request: SequenceRequest, when_admitted: Callable[[], None] | None = None) -> Stream:
        """Queue a request from a running event loop. Raises ApiError for one that cannot be served.

        when_admitted: called on that loop when the request leaves the queue.
        """
        prepared = self._core.prepare(request)
        stream = Stream(partial(self.cancel, prepared.sequence.id), prepared.usage_estimate)
        receiver = Receiver(asyncio.get_running_loop(), stream.receive, when_admitted)
        self._enqueue([_Submission(prepared, receiver)], max_waiting=self._max_waiting)
        return stream

    def generate(self, requests: Sequence[SequenceRequest]) -> list[Completion]:
        """Run requests to their ends while the caller's thread waits. For evaluations and benchmarks.

        Raises ApiError if one of them cannot be served. The queue's limit does not hold here.
        """
        if not requests:
            return []
        gathering = Gathering(len(requests))
        prepared = [self._core.prepare(request) for request in requests]
        receivers = map(gathering.receiver, range(len(requests)))
        submissions = [_Submission(*each) for each in zip(prepared, receivers, strict=True)]
        self._enqueue(submissions, max_waiting=None)
        return gathering.wait()

    def cancel(self, sequence: int) -> None:
        """End a sequence before its next step. Safe on any thread, and for one that has ended."""
        with self._condition:
            self._cancellations.append(sequence)
            self._condition.notify()

    def warm(self, source: TailSource) -> None:
        """Compute a tail ahead when nothing else is to be done. Safe on any thread; nobody is told."""
        with self._condition:
            self._core.warmer.add(source)
            self._condition.notify()

    def stats(self) -> EngineStats:
        """The numbers as they stand; a step may be changing them."""
        return self._core.stats()

    def close(self) -> None:
        """End every sequence with an ApiError and join the thread."""
        with self._condition:
            self._is_closing = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join()

    def _enqueue(self, submissions: list[_Submission], *, max_waiting: int | None) -> None:
        with self._condition:
            if self._is_closing:
                raise ApiError("the engine is shut down")
            if max_waiting is not None:
                self._check_places(submissions[0].prepared.sequence.request.tenant, max_waiting)
            self._submissions.extend(submissions)
            self._condition.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="caesura-engine", daemon=True)
                self._thread.start()

    def _check_places(self, tenant: str, max_waiting: int) -> None:
        num_waiting = self._core.num_waiting + len(self._submissions)
        if num_waiting < max_waiting:
            return
        sizes = Counter(each.prepared.sequence.request.tenant for each in self._submissions)
        sizes.update(self._core.waiting_by_tenant)
        if not has_place(sizes, tenant, max_waiting):
            raise OverloadedError(
                f"Overloaded: {num_waiting} requests wait already; try again later",
                retry_after_s=_FULL_RETRY_S,
            )

    def _run(self) -> None:
        if self._num_threads is not None:
            torch.set_num_threads(self._num_threads)
        try:
            while self._wait_for_work():
                self._work()
        finally:
            # Whatever ended the thread, nobody may queue for it any more.
            self._is_closing = True
            self._end_all("the engine was shut down")

    def _work(self) -> None:
        try:
            self._take_in()
            self._step()
        except Exception:  # the thread is everyone's: it must outlive this, and nobody may wait for ever
            log.exception("the engine failed between steps; all its sequences are ended")
            self._end_all(_FAILED)

    def _wait_for_work(self) -> bool:
        """Sleep until there is something to do; False when the engine closes."""
        while not self._sleep():
            self._warm()
        return not self._is_closing

    def _sleep(self) -> bool:
        """Until there is something to do; False once it has been calm long enough to compute tails."""
        with self._condition:
            while not (self._is_wanted() or self._core.has_work):
                if not self._condition.wait(self._calm_s if self._core.warmer.has_work else None):
                    return False
            return True

    def _is_wanted(self) -> bool:
        return bool(self._is_closing or self._submissions or self._cancellations)

    def _warm(self) -> None:
        try:
            self._core.warmer.run(self._is_wanted)
        except Exception:  # what nobody asked for must not end what others will ask for
            log.exception("a tail could not be computed ahead; it is left out")

    def _take_in(self) -> None:
        """Queue what was submitted, then end what was cancelled."""
        with self._condition:
            submissions, self._submissions = self._submissions, deque()
            cancellations, self._cancellations = self._cancellations, deque()
            self._receivers |= {prepared.sequence.id: receiver for prepared, receiver in submissions}
            for prepared, _ in submissions:
                self._core.add(prepared)
        reports = [self._core.cancel(sequence) for sequence in cancellations]
        self._deliver([report for report in reports if report is not None])

    def _step(self) -> None:
        if not self._core.has_work:
            return
        try:
            reports = self._core.step(self._tell_admitted)
        except Exception:  # whatever went wrong, the engine must outlive it
            log.exception("a step failed; the sequences that shared it are ended")
            reports = self._core.fail_running()
        self._deliver(reports)

    def _tell_admitted(self, sequences: Sequence[int]) -> None:
        """Tell whoever asked, each on the event loop of its own."""
        for receiver in (self._receivers[sequence] for sequence in sequences):
            if receiver.when_admitted is not None and receiver.loop is not None:
                self._hand_over(receiver.loop, receiver.when_admitted)

    def _deliver(self, reports: list[Report]) -> None:
        """Note for every receiver what a step brought it, and tell them if it is time; a failed sequence's
        end is an error.
        """
        for report in reports:
            if report.finished is None:
                self._outbox.put(self._receivers[report.sequence], report.events)
            else:
                end = ApiError(_FAILED) if report.finished.reason == "failed" else report.finished
                self._outbox.put(self._receivers.pop(report.sequence), [*report.events, end])
        self._tell(self._outbox.take_due())

    def _end_all(self, message: str) -> None:
        """End every sequence with an error, whether or not the core can still account for it."""
        with self._condition:
            submissions, self._submissions = self._submissions, deque()
        receivers = [*self._receivers.values(), *(submission.receiver for submission in submissions)]
        self._receivers = {}
        try:
            self._core.cancel_all()
        finally:
            for receiver in receivers:
                self._outbox.put(receiver, [ApiError(message)])
            self._tell(self._outbox.take_due())

    def _tell(self, told: list[Told]) -> None:
        """With one call for each event loop."""
        batches: dict[asyncio.AbstractEventLoop | None, _Batch] = {}
        for receiver, news in told:
            batches.setdefault(receiver.loop, []).append((receiver.receive, news))
        for loop, batch in batches.items():
            if loop is None:
                _receive(batch)
            else:
                self._hand_over(loop, partial(_receive, batch))

    def _hand_over(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        try:
            loop.call_soon_threadsafe(call)
        except RuntimeError:
            log.warning("an event loop was closed while its sequences ran; they are cancelled")
            for sequence, receiver in self._receivers.items():
                if receiver.loop is loop:
                    self.cancel(sequence)


def _receive(batch: _Batch) -> None:
    for receive, news in batch:
        receive(news)
