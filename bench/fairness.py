"""The longest waits between two tokens of running streams, while a long prompt is read.

Enters: a folder. Leaves: figures: the 99th percentile of the gaps over all streams, with the prompt beside
without it. The engine is stepped here by hand, so that each token's time is that of its own step; through
HTTP, tokens that come fast are sent together. Read next: `cancelling.py`.
"""

from __future__ import annotations

import itertools
import random
import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from bench.contest import OURS, Contest, Standing, beside, hold, native_build, random_prompt, words
from bench.measure import Figure
from bench.peers.protocol import Batch, Job, Recorder, Run
from bench.settings import Settings
from caesura.engine import EngineConfig, SequenceRequest, load
from caesura.engine.loading import build_core
from caesura.messages.request import Sampling

_NUM_STREAMS = 8
_NUM_PROMPT = 64
# `build_engine` gives models of nano's size one thread.
_OUR_THREADS = 1


class SteppedEngine:
    """The engine without its thread."""

    name = OURS

    def __init__(self, folder: Path, settings: Settings) -> None:
        torch.set_num_threads(settings.threads or _OUR_THREADS)
        self._core = build_core(load(folder), EngineConfig(native=native_build()))

    def run(self, batch: Batch) -> Run:
        """The late jobs to their ends, the others some tokens on: what they take without the prompt, as long
        as they have grown meanwhile.
        """
        recorder = Recorder(batch)
        sequences: dict[int, int] = {}
        waiting = dict(enumerate(batch.jobs))
        is_late = [job.starts_after is not None for job in batch.jobs]
        while not _is_over(recorder, batch, is_late):
            for number in _due(waiting, recorder):
                sequences[self._add(waiting.pop(number), batch.temperature)] = number
                recorder.start(number)
            if not self._core.has_work:
                raise RuntimeError("the streams ended before the long prompt was read; the figure is void")
            for report in self._core.step():
                recorder.put(sequences[report.sequence], [0])
        self._core.cancel_all()
        return recorder.run()

    def _add(self, job: Job, temperature: float) -> int:
        prepared = self._core.prepare(
            SequenceRequest(
                prompt=job.prompt, max_tokens=job.num_new, sampling=Sampling(temperature=temperature)
            )
        )
        self._core.add(prepared)
        return prepared.sequence.id


def _due(waiting: dict[int, Job], recorder: Recorder) -> list[int]:
    written = recorder.num_written
    return [number for number, job in waiting.items() if written >= (job.starts_after or 0)]


def _is_over(recorder: Recorder, batch: Batch, is_late: Sequence[bool]) -> bool:
    """Whether every late job is done and every other one has since written as many tokens as before."""
    end_s, num_after = 0.0, 0
    for job, is_one, times_s in zip(batch.jobs, is_late, recorder.times_s, strict=True):
        if is_one and len(times_s) < job.num_new:
            return False
        end_s = max(end_s, times_s[-1] if is_one else 0.0)
        num_after = max(num_after, job.starts_after or 0)
    others = (times_s for is_one, times_s in zip(is_late, recorder.times_s, strict=True) if not is_one)
    return all(len(times_s) > num_after and times_s[-num_after] > end_s for times_s in others)


def gaps(times_s: Sequence[float], start_s: float, end_s: float) -> list[float]:
    """The waits between neighbouring tokens that reach into a stretch of time."""
    return [b - a for a, b in itertools.pairwise(times_s) if b > start_s and a < end_s]


def _gaps_after(times_s: Sequence[float], start_s: float) -> list[float]:
    return [b - a for a, b in itertools.pairwise(times_s) if a >= start_s]


def p99(values: Sequence[float]) -> float:
    """The value that one in a hundred exceeds. Raises RuntimeError if there is too little to tell."""
    if len(values) < 2:
        raise RuntimeError(f"{len(values)} gaps were seen; the streams must run while the prompt is read")
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def gap_without(batch: Batch, run: Run) -> float:
    """Milliseconds, from when all streams have begun until the long prompt comes, and from its first token
    on: streams take longer as they grow.
    """
    early = run.times_s[:-1]
    start_s = max(times_s[0] for times_s in early)
    before = [gap for times_s in early for gap in gaps(times_s, start_s, run.starts_s[-1])]
    return 1e3 * p99(before + [gap for times_s in early for gap in _gaps_after(times_s, run.times_s[-1][0])])


def gap_with(batch: Batch, run: Run) -> float:
    """Milliseconds, from when the long prompt comes until its first token."""
    early, end_s = run.times_s[:-1], run.times_s[-1][0]
    if any(times_s[-1] < end_s for times_s in early):
        raise RuntimeError("a stream ended before the long prompt was read; the figure is void")
    return 1e3 * p99([gap for times_s in early for gap in gaps(times_s, run.starts_s[-1], end_s)])


def seconds_to_read(batch: Batch, run: Run) -> float:
    """Seconds that the long prompt took to its first token."""
    return run.times_s[-1][0] - run.starts_s[-1]


def measure_fairness(folder: Path, settings: Settings) -> list[Figure]:
    """Eight streams, and a prompt that comes in between."""
    long, room, before = (512, 400, 8) if settings.is_quick else (32_000, 8000, 128)
    contest = Contest(
        folder=folder,
        peers=("llama.cpp", "vLLM"),
        context=long + 64,
        streams=_NUM_STREAMS + 1,
        keeps_prefixes=True,
        jobs=partial(_streams_and_prompt, words(folder), long, room, before),
        settings=settings,
    )
    ours = SteppedEngine(folder, settings)
    without, during, reading = hold(contest, ours, gap_without, gap_with, seconds_to_read)
    name = f"p99 gap of {_NUM_STREAMS} streams while {long:,} tokens are read"
    own = Figure(
        name=f"{name}, over the gap without",
        unit="ms",
        ours=during.values[OURS],
        peer="without",
        peers=without.values[OURS],
        at_most=4.0,
    )
    itself = "; ".join(_own_ratios(without, during))
    return [
        own,
        *beside(during, name=name, unit="ms", is_inverse=True, note=itself),
        *beside(
            reading, name=f"{long:,} tokens read beside {_NUM_STREAMS} streams", unit="s", is_inverse=True
        ),
    ]


def _own_ratios(without: Standing, during: Standing) -> list[str]:
    """Each peer's gap with the prompt over its own gap without."""
    medians = {
        name: (statistics.median(without.values[name]), statistics.median(values))
        for name, values in during.values.items()
        if name != OURS
    }
    return [f"{name} itself: {a:.1f} ms without, {b:.1f} with" for name, (a, b) in medians.items()]


def _streams_and_prompt(vocabulary: range, long: int, room: int, before: int, rng: random.Random) -> Batch:
    streams = [
        Job(prompt=random_prompt(rng, vocabulary, _NUM_PROMPT), num_new=room) for _ in range(_NUM_STREAMS)
    ]
    late = Job(prompt=random_prompt(rng, vocabulary, long), num_new=1, starts_after=before)
    return Batch(jobs=(*streams, late))
