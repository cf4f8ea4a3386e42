"""A reply that takes the model several passes, while it is being made: what has been taken so far.

Whoever leaves such a reply is told the sum, whether the model is at work just then or something else is.
Enters: what each pass took. Leaves: one `Usage`. Read next: `iterations.py` for the sums.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from caesura.messages.iterations import iterations_of, joined
from caesura.messages.response import Iteration, Usage

WhenCut = Callable[[Usage], None]
Kind = Literal["message", "compaction"]


class Passes:
    """The passes of one reply, one after the other."""

    def __init__(self, when_cut: WhenCut | None) -> None:
        """when_cut: of the request, see there."""
        self._when_cut = when_cut
        self._done: list[Iteration] = []
        self._is_running = False

    @property
    def usage(self) -> Usage:
        """What all passes took that have ended."""
        return joined(self._done)

    def begin(self, kind: Kind = "message") -> WhenCut | None:
        """The next pass begins; what its own request is to call when it is left."""
        self._is_running = True
        tell = self._when_cut
        if tell is None:
            return None
        return lambda usage: tell(joined([*self._done, *_told(kind, usage)]))

    def end(self, usage: Usage, kind: Kind = "message") -> None:
        """The pass has ended."""
        self._is_running = False
        self._done += _told(kind, usage)

    def fail(self) -> None:
        """The pass came to nothing."""
        self._is_running = False

    def leave(self) -> None:
        """The reply is left; the pass that runs, if one does, tells of it by itself."""
        if self._when_cut is not None and not self._is_running:
            self._when_cut(self.usage)


def _told(kind: Kind, usage: Usage) -> tuple[Iteration, ...]:
    return iterations_of(usage) if kind == "message" else (Iteration(kind=kind, usage=usage),)
