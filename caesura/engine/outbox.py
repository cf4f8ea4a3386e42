"""What waits to be handed over, and for how long.

Handing over costs both sides: it wakes the event loop, which then keeps the engine's thread from running
Python. So deltas wait for each other, and those of one block become one. They wait only for so long, and
whatever is not a delta (a block that opens or closes, an end, a failure) leaves at once and takes along
what waits. A first token opens a block, so it never waits.

Enters: news by receiver, from the engine's thread. Leaves: for each receiver its news in order, when it is
time. Read next: `engine.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from caesura.engine.streams import News, Receiver
from caesura.messages.events import TextDelta, ThinkingDelta, merge_deltas

Told = tuple[Receiver, list[News]]


class Outbox:
    """News of many receivers. Not safe for several threads."""

    def __init__(self, *, max_wait_s: float, clock: Callable[[], float]) -> None:
        """max_wait_s: between two times that deltas leave; 0: none waits. clock: seconds."""
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._waiting: dict[Receiver, list[News]] = {}
        self._is_urgent = False
        self._due_at_s = clock()

    def put(self, receiver: Receiver, news: Sequence[News]) -> None:
        """Add what one receiver is to be told."""
        if not news:
            return
        self._waiting.setdefault(receiver, []).extend(news)
        self._is_urgent |= not all(isinstance(each, TextDelta | ThinkingDelta) for each in news)

    def take_due(self) -> list[Told]:
        """Everything, if it is time; else nothing."""
        if not self._waiting:
            return []
        now_s = self._clock()
        if not self._is_urgent and now_s < self._due_at_s:
            return []
        told: list[Told] = [(receiver, merge_deltas(news)) for receiver, news in self._waiting.items()]
        self._waiting.clear()
        self._is_urgent = False
        self._due_at_s = now_s + self._max_wait_s
        return told
