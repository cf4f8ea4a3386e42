"""Who waits for an answer right now, so that what can wait does.

Enters: replies, as they begin and end. Leaves: how many there are, and a call when there are none. Read next:
`batch_runner.py`, which goes by it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager


class Traffic:
    """The replies that somebody waits for."""

    def __init__(self) -> None:
        self._num_replies = 0
        self._when_quiet: list[Callable[[], None]] = []

    @property
    def is_quiet(self) -> bool:
        """Whether nobody waits."""
        return not self._num_replies

    def when_quiet(self, call: Callable[[], None]) -> None:
        """Have something called whenever the last who waited has been answered."""
        self._when_quiet.append(call)

    @contextmanager
    def reply(self) -> Generator[None]:
        """Somebody waits until this is over."""
        self._num_replies += 1
        try:
            yield
        finally:
            self._num_replies -= 1
            if self.is_quiet:
                for call in self._when_quiet:
                    call()
