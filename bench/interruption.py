"""How a program that has started others is told to end: it ends them on the way out.

Enters: signals. Leaves: exceptions, at moments that suit. Read next: `part_process.py`.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


def end_in_order() -> None:
    """From now on SIGTERM and SIGHUP raise SystemExit, as SIGINT raises KeyboardInterrupt."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _exit)


def _exit(number: int, _: FrameType | None) -> NoReturn:
    # Who asks twice must not interrupt the way out.
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


@contextmanager
def undisturbed() -> Generator[None]:
    """What raises an exception waits until this ends: a process that is just being started has no name yet by
    which it could be ended.
    """
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    raising = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in raising:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in raising.items():
            signal.signal(number, handler)
    for number in came:
        signal.raise_signal(number)
