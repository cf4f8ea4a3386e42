"""An event loop on which waiting takes no time: its clock goes on when nothing else is to be done.

So a test can say how long things take, however busy the machine is. Only for what stays in this process and
on this thread: nothing that comes from a socket or another thread is waited for.
Enters: a coroutine. Leaves: its result.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class _Selector(selectors.SelectSelector):
    """Waits for nothing, and tells how long it would have."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everything waits for something that cannot come"
            self.waited_s += max(0.0, timeout)
        return ready


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._waiting = _Selector()
        super().__init__(self._waiting)

    def time(self) -> float:
        # A little more than was waited, so that a timer is due when it was waited for.
        return self._waiting.waited_s + 1e-9


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """What the coroutine returns, however long it would have taken."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(coroutine)
