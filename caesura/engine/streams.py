"""Where a sequence's news goes: to an event loop, or to a thread that waits.

Enters: what each step brought, from the engine's thread. Leaves: an async iterator, or whole
completions. Read next: `engine.py`.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from caesura.engine.core import Finished
from caesura.messages.errors import ApiError
from caesura.messages.events import Event
from caesura.messages.response import Usage

News = Event | Finished | ApiError


class Receiver(NamedTuple):
    """Who is told, and on which event loop; None: at once, on the engine's thread.

    when_admitted: told when the sequence leaves the queue; None: nobody asks.
    """

    loop: asyncio.AbstractEventLoop | None
    receive: Callable[[Sequence[News]], None]
    when_admitted: Callable[[], None] | None = None


class Stream:
    """The news of one sequence: block events, then one `Finished`; an ApiError is raised.

    It is to be read on the event loop that submitted it. Closing it cancels the sequence.
    usage: of the prompt, as far as it was known when the sequence was submitted.
    """

    def __init__(self, cancel: Callable[[], None], usage: Usage) -> None:
        self._cancel = cancel
        self.usage = usage
        self._news: deque[News] = deque()
        self._arrival = asyncio.Event()
        self._is_over = False

    def receive(self, news: Sequence[News]) -> None:
        """What a step brought."""
        self._news.extend(news)
        self._arrival.set()

    @property
    def unread(self) -> tuple[News, ...]:
        """What has come and was not read yet."""
        return tuple(self._news)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be read."""
        return self._is_over

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Event | Finished:
        if self._is_over:
            raise StopAsyncIteration
        while not self._news:
            self._arrival.clear()
            await self._arrival.wait()
        news = self._news.popleft()
        self._is_over = isinstance(news, Finished | ApiError)
        if isinstance(news, ApiError):
            raise news
        return news

    def close(self) -> None:
        """Cancel the sequence, if it has not ended."""
        if not self._is_over:
            self._is_over = True
            self._cancel()

    async def cut(self) -> Usage | None:
        """Cancel the sequence and wait until the engine has done so. What it had taken; None if it failed."""
        self.close()
        while not (self._news and isinstance(self._news[-1], Finished | ApiError)):
            self._arrival.clear()
            await self._arrival.wait()
        last = self._news[-1]
        return last.usage if isinstance(last, Finished) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A whole generation.

    events: its block events, in order.
    finished: how it ended, with its ids.
    """

    events: tuple[Event, ...]
    finished: Finished


class Gathering:
    """Several sequences that one thread waits for."""

    def __init__(self, count: int) -> None:
        self._news: list[list[News]] = [[] for _ in range(count)]
        self._num_open = count
        self._is_done = threading.Event()

    def receiver(self, index: int) -> Receiver:
        """Where the news of one of them goes."""
        return Receiver(None, partial(self._receive, index))

    def wait(self) -> list[Completion]:
        """Block until all have ended. Raises ApiError if one failed."""
        self._is_done.wait()
        return [_completion(news) for news in self._news]

    def _receive(self, index: int, news: Sequence[News]) -> None:
        self._news[index] += news
        if isinstance(news[-1], Finished | ApiError):
            self._num_open -= 1
            if not self._num_open:
                self._is_done.set()


def _completion(news: list[News]) -> Completion:
    last = news[-1]
    if isinstance(last, ApiError):
        raise last
    assert isinstance(last, Finished)
    events = tuple(each for each in news[:-1] if not isinstance(each, Finished | ApiError))
    return Completion(events=events, finished=last)
