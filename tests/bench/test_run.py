from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.measure import Figure, interleaved
from bench.run import PARTS

ROOT = Path(__file__).parent.parent.parent


def test_a_ratio_is_taken_repeat_by_repeat() -> None:
    figure = Figure(name="n", unit="u", ours=[2.0, 9.0, 4.0], peer="p", peers=[1.0, 3.0, 4.0])
    body = figure.as_json()
    assert (body["ratio"], body["ratio_range"]) == (2.0, [1.0, 3.0])


def test_a_figure_without_a_peer_has_no_ratio() -> None:
    assert "ratio" not in Figure(name="n", unit="u", ours=[1.0]).as_json()


def test_contenders_take_turns_and_the_first_round_does_not_count() -> None:
    calls: list[str] = []

    def contender(name: str) -> float:
        calls.append(name)
        return float(len(calls))

    assert interleaved(2, lambda: contender("a"), lambda: contender("b")) == [[3.0, 5.0], [4.0, 6.0]]
    assert calls == ["a", "b"] * 3


def test_a_shorter_time_is_a_higher_ratio_and_a_single_value_of_the_peer_serves_all_repeats() -> None:
    figure = Figure(name="n", unit="s", ours=[1.0, 2.0, 4.0], peer="p", peers=[8.0], is_inverse=True)
    body = figure.as_json()
    assert (body["ratio"], body["ratio_range"], body["peer_repeats"]) == (4.0, [2.0, 8.0], 1)


@pytest.mark.parametrize(
    ("at_least", "at_most", "wanted", "holds"),
    [
        (2.0, None, ">= 2", True),
        (2.1, None, ">= 2.1", False),
        (None, 2.0, "<= 2", True),
        (None, 1.9, "<= 1.9", False),
    ],
)
def test_a_wanted_ratio_holds_or_does_not(
    at_least: float | None, at_most: float | None, wanted: str, holds: bool
) -> None:
    figure = Figure(name="n", unit="u", ours=[4.0], peer="p", peers=[2.0], at_least=at_least, at_most=at_most)
    body = figure.as_json()
    assert (body["wanted"], body["holds"]) == (wanted, holds)


def test_nothing_is_said_to_hold_where_no_peer_took_part() -> None:
    assert "holds" not in Figure(name="n", unit="u", ours=[1.0], at_least=1.0).as_json()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_interrupted_leaves_nothing_behind(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "bench.run", "--quick", "--no-peers", "--only", "server"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as run:
        part = child_of(run)
        run.send_signal(number)
        assert run.stderr is not None
        # Both hold the pipe until they have ended.
        run.stderr.read()
        with pytest.raises(ProcessLookupError):
            os.kill(part, 0)
    assert run.returncode == (128 + number if number == signal.SIGTERM else -number)


def child_of(process: subprocess.Popen[bytes]) -> int:
    """The first process that another one has started, once it has."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not (found := children.read_text().split()):
        assert process.poll() is None
        time.sleep(0.01)
    return int(found[0])


@pytest.mark.parametrize(
    ("at_least", "at_most", "holds"),
    [(4.0, None, True), (4.1, None, False), (None, 4.0, True), (None, 3.9, False), (None, 0.0, False)],
)
def test_a_value_that_is_compared_with_nothing_can_be_wanted_itself(
    at_least: float | None, at_most: float | None, holds: bool
) -> None:
    figure = Figure(
        name="n", unit="u", ours=[1.0, 4.0, 9.0], at_least=at_least, at_most=at_most, is_absolute=True
    )
    assert figure.holds is holds


def test_every_part_has_its_row_on_the_page() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert {part for part in PARTS if f"`{part}`" in "".join(rows)} == set(PARTS)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_smoke_run_of_every_part_ends_in_one_json_line() -> None:
    command = [sys.executable, "-m", "bench.run", "--quick", "--no-peers"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert [part["part"] for part in report["parts"]] == list(PARTS)
    assert all(part["figures"] for part in report["parts"])
