"""Hundreds of streams at once for minutes, many of which are abandoned, and what the server is like after.

A real `caesura serve` with a pool that is too small for all of them, so requests wait, pages are evicted, and
some come back from disk. Then everything must add up: every stream that was not abandoned has ended in
exactly one way, no page is held for nobody, and memory has not grown since the pool was full.
Enters: a folder. Leaves: figures. Read next: `soak_stream.py`, `serving.py`.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.fairness import p99
from bench.measure import Figure
from bench.serving import Server, running
from bench.settings import Settings
from bench.soak_requests import Ask, Asks
from bench.soak_stream import Outcome, stream

_MAX_GROWTH_PERCENT = 5.0
# Longer than the whole backlog takes, on any machine.
_PATIENCE_S = 1800.0
_IDLE_S = 60.0
# Who was turned away asks again, but not at once.
_AGAIN_S = 1.0
_SAMPLE_S = 1.0
# Each client has a socket; the rest is for this process itself.
_SPARE_FILES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """One run.

    num_streams: at any moment. share_leaving: of clients, those that leave before the end.
    max_pause_s: the longest that one of them waits without any reply.
    duration_s: for how long those that have ended are replaced.
    settled_s: when memory should have reached its plateau. last_s: the time at the end that this is
        compared with.
    kv_memory: of the server's pool, as its option takes it.
    """

    num_streams: int
    share_leaving: float
    max_pause_s: float = 10.0
    duration_s: float
    settled_s: float
    last_s: float
    kv_memory: str = "96MB"

    @property
    def words(self) -> str:
        """For the table."""
        return f"{self.num_streams} streams for {self.duration_s:g} s, {self.share_leaving:.0%} abandoned"


CROWD = Soak(num_streams=500, share_leaving=0.5, duration_s=120.0, settled_s=60.0, last_s=20.0)
PATIENT = Soak(num_streams=200, share_leaving=0.2, duration_s=180.0, settled_s=60.0, last_s=20.0)
SHORT = Soak(num_streams=64, share_leaving=0.5, duration_s=60.0, settled_s=40.0, last_s=15.0)
TINY = Soak(
    num_streams=12, share_leaving=0.5, max_pause_s=0.2, duration_s=3.0, settled_s=1.5, last_s=1.0,
    kv_memory="1MB",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The server's memory at a moment. at_s: since the first request."""

    at_s: float
    num_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of it.

    soak: see there. outcomes: one a request. wall_s: from the first request to the last reply.
    samples: of the server's memory meanwhile. idle_bytes: the same once there was nothing left to do.
    before, after: what its engine says of itself, idle.
    """

    soak: Soak
    outcomes: Sequence[Outcome]
    wall_s: float
    samples: Sequence[Sample]
    idle_bytes: int
    before: dict[str, int]
    after: dict[str, int]

    def count(self, ending: str) -> int:
        """How many requests ended so."""
        return sum(outcome.ending == ending for outcome in self.outcomes)

    @property
    def num_lost_pages(self) -> int:
        """Pages that are neither free nor kept for whoever comes next, though nobody runs."""
        return self.after["num_pages"] - self.after["num_free_pages"] - self.after["num_kept_pages"]

    @property
    def growth_percent(self) -> float:
        """Of memory, from when it should have settled to the end."""
        settled, last = self._plateau()
        return 100.0 * (last / settled - 1.0)

    def figures(self) -> list[Figure]:
        """The rows of the table."""
        return [self._finished(), self._faulty(), *self._first(), self._rate(), self._growth(), self._lost()]

    def _finished(self) -> Figure:
        lengths = [outcome.num_prompt for outcome in self.outcomes if outcome.num_prompt]
        return Figure(
            name=f"{self.soak.words}: requests that finished",
            unit="requests",
            ours=[float(self.count("finished"))],
            note=f"of {len(self.outcomes)}; {self.count('left')} were abandoned, "
            f"{self.count('refused')} refused{self._details('refused')}; "
            f"prompts of {min(lengths, default=0)} to {max(lengths, default=0)} tokens",
        )

    def _faulty(self) -> Figure:
        return Figure(
            name=f"{self.soak.words}: that ended in no way, in more than one, or in a fault of the server's",
            unit="streams",
            ours=[float(self.count("faulty"))],
            at_most=0.0,
            is_absolute=True,
            note=self._details("faulty").strip(": "),
        )

    def _details(self, ending: str) -> str:
        kinds = Counter(outcome.detail for outcome in self.outcomes if outcome.ending == ending)
        return "".join(f": {number} x {kind}" for kind, number in kinds.most_common())

    def _first(self) -> Iterator[Figure]:
        times_s = [outcome.first_s for outcome in self.outcomes if outcome.first_s is not None]
        if len(times_s) < 2:
            return
        for name, value in (("median", statistics.median(times_s)), ("99th percentile", p99(times_s))):
            yield Figure(
                name=f"{self.soak.words}: first token, {name}, queue included", unit="s", ours=[value]
            )

    def _rate(self) -> Figure:
        names = ("num_prompt_tokens", "num_cached_tokens", "num_output_tokens")
        read, cached, written = (self.after[name] - self.before[name] for name in names)
        return Figure(
            name=f"{self.soak.words}: tokens written, all together",
            unit="tokens/s",
            ours=[written / self.wall_s],
            note=f"beside {(read - cached) / self.wall_s:,.0f} tokens/s of prompts computed and "
            f"{cached / self.wall_s:,.0f} found in the cache, over {self.wall_s:.0f} s",
        )

    def _growth(self) -> Figure:
        settled, last = self._plateau()
        return Figure(
            name=f"{self.soak.words}: growth of the server's memory from {self.soak.settled_s:g} s to the "
            f"last {self.soak.last_s:g} s",
            unit="%",
            ours=[self.growth_percent],
            at_most=_MAX_GROWTH_PERCENT,
            is_absolute=True,
            note=f"{self.samples[0].num_bytes / 1e6:,.0f} MB at the start, {settled / 1e6:,.0f}, "
            f"{last / 1e6:,.0f}; {self.idle_bytes / 1e6:,.0f} idle",
        )

    def _lost(self) -> Figure:
        after = self.after
        return Figure(
            name=f"{self.soak.words}: pages that are not accounted for afterwards",
            unit="pages",
            ours=[float(self.num_lost_pages)],
            at_most=0.0,
            is_absolute=True,
            note=f"{after['num_free_pages']} free + {after['num_kept_pages']} kept of {after['num_pages']}; "
            f"{after['num_running']} running, {after['num_waiting']} waiting; "
            f"{after['num_evicted_pages']} were evicted, {after['num_loaded_pages']} read from disk; "
            f"{after['num_spills']} sequences had to give theirs back",
        )

    def _plateau(self) -> tuple[float, float]:
        """Bytes when memory should have settled, and at the end."""
        soak, half_s = self.soak, self.soak.last_s / 2
        return self._around(soak.settled_s, half_s), self._around(soak.duration_s - half_s, half_s)

    def _around(self, at_s: float, within_s: float) -> float:
        """The median of the samples around a moment; of the nearest one if a busy machine left none."""
        near = [each.num_bytes for each in self.samples if abs(each.at_s - at_s) <= within_s]
        nearest = min(self.samples, key=lambda each: abs(each.at_s - at_s))
        return statistics.median(near or [nearest.num_bytes])


def measure_soak(folder: Path, settings: Settings) -> list[Figure]:
    """A smoke run, a short one, or both long ones, each with a server of its own."""
    soaks = (TINY,) if settings.is_quick else (CROWD, PATIENT) if settings.is_long else (SHORT,)
    figures: list[Figure] = []
    for number, soak in enumerate(soaks):
        figures += run_soak(folder, folder.with_name(f"soak-{number}"), soak, settings).figures()
    return figures


def run_soak(folder: Path, state: Path, soak: Soak, settings: Settings) -> Report:
    """One run on a server of its own, which writes to `state`."""
    asks = Asks(folder, share_leaving=soak.share_leaving, max_pause_s=soak.max_pause_s)
    with running(folder, state, settings, ("--kv-memory", soak.kv_memory)) as server:
        # After the server has started, which keeps the limit that it has everywhere.
        _raise_file_limit(soak.num_streams + _SPARE_FILES)
        before = server.numbers()
        samples: list[Sample] = []
        start_s = time.monotonic()
        outcomes = asyncio.run(_crowd(server, soak, asks, samples))
        wall_s = time.monotonic() - start_s
        after = _numbers_idle(server)
        return Report(
            soak=soak,
            outcomes=outcomes,
            wall_s=wall_s,
            samples=samples,
            idle_bytes=_memory(server),
            before=before,
            after=after,
        )


async def _crowd(server: Server, soak: Soak, asks: Asks, samples: list[Sample]) -> list[Outcome]:
    """All clients, until each of the last ones has ended too."""
    until_s = asyncio.get_running_loop().time() + soak.duration_s
    watcher = asyncio.create_task(_watch(server, samples))
    clients = (_client(server.port, asks.of(number), until_s) for number in range(soak.num_streams))
    try:
        outcomes = await asyncio.gather(*clients)
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher
    return [outcome for each in outcomes for outcome in each]


async def _client(port: int, asks: Iterator[Ask], until_s: float) -> list[Outcome]:
    """One request after the other."""
    outcomes: list[Outcome] = []
    while asyncio.get_running_loop().time() < until_s:
        outcomes.append(await stream(port, next(asks), patience_s=_PATIENCE_S))
        if outcomes[-1].ending in ("refused", "faulty"):
            await asyncio.sleep(_AGAIN_S)
    return outcomes


async def _watch(server: Server, samples: list[Sample]) -> None:
    clock = asyncio.get_running_loop().time
    start_s = clock()
    while True:
        samples.append(Sample(at_s=clock() - start_s, num_bytes=_memory(server)))
        await asyncio.sleep(_SAMPLE_S)


def _memory(server: Server) -> int:
    return psutil.Process(server.pid).memory_info().rss


def _numbers_idle(server: Server) -> dict[str, int]:
    """The engine's numbers once it has nothing left to do, or after so long that it should have."""
    give_up_at_s = time.monotonic() + _IDLE_S
    while True:
        numbers = server.numbers()
        is_idle = not (numbers["num_running"] or numbers["num_waiting"])
        if is_idle or time.monotonic() > give_up_at_s:
            return numbers
        time.sleep(0.1)


def _raise_file_limit(wanted: int) -> None:
    """Raises RuntimeError if the system does not allow it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise RuntimeError(f"{wanted} open files are needed, and the system allows {hard}")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
