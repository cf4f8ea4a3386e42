from __future__ import annotations

import pytest

from bench.contest import BEST, OURS, Agreement, Standing, beside, check_lengths, output_rate, prompt_rate
from bench.peers.protocol import Batch, Job, Run

BATCH = Batch(jobs=(Job(prompt=(1, 2, 3), num_new=2), Job(prompt=(4, 5, 6), num_new=2)))


def run(*ids: list[int], wall_s: float = 2.0) -> Run:
    return Run(wall_s=wall_s, ids=list(ids), times_s=[[] for _ in ids], starts_s=[0.0] * len(ids))


def test_rates_count_all_jobs_together() -> None:
    done = run([7, 8], [9, 9])
    assert (output_rate(BATCH, done), prompt_rate(BATCH, done)) == (2.0, 3.0)


def test_whoever_writes_less_makes_the_comparison_void() -> None:
    check_lengths("p", BATCH, run([7, 8], [9, 9]))
    with pytest.raises(RuntimeError, match=r"p wrote \[2, 1\] tokens instead of \[2, 2\]"):
        check_lengths("p", BATCH, run([7, 8], [9]))


def test_a_peer_that_computes_something_else_is_found_out() -> None:
    agreement = Agreement()
    for name, done in (
        (OURS, run([7, 1], [8, 1])),
        ("same", run([7, 2], [9, 2])),
        ("other", run([1, 1], [2, 1])),
    ):
        agreement.note(name, BATCH, done)
    assert agreement.words("same") == ["1 of 2 first ids as ours"]
    with pytest.raises(RuntimeError, match="other wrote another first id than we in 2 of 2 jobs"):
        agreement.check()


def test_samples_and_cut_streams_are_not_compared_id_by_id() -> None:
    agreement = Agreement()
    sampled = Batch(jobs=BATCH.jobs, temperature=1.0)
    cut = Batch(jobs=(*BATCH.jobs, Job(prompt=(1,), num_new=1, starts_after=1)))
    for batch in (sampled, cut):
        agreement.note(OURS, batch, run([7], [8], [9]))
        agreement.note("p", batch, run([1], [2], [3]))
    agreement.check()
    assert agreement.words("p") == []


def test_the_wanted_ratio_goes_to_the_best_peer() -> None:
    standing = Standing(
        values={OURS: [4.0], "slow": [1.0], "fast": [2.0]},
        notes={"fast": "version 2"},
        absent=["x is absent"],
    )
    slow, fast = beside(standing, name="n", unit="tokens/s", at_least={BEST: 2.0})
    assert (slow.peer, slow.wanted, slow.note) == ("slow", "", "x is absent")
    assert (fast.peer, fast.wanted, fast.note, fast.holds) == ("fast", ">= 2", "version 2", True)


def test_the_best_peer_of_times_is_the_one_that_takes_least() -> None:
    standing = Standing(values={OURS: [1.0], "slow": [8.0], "fast": [2.0]})
    slow, fast = beside(standing, name="n", unit="s", is_inverse=True, at_least={BEST: 2.0})
    assert (slow.ratios, slow.wanted) == ([8.0], "")
    assert (fast.ratios, fast.wanted) == ([2.0], ">= 2")


def test_without_any_peer_our_figure_stands_alone_with_the_reason() -> None:
    [figure] = beside(Standing(values={OURS: [4.0]}, absent=["x is absent"]), name="n", unit="s")
    assert (figure.peers, figure.note) == (None, "x is absent")
