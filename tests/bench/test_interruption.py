from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from bench.interruption import end_in_order, undisturbed

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """As a program finds them at its start, and afterwards as they were."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_who_is_asked_to_end_exits_and_a_second_time_changes_nothing(number: signal.Signals) -> None:
    end_in_order()
    with pytest.raises(SystemExit) as exit_:
        signal.raise_signal(number)
    assert exit_.value.code == 128 + number
    signal.raise_signal(number)


def test_what_was_to_be_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    end_in_order()
    with undisturbed():
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.parametrize("number", NUMBERS)
def test_an_exception_waits_until_a_process_is_started(number: signal.Signals) -> None:
    steps: list[str] = []

    def start() -> None:
        with undisturbed():
            signal.raise_signal(number)
            steps.append("started")
        steps.append("never")

    end_in_order()
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        start()
    assert steps == ["started"]


def test_without_a_signal_nothing_changes() -> None:
    end_in_order()
    before = [signal.getsignal(number) for number in NUMBERS]
    with undisturbed():
        pass
    assert [signal.getsignal(number) for number in NUMBERS] == before
