from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from caesura.constitution.in_order import in_order


async def test_results_come_in_order_however_long_each_takes_and_the_bound_holds() -> None:
    events = [asyncio.Event() for _ in range(20)]
    at_once: list[int] = []
    num_running = 0

    async def work(number: int) -> int:
        nonlocal num_running
        num_running += 1
        at_once.append(num_running)
        if number % 3 == 0 and number + 1 < len(events):
            await events[number + 1].wait()  # an earlier one waits for a later one
        events[number].set()
        await asyncio.sleep(0)
        num_running -= 1
        return number

    async with aclosing(in_order(range(20), work, max_at_once=3)) as results:
        assert [each async for each in results] == list(range(20))
    assert max(at_once) == 3


async def test_a_failure_cancels_the_others() -> None:
    cancelled: list[int] = []

    async def work(number: int) -> int:
        if number == 1:
            raise ValueError("no")
        try:
            if number > 1:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        return number

    async with aclosing(in_order(range(4), work, max_at_once=4)) as results:
        assert await anext(results) == 0
        with pytest.raises(ValueError, match="no"):
            await anext(results)
    assert sorted(cancelled) == [2, 3]
