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
        self._has_told = False

    @property
    def usage(self) -> Usage:
        """What all passes took that have ended."""
        return joined(self._done)

    def begin(self, kind: Kind = "message") -> WhenCut | None:
        """The next pass begins; what its own request is to call when it is left."""
        tell = self._when_cut
        if tell is None:
            return None

        def tell_all(usage: Usage) -> None:
            self._has_told = True
            tell(joined([*self._done, *_told(kind, usage)]))

        return tell_all

    def end(self, usage: Usage, kind: Kind = "message") -> None:
        """The pass has ended."""
        self._done += _told(kind, usage)

    def leave(self) -> None:
        """The reply is left; a pass that runs has told of it by itself, unless it was only about to begin."""
        if self._when_cut is not None and self._done and not self._has_told:
            self._when_cut(self.usage)


def _told(kind: Kind, usage: Usage) -> tuple[Iteration, ...]:
    return iterations_of(usage) if kind == "message" else (Iteration(kind=kind, usage=usage),)
