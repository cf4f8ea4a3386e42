"""Asking what a request got wrong before it is answered.

Whoever has work done for a request before a Client answers it, such as a summary, asks first, so that nobody
waits and pays for a reply that is then refused. Enters: a Client and a request. Leaves: nothing, or an
`ApiError`. Read next: `client.py`; `context_client.py`, which asks.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from caesura.messages.client import Client
from caesura.messages.request import MessagesRequest


@runtime_checkable
class Checker(Protocol):
    """A Client that can tell without computing anything. Of one that cannot, `stream` refuses."""

    async def check(self, request: MessagesRequest) -> None:
        """Raises ApiError for what `stream` would refuse however long the conversation is."""
        ...


async def check(client: Client, request: MessagesRequest) -> None:
    """Raises ApiError for what the Client would refuse, as far as it can tell."""
    if isinstance(client, Checker):
        await client.check(request)
