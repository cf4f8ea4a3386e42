"""Works on message batches, between what somebody waits for.

While nobody waits for a reply, several lines run at once. While somebody does, no further line begins, but
for a single one when none has begun for a while, so that a server that is never quiet gets on too. Batches
take turns, line by line. A line whose failure is ours, or comes of too much work, is tried again later.
Enters: a store, and a function that answers a line. Leaves: outcomes in the store. Read next: `batches.py`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from caesura.server.batch_rows import Batch, Line, Outcome
from caesura.server.batch_store import BatchStore
from caesura.server.traffic import Traffic

logger = logging.getLogger(__name__)

_FETCHED_LINES = 32


class Answer(NamedTuple):
    """What came of a line.

    outcome, result: see `Line`. may_retry: whether another try could end better.
    """

    outcome: Outcome
    result: str
    may_retry: bool = False


AnswerLine = Callable[[Batch, Line], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPolicy:
    """How eagerly batches are worked on.

    max_running: lines at a time, while nobody waits for a reply.
    patience_s: how long a server that is never quiet keeps batches waiting before one more line begins.
    max_tries: of a line whose failure is not its own. retry_s: between the first two; then twice as long.
    lease_s: after which another server takes over from one that was killed.
    tidy_s: between two looks for results that are too old.
    """

    max_running: int = 8
    patience_s: float = 30.0
    max_tries: int = 4
    retry_s: float = 2.0
    lease_s: float = 30.0
    tidy_s: float = 3_600.0


class _Work:
    """A batch that is being worked on."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.fetched: deque[Line] = deque()
        self.last_fetched = -1
        self.is_fetched = False
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def is_done(self) -> bool:
        """Whether every line has been dealt with."""
        return self.is_fetched and not self.fetched and not self.tasks


class BatchRunner:
    """One worker, on one event loop."""

    def __init__(
        self,
        store: BatchStore,
        answer: AnswerLine,
        traffic: Traffic,
        policy: BatchPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """clock: seconds that never go back."""
        self._store = store
        self._answer = answer
        self._traffic = traffic
        self._policy = policy or BatchPolicy()
        self._clock = clock
        self._holder = secrets.token_hex(8)
        self._work: dict[str, _Work] = {}
        self._turns: deque[str] = deque()
        self._wake = asyncio.Event()
        self._is_stale = True
        self._begun_s = clock()
        traffic.when_quiet(self._wake.set)

    def wake(self) -> None:
        """There is something new in the store."""
        self._is_stale = True
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled. Lines that are not answered by then are left for the next who works."""
        tidying = asyncio.create_task(self._keep_tidy())
        try:
            while True:
                self._wake.clear()
                await self._advance()
                try:
                    # `wait_for` of Python 3.11 can lose a cancellation that comes as it is done.
                    async with asyncio.timeout(self._pause_s()):
                        await self._wake.wait()
                except TimeoutError:
                    self._is_stale = True
        finally:
            tasks = [tidying, *(task for work in self._work.values() for task in work.tasks)]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.shield(asyncio.to_thread(self._store.release, self._holder))

    async def _advance(self) -> None:
        try:
            while self._is_stale or await self._begin_next():
                if self._is_stale:
                    await self._refresh()
        except Exception:  # the database may be away for a while; batches must outlive that
            logger.exception("batches could not be worked on; they are tried again in a while")

    def _pause_s(self) -> float:
        """A lease is renewed long before it runs out."""
        return min(self._policy.lease_s / 3, self._policy.patience_s)

    async def _refresh(self) -> None:
        """Take in what is new, let go of what is over, and renew the leases."""
        self._is_stale = False
        lease_ms = round(self._policy.lease_s * 1000)
        held = await asyncio.to_thread(self._store.claim, self._holder, lease_ms)
        for batch in held:
            if batch.id not in self._work:
                self._work[batch.id] = _Work(batch)
                self._turns.append(batch.id)
            self._work[batch.id].batch = batch
        for lost in self._work.keys() - {batch.id for batch in held}:
            await self._let_go(lost)
        for work in list(self._work.values()):
            await self._end_if_over(work)

    async def _end_if_over(self, work: _Work) -> None:
        is_expired = work.batch.expires_ms <= self._store.now_ms()
        if work.is_done or is_expired or work.batch.cancel_ms is not None:
            await self._let_go(work.batch.id)
            unfinished = "canceled" if work.batch.cancel_ms is not None else "expired"
            await asyncio.to_thread(self._store.end, work.batch, unfinished)

    async def _let_go(self, batch_id: str) -> None:
        """Stop what runs of a batch."""
        work = self._work.pop(batch_id)
        self._turns.remove(batch_id)
        tasks = list(work.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _begin_next(self) -> bool:
        """Begin one line, if there is room and one to begin."""
        if not self._has_room():
            return False
        for _ in range(len(self._turns)):
            work = self._work[self._turns[0]]
            self._turns.rotate(-1)
            line = await self._next_line(work)
            if line is not None:
                self._begin(work, line)
                return True
            if work.is_done:
                self._is_stale = True
                return True
        return False

    def _has_room(self) -> bool:
        num_running = sum(len(work.tasks) for work in self._work.values())
        if self._traffic.is_quiet:
            return num_running < self._policy.max_running
        return not num_running and self._clock() - self._begun_s >= self._policy.patience_s

    async def _next_line(self, work: _Work) -> Line | None:
        if not work.fetched and not work.is_fetched:
            fetched = await asyncio.to_thread(
                self._store.lines,
                work.batch.id,
                after=work.last_fetched,
                limit=_FETCHED_LINES,
                is_pending=True,
            )
            work.fetched.extend(fetched)
            work.is_fetched = len(fetched) < _FETCHED_LINES
            work.last_fetched = fetched[-1].position if fetched else work.last_fetched
        return work.fetched.popleft() if work.fetched else None

    def _begin(self, work: _Work, line: Line) -> None:
        self._begun_s = self._clock()
        task = asyncio.create_task(self._run_line(work.batch, line))
        work.tasks.add(task)
        task.add_done_callback(lambda _: self._note_end(work, task))

    def _note_end(self, work: _Work, task: asyncio.Task[None]) -> None:
        work.tasks.discard(task)
        self._is_stale = self._is_stale or work.is_done
        self._wake.set()

    async def _run_line(self, batch: Batch, line: Line) -> None:
        answer = await self._tried(batch, line)
        writing = asyncio.ensure_future(self._write(batch, line, answer))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            # What is answered is noted even if its batch is cancelled meanwhile: it is paid for.
            await writing
            raise

    async def _write(self, batch: Batch, line: Line, answer: Answer) -> None:
        for number in range(1, self._policy.max_tries + 1):
            try:
                finish = self._store.finish
                await asyncio.to_thread(finish, batch.id, line.position, answer.outcome, answer.result)
                return
            except Exception:  # the database may be away for a while
                logger.exception("an outcome of %s could not be written (try %d)", batch.id, number)
                await asyncio.sleep(self._policy.retry_s)

    async def _tried(self, batch: Batch, line: Line) -> Answer:
        pause_s = self._policy.retry_s
        for number in range(1, self._policy.max_tries + 1):
            answer = await self._answer(batch, line)
            if not answer.may_retry or number == self._policy.max_tries:
                return answer
            await asyncio.sleep(pause_s)
            pause_s *= 2
        raise AssertionError("the last try is always returned")

    async def _keep_tidy(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._store.tidy)
            except Exception:
                logger.exception("old batches could not be tidied away; it is tried again later")
            await asyncio.sleep(self._policy.tidy_s)
