"""The HTTP soak's command line: bounded in streams and in time."""

from __future__ import annotations

import pytest

from bench.http_soak import options, soak_of


def test_it_runs_as_long_and_as_wide_as_is_said() -> None:
    soak = soak_of(options().parse_args(["--streams", "50", "--seconds", "40", "--leaving", "10"]))
    assert (soak.num_streams, soak.duration_s, soak.share_leaving) == (50, 40.0, 0.1)
    assert (soak.settled_s, soak.last_s) == (20.0, 6.0)


def test_unless_told_otherwise_two_hundred_stream_for_three_minutes_and_a_fifth_leaves() -> None:
    soak = soak_of(options().parse_args([]))
    assert (soak.num_streams, soak.duration_s, soak.share_leaving) == (200, 180.0, 0.2)


@pytest.mark.parametrize(
    "words", [["--streams", "0"], ["--streams", "1001"], ["--seconds", "3601"], ["--leaving", "101"]]
)
def test_what_is_out_of_bounds_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options().parse_args(words)
    assert f"{words[1]} is not between" in capsys.readouterr().err
