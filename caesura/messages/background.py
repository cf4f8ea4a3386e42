"""Long computations beside the event loop.

Enters: a function, its arguments, and how much they weigh. Leaves: its result, computed at once where that
is quick, and else on one of a few threads, so that no request keeps the others waiting. Read next:
`caesura/server/app.py` and `signing.py`, which use it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# Reading more than this takes over a few milliseconds, which other streams would feel.
MAX_INLINE_SIZE = 256 * 1024


class Background:
    """A few threads, started when they are needed."""

    def __init__(self, max_threads: int = 2) -> None:
        """max_threads: how many computations may run beside the loop; further ones wait."""
        self._threads = ThreadPoolExecutor(max_threads, thread_name_prefix="caesura-reading")

    async def run(
        self,
        size: int,
        function: Callable[Parameters, Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """What the function returns or raises. size: of its input, in bytes or characters."""
        if size <= MAX_INLINE_SIZE:
            return function(*args, **kwargs)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))
