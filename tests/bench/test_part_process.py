"""No part, and nothing that a part has started, outlives the one that waits for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bench.part_process import PartError, output_of
from tests.bench.long_part import PROGRAM

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def waiting(*words: str) -> Generator[tuple[subprocess.Popen[str], list[int]]]:
    """A process that waits for a part, once that has its peer, and the processes of the part and the peer."""
    started: list[int] = []
    with subprocess.Popen([*PROGRAM, "wait", *words], stderr=subprocess.PIPE, cwd=ROOT, text=True) as waiter:
        try:
            assert waiter.stderr is not None
            started += [int(word) for word in waiter.stderr.readline().split()]
            yield waiter, started
        finally:
            for process in [waiter.pid, *started]:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)


@pytest.mark.parametrize("state", ["busy", "idle"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_run_ends_its_part_and_the_peers_of_that(
    tmp_path: Path, number: signal.Signals, state: str
) -> None:
    with waiting("part", str(tmp_path), state) as (waiter, started):
        part, peer = started
        waiter.send_signal(number)
        assert waiter.stderr is not None
        # Both hold the pipe until they have ended.
        waiter.stderr.read()
        for process in (part, peer):
            with pytest.raises(ProcessLookupError):
                os.kill(process, 0)


def test_a_part_that_takes_too_long_is_ended() -> None:
    with pytest.raises(PartError, match="took more than 1 s"):
        output_of([sys.executable, "-c", "import signal; signal.pause()"], timeout_s=1.0)


def test_a_part_that_does_not_listen_is_killed() -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"
    with pytest.raises(PartError, match="took more than 2 s"):
        output_of([sys.executable, "-c", deaf], timeout_s=2.0, stop_s=0.5)


def test_what_a_part_prints_comes_back_unless_it_failed() -> None:
    assert output_of([sys.executable, "-c", "print('[1]')"], timeout_s=60.0) == "[1]\n"
    with pytest.raises(PartError, match="ended with exit code 3; see above"):
        output_of([sys.executable, "-c", "raise SystemExit(3)"], timeout_s=60.0)
