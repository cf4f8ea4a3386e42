"""Many pieces of work at once, their results in order.

Enters: items, a coroutine function, a bound. Leaves: results. Read next: `revising.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Results that wait for an earlier one keep none of the places busy, so more than the bound are begun.
_AHEAD = 4


async def in_order(
    items: Iterable[Item], work: Callable[[Item], Awaitable[Result]], *, max_at_once: int
) -> AsyncGenerator[Result]:
    """The results in the items' order, at most `max_at_once` being worked on.

    When one fails, or the caller leaves, the others are cancelled and waited for.
    """
    places = asyncio.Semaphore(max_at_once)
    begun: deque[asyncio.Task[Result]] = deque()

    async def placed(item: Item) -> Result:
        async with places:
            return await work(item)

    try:
        for item in items:
            begun.append(asyncio.ensure_future(placed(item)))
            if len(begun) >= _AHEAD * max_at_once:
                yield await begun[0]
                begun.popleft()
        while begun:
            yield await begun[0]
            begun.popleft()
    finally:
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
