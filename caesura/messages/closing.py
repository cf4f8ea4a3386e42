"""Leaving an event stream before its end, which cancels what it stands for.

Enters: any async iterator. Leaves: a context that closes it. Read next: `client.py` for the promise.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar, runtime_checkable

Item = TypeVar("Item")


@runtime_checkable
class Closable(Protocol):
    """An iterator that can be told that nobody will ask for more."""

    async def aclose(self) -> None:
        """Release what the iterator holds."""
        ...


@asynccontextmanager
async def closing(stream: AsyncIterator[Item]) -> AsyncGenerator[AsyncIterator[Item]]:
    """The stream itself, closed on the way out, whether or not it was read to its end."""
    try:
        yield stream
    finally:
        if isinstance(stream, Closable):
            await stream.aclose()
