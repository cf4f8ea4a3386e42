"""A route's end: a handler, with its errors answered.

Enters: an async function of an `Exchange`. Leaves: an ASGI app for a `Route`. Read next: `exchange.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from starlette.types import Receive, Scope, Send

from caesura.messages.errors import ApiError
from caesura.server.exchange import ClientDisconnected, Exchange

logger = logging.getLogger(__name__)

Handler = Callable[[Exchange], Awaitable[None]]


class Endpoint:
    """A handler, with errors answered and departures noticed."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send)
        try:
            await self._handler(exchange)
        except ApiError as error:
            await exchange.send_error(error)
        except ClientDisconnected:
            logger.info("%s: the client left before its answer", exchange.request_id)
