"""A Client on somebody's account: what passes is counted against limits and written into the ledger.

A reply is charged when its end passes, before its client sees it; one that its client leaves is charged for
what was generated till then; one that we fail costs nothing, but for passes of it that had ended before, such
as a summary. A prompt counts against its limit as soon as
`message_start` says how much of it the cache spares, which is before the response's status is sent.

Enters: a Client, and who calls it. Leaves: a Client. Read next: `tally.py`, `ledger.py`, `limiter.py`.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from caesura.messages.client import Client
from caesura.messages.closing import closing
from caesura.messages.errors import OverloadedError
from caesura.messages.events import BlockStop, Event, MessageDelta, MessageStart
from caesura.messages.request import MessagesRequest
from caesura.messages.response import ModelInfo, Usage
from caesura.server.accounts import Accounts
from caesura.server.caller import Caller
from caesura.server.ledger import ToolDecision, UsageRow
from caesura.server.prices import ServiceTier, cost_micros
from caesura.server.tally import Tally, ToolCall

_NOTHING = Usage(input_tokens=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """On whose account replies are made.

    request_id: by which the ledger finds them again.
    caller: who pays.
    service_tier: at which rate.
    """

    request_id: str
    caller: Caller
    service_tier: ServiceTier = "standard"


class BilledClient:
    """Any Client, on one caller's account."""

    def __init__(self, client: Client, call: Call, accounts: Accounts) -> None:
        self._client = client
        self._call = call
        self._accounts = accounts

    async def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        """The reply. Raises RateLimitError, or OverloadedError if the ledger can take no more, before its
        first event.
        """
        bill = _Bill(self._call, self._accounts, request)
        try:
            asked = replace(request, when_cut=bill.tally.take)
            async with closing(self._client.stream(asked)) as events:
                async for event in events:
                    bill.tally.see(event)
                    if isinstance(event, MessageStart | BlockStop | MessageDelta):
                        bill.note(event)
                    yield event
        except (GeneratorExit, CancelledError):
            bill.tally.leave()
            raise
        finally:
            bill.settle()

    async def count_tokens(self, request: MessagesRequest) -> int:
        """The prompt's length, which costs nothing."""
        return await self._client.count_tokens(request)

    async def models(self) -> Sequence[ModelInfo]:
        """The models on offer."""
        return await self._client.models()


class _Bill:
    """What one reply owes; settled once."""

    def __init__(self, call: Call, accounts: Accounts, request: MessagesRequest) -> None:
        """Raises RateLimitError or OverloadedError for a request that may not be begun."""
        if accounts.ledger.is_full:
            raise OverloadedError("Overloaded: the ledger cannot be written at present; try again later")
        self.tally = Tally()
        self._call = call
        self._accounts = accounts
        self._model = request.model
        self._reservation = accounts.limiter.reserve(call.caller, request.max_tokens)
        self._started_ms = accounts.now_ms()
        self._num_noted = 0
        self._is_begun = self._is_settled = False

    def note(self, event: MessageStart | BlockStop | MessageDelta) -> None:
        """A milestone has passed. Raises RateLimitError for a prompt that has to wait."""
        match event:
            case MessageStart():
                self._reservation.charge_input(event.usage)
                self._is_begun = True
            case BlockStop():
                self._note_calls()
            case MessageDelta():
                self.settle()

    def _note_calls(self) -> None:
        """At once, for the client may act on them at once."""
        calls = self.tally.calls[self._num_noted :]
        if calls:
            self._num_noted += len(calls)
            self._accounts.ledger.put([self._decision(call) for call in calls])

    def settle(self) -> None:
        """Pay, and put back what was reserved for more."""
        if self._is_settled:
            return
        self._is_settled = True
        # Of a reply that failed we are told of the passes that had ended; they were done, and are paid for.
        is_charged = self._is_begun and (self.tally.status != "failed" or self.tally.is_told)
        self._reservation.settle(self.tally.usage if is_charged else _NOTHING)
        if self._is_begun:
            self._accounts.ledger.put([self._row(is_charged=is_charged)])

    def _row(self, *, is_charged: bool) -> UsageRow:
        usage, call, tier = self.tally.usage, self._call, self._call.service_tier
        lasting = usage.cache_creation_1h_input_tokens
        cost = cost_micros(usage, self._accounts.prices, model=self._model, service_tier=tier)
        return UsageRow(
            request_id=call.request_id,
            key_id=call.caller.key_id,
            workspace=call.caller.workspace,
            model=self._model,
            service_tier=tier,
            started_ms=self._started_ms,
            ended_ms=self._accounts.now_ms(),
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cache_read_input_tokens,
            cache_write_5m_tokens=usage.cache_creation_input_tokens - lasting,
            cache_write_1h_tokens=lasting,
            output_tokens=usage.output_tokens,
            thinking_tokens=usage.thinking_tokens,
            status=self.tally.status,
            stop_reason=self.tally.stop_reason,
            cost_micros=cost if is_charged else 0,
        )

    def _decision(self, call: ToolCall) -> ToolDecision:
        return ToolDecision(
            request_id=self._call.request_id,
            key_id=self._call.caller.key_id,
            workspace=self._call.caller.workspace,
            model=self._model,
            made_ms=self._accounts.now_ms(),
            position=call.position,
            tool_use_id=call.id,
            tool=call.name,
            arguments_sha256=call.arguments_sha256,
        )
