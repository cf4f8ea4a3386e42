from __future__ import annotations

import random
from pathlib import Path

import pytest

from bench.fairness import SteppedEngine, gap_with, gap_without, gaps, p99, seconds_to_read
from bench.model_folder import endless_folder
from bench.peers.protocol import Batch, Job, Run
from bench.settings import Settings

LATE = Batch(jobs=(Job(prompt=(1,), num_new=9), Job(prompt=(1,), num_new=1, starts_after=3)))


def test_a_gap_counts_where_it_reaches_into_the_stretch() -> None:
    assert gaps([0.0, 1.0, 3.0, 7.0, 8.0], 2.0, 5.0) == [2.0, 4.0]
    assert gaps([0.0, 10.0], 2.0, 5.0) == [10.0]


def test_a_percentile_needs_something_to_tell_from() -> None:
    assert p99([1.0] * 200 + [9.0]) == 1.0
    assert p99([1.0] * 10 + [9.0]) > 8.0
    with pytest.raises(RuntimeError, match="1 gaps were seen"):
        p99([1.0])


def test_the_stall_of_a_long_prompt_shows_only_in_the_gap_with_it() -> None:
    stream = [1.0, 1.1, 1.2, 1.3, 5.3, 5.4]
    run = Run(wall_s=5.0, ids=[[0] * 6, [0]], times_s=[stream, [5.2]], starts_s=[0.5, 1.25])
    assert gap_without(LATE, run) == pytest.approx(100.0), "of 5.3 to 5.4 too"
    assert gap_with(LATE, run) == pytest.approx(4000.0, rel=0.02)
    assert seconds_to_read(LATE, run) == pytest.approx(3.95)


def test_a_stream_that_ends_too_early_makes_the_figure_void() -> None:
    run = Run(wall_s=5.0, ids=[[0] * 3, [0]], times_s=[[1.0, 1.1, 1.2], [5.2]], starts_s=[0.5, 1.1])
    with pytest.raises(RuntimeError, match="ended before the long prompt was read"):
        gap_with(LATE, run)


def test_our_streams_run_on_until_a_late_prompt_is_read(tmp_path: Path) -> None:
    folder = endless_folder(None, tmp_path / "model", is_quick=True)
    engine = SteppedEngine(folder, Settings(is_quick=True))
    rng = random.Random(0)
    # However busy the machine is, each step reads two tokens of the prompt: it is read in 160 steps.
    early = [Job(prompt=tuple(rng.choices(range(20, 60), k=8)), num_new=400) for _ in range(2)]
    late = Job(prompt=tuple(rng.choices(range(20, 60), k=300)), num_new=1, starts_after=5)
    run = engine.run(Batch(jobs=(*early, late)))
    assert len(run.times_s[2]) == 1
    assert all(run.starts_s[2] >= times_s[4] for times_s in run.times_s[:2])
    ends_s = run.times_s[2][0]
    assert all(len(times_s) < 400 for times_s in run.times_s[:2])
    assert all(sum(time_s > ends_s for time_s in times_s) >= 5 for times_s in run.times_s[:2])
