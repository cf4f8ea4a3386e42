"""A request that was read becomes a reply that is sent, whichever API asked.

Enters: an exchange and a `MessagesRequest`. Leaves: the reply, whole, or as a stream in the framing of the
API that asked. Read next: `app.py` and `openai.py`, which ask; `sse.py`, which writes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from caesura.messages.client import Client
from caesura.messages.closing import closing
from caesura.messages.errors import ApiError
from caesura.messages.events import Event, MessageStart
from caesura.messages.fold import collect
from caesura.messages.request import MessagesRequest
from caesura.messages.response import Message
from caesura.server.accounts import Accounts
from caesura.server.catalogue import check_request, find_model
from caesura.server.config import ServerConfig
from caesura.server.exchange import Exchange
from caesura.server.metering import BilledClient, Call
from caesura.server.sse import EventWriter, Framing


class Replies:
    """One Client's replies."""

    def __init__(self, client: Client, config: ServerConfig, accounts: Accounts | None = None) -> None:
        """accounts: what replies are charged to; None: nobody keeps any."""
        self._client = client
        self._config = config
        self._accounts = accounts

    def client(self, exchange: Exchange) -> Client:
        """The Client, on the account of whoever asks."""
        if self._accounts is None:
            return self._client
        call = Call(request_id=exchange.request_id, caller=exchange.caller)
        return BilledClient(self._client, call, self._accounts)

    async def address(self, exchange: Exchange, asked: MessagesRequest) -> MessagesRequest:
        """The request under the name by which the Client knows the model, and with who asks."""
        info = find_model(await self._client.models(), asked.model)
        check_request(asked, info)
        return replace(asked, model=info.id, tenant=exchange.tenant)

    async def whole(self, exchange: Exchange, request: MessagesRequest) -> Message:
        """A whole reply; it is cancelled if the client leaves."""
        return await exchange.until_disconnect(collect(self.client(exchange).stream(request)))

    async def stream(
        self, exchange: Exchange, request: MessagesRequest, framing: Framing, *, name: str
    ) -> None:
        """Write a reply as it comes. name: what its reader calls the model."""
        await self.write(exchange, self.client(exchange).stream(request), framing, name=name)

    async def write(
        self, exchange: Exchange, stream: AsyncIterator[Event], framing: Framing, *, name: str
    ) -> None:
        """Write a stream as it comes; what fails before its first event is an ordinary error."""
        await exchange.until_disconnect(self._write(exchange, stream, framing, name))

    async def _write(
        self, exchange: Exchange, stream: AsyncIterator[Event], framing: Framing, name: str
    ) -> None:
        writer = EventWriter(
            exchange.write,
            framing,
            request_id=exchange.request_id,
            ping_interval_s=self._config.ping_interval_s,
            write_timeout_s=self._config.write_timeout_s,
        )
        async with closing(stream) as events:
            first = await anext(events, None)
            if not isinstance(first, MessageStart):
                raise ApiError("the reply did not begin with message_start")
            await exchange.start_stream()
            await writer.write(replace(first, model=name), events)
            await exchange.end_stream()
