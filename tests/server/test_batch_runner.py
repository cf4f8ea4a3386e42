"""Batches between what somebody waits for."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from sqlalchemy import Engine

from caesura.server.batch_rows import Batch, Line
from caesura.server.batch_runner import Answer, BatchPolicy, BatchRunner
from caesura.server.batch_store import LIFE_MS, BatchStore
from caesura.server.caller import Caller
from caesura.server.traffic import Traffic
from tests.server.clock import Clock

CALLER = Caller(tenant="t")


class CountingStore(BatchStore):
    """Knows how often somebody looked for work."""

    num_claims = 0

    def claim(self, holder: str, lease_ms: int) -> list[Batch]:
        found = super().claim(holder, lease_ms)
        self.num_claims += 1
        return found


@pytest.fixture
def store(database: Engine) -> CountingStore:
    return CountingStore(database)


def put(store: BatchStore, size: int, caller: Caller = CALLER) -> Batch:
    entries = [(f"r{number}", "{}") for number in range(size)]
    return store.create(entries, num_requests=size, caller=caller)


class Answers:
    """Answers lines when it is let to, and remembers them."""

    def __init__(self, *, is_open: bool = True, num_free: int = 0) -> None:
        """num_free: lines at the beginning that need not be let."""
        self.gate = asyncio.Event()
        self.num_free = num_free
        self.begun: list[tuple[str, int]] = []
        self.num_running = self.max_running = self.num_cancelled = 0
        self.results: dict[int, list[Answer]] = {}
        if is_open:
            self.gate.set()

    async def __call__(self, batch: Batch, line: Line) -> Answer:
        self.begun.append((batch.id, line.position))
        self.num_running += 1
        self.max_running = max(self.max_running, self.num_running)
        try:
            if line.position >= self.num_free:
                await self.gate.wait()
        except asyncio.CancelledError:
            self.num_cancelled += 1
            raise
        finally:
            self.num_running -= 1
        queue = self.results.get(line.position)
        return queue.pop(0) if queue else Answer("succeeded", f'{{"line": {line.position}}}')


@asynccontextmanager
async def running(
    store: BatchStore,
    answers: Answers,
    traffic: Traffic | None = None,
    clock: Callable[[], float] = time.monotonic,
    **chosen: float,
) -> AsyncGenerator[BatchRunner]:
    policy = BatchPolicy(**{"retry_s": 0.0, "patience_s": 60.0} | chosen)  # pyright: ignore[reportArgumentType]
    runner = BatchRunner(store, answers, traffic or Traffic(), policy, clock)
    task = asyncio.create_task(runner.run())
    try:
        yield runner
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def eventually(is_true: Callable[[], bool]) -> None:
    """However busy the machine is; what never comes true is for the timeout of every test."""
    while not is_true():
        await asyncio.sleep(0.005)


async def looked(store: CountingStore, runner: BatchRunner) -> None:
    """The runner has looked for work, and has had time to begin it."""
    for _ in range(2):
        num_claims = store.num_claims
        runner.wake()
        await eventually(lambda num_claims=num_claims: store.num_claims > num_claims)


async def ended(store: BatchStore, batch: Batch) -> Batch:
    await eventually(lambda: store.find("t", batch.id).ended_ms is not None)
    return store.find("t", batch.id)


async def test_every_line_is_answered_once(store: BatchStore) -> None:
    batch, answers = put(store, 100), Answers()
    async with running(store, answers):
        over = await ended(store, batch)
    assert (over.num_succeeded, over.num_errored) == (100, 0)
    assert sorted(position for _, position in answers.begun) == list(range(100))
    kept = store.lines(batch.id, after=-1, limit=200)
    assert [line.result for line in kept] == [f'{{"line": {number}}}' for number in range(100)]


async def test_so_many_run_at_a_time(store: BatchStore) -> None:
    batch, answers = put(store, 20), Answers(is_open=False)
    async with running(store, answers, max_running=3):
        await eventually(lambda: answers.num_running == 3)
        answers.gate.set()
        await ended(store, batch)
    assert answers.max_running == 3


async def test_a_batch_that_comes_later_is_taken_in(store: BatchStore) -> None:
    answers = Answers()
    async with running(store, answers) as runner:
        batch = put(store, 2)
        runner.wake()
        await ended(store, batch)


async def test_batches_take_turns(store: BatchStore) -> None:
    large, small = put(store, 50), put(store, 3)
    answers = Answers()
    async with running(store, answers, max_running=1):
        await ended(store, small)
        await ended(store, large)
    place = max(index for index, (name, _) in enumerate(answers.begun) if name == small.id)
    assert place <= 6


async def test_nothing_begins_while_somebody_waits(store: CountingStore) -> None:
    batch, answers, traffic = put(store, 5), Answers(is_open=False), Traffic()
    with traffic.reply():
        async with running(store, answers, traffic, max_running=2) as runner:
            await looked(store, runner)
            assert answers.begun == []
    async with running(store, answers, traffic, max_running=2) as runner:
        await eventually(lambda: answers.num_running == 2)
        with traffic.reply(), traffic.reply():
            answers.gate.set()
            await eventually(lambda: answers.num_running == 0)
            await looked(store, runner)
            assert len(answers.begun) == 2, "what ran has ended, and nothing followed it"
            answers.gate.clear()
        # The last who waited has been answered: that alone wakes the runner.
        await eventually(lambda: answers.num_running == 2)
        answers.gate.set()
        assert (await ended(store, batch)).num_succeeded == 5


async def test_a_server_that_is_never_quiet_gets_on_line_by_line(store: CountingStore) -> None:
    batch, answers, traffic, clock = put(store, 3), Answers(), Traffic(), Clock()
    with traffic.reply():
        async with running(store, answers, traffic, clock, patience_s=30) as runner:
            for number in range(1, 4):
                clock.now_s += 29
                await looked(store, runner)
                assert len(answers.begun) == number - 1, "its patience lasts a little longer"
                clock.now_s += 1
                runner.wake()
                await eventually(lambda number=number: len(answers.begun) == number)
            await ended(store, batch)


async def test_cancelling_stops_what_runs_and_keeps_what_is_answered(store: BatchStore) -> None:
    batch, answers = put(store, 10), Answers(is_open=False, num_free=3)
    async with running(store, answers, max_running=2) as runner:
        await eventually(lambda: answers.num_running == 2)
        store.cancel("t", batch.id)
        runner.wake()
        over = await ended(store, batch)
    assert (over.unfinished, over.num_succeeded) == ("canceled", 3)
    assert (answers.num_running, answers.num_cancelled, len(answers.begun)) == (0, 2, 5)


async def test_a_batch_expires_after_a_day(database: Engine) -> None:
    clock = Clock()
    store = BatchStore(database, clock)
    batch, answers = put(store, 3), Answers(is_open=False)
    async with running(store, answers, max_running=1) as runner:
        await eventually(lambda: answers.num_running == 1)
        clock.now_s += LIFE_MS / 1000
        runner.wake()
        over = await ended(store, batch)
    assert (over.unfinished, over.num_succeeded, answers.num_cancelled) == ("expired", 0, 1)


async def test_a_restart_goes_on_where_it_was(store: BatchStore) -> None:
    batch, answers = put(store, 40), Answers(is_open=False, num_free=35)
    async with running(store, answers, max_running=2):
        await eventually(lambda: answers.num_running == 2)
    done = {line.position for line in store.lines(batch.id, after=-1, limit=99) if line.outcome}
    assert done == set(range(35))
    again = Answers()
    async with running(store, again):
        over = await ended(store, batch)
    assert over.num_succeeded == 40
    assert {position for _, position in again.begun} == set(range(35, 40))


async def test_a_killed_servers_batch_is_taken_over_when_its_lease_has_run_out(database: Engine) -> None:
    clock = Clock()
    store = CountingStore(database, clock)
    batch, answers = put(store, 2), Answers()
    store.claim("killed", 30_000)
    async with running(store, answers) as runner:
        await looked(store, runner)
        assert answers.begun == []
        clock.now_s += 30
        runner.wake()
        assert (await ended(store, batch)).num_succeeded == 2


async def test_two_servers_do_not_answer_a_line_twice(store: BatchStore) -> None:
    batch, one, two = put(store, 60), Answers(), Answers()
    async with running(store, one), running(store, two):
        await ended(store, batch)
    assert Counter(position for _, position in (*one.begun, *two.begun)) == Counter(range(60))


async def test_what_may_pass_is_tried_again_and_no_more_often_than_that(store: BatchStore) -> None:
    batch, answers = put(store, 3), Answers()
    again = Answer("errored", '{"type": "errored"}', may_retry=True)
    answers.results = {0: [again, again], 1: [again] * 9, 2: [again._replace(may_retry=False)]}
    async with running(store, answers, max_tries=3):
        over = await ended(store, batch)
    tries = Counter(position for _, position in answers.begun)
    assert tries == {0: 3, 1: 3, 2: 1}
    assert (over.num_succeeded, over.num_errored) == (1, 2)


async def test_an_outcome_that_cannot_be_written_is_written_later(
    database: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    # Several threads write at once, and what is taken from a deque is taken once.
    failures = deque(["first", "second"])

    class Flaky(BatchStore):
        def finish(self, *args: object, **fields: object) -> None:
            with suppress(IndexError):
                raise OSError(f"the disk is away: {failures.popleft()}")
            super().finish(*args, **fields)  # pyright: ignore[reportArgumentType]

        def claim(self, holder: str, lease_ms: int) -> list[Batch]:
            if len(failures) == 2 and not caplog.records:
                raise OSError("the disk is away")
            return super().claim(holder, lease_ms)

    store = Flaky(database)
    batch, answers = put(store, 3), Answers()
    async with running(store, answers) as runner:
        await eventually(lambda: bool(caplog.records))
        runner.wake()
        over = await ended(store, batch)
    assert over.num_succeeded == 3
    assert len(answers.begun) == 3
    assert "could not be worked on" in caplog.text
    assert "could not be written" in caplog.text


def test_traffic_is_quiet_when_the_last_has_been_answered() -> None:
    traffic = Traffic()
    calls: list[bool] = []
    traffic.when_quiet(lambda: calls.append(traffic.is_quiet))
    with traffic.reply():
        with traffic.reply():
            assert not traffic.is_quiet
        assert calls == []
    assert calls == [True]
