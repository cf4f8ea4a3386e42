"""Connections of the served port, held to their manners.

Uvicorn waits for ever for a request's head, and for what is left of a body after it was answered; whoever
opens connections and sends a byte now and then could hold all there are. Here a head has to be complete a
while after it may begin, and an answered connection rests as long at most.
Enters: bytes of clients. Leaves: what uvicorn makes of them. Read next: `serve.py`, which runs it;
`caesura/server/patience.py` for bodies and responses.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, cast

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle


class PatientProtocol(H11Protocol):
    """Uvicorn's protocol, which hangs up on clients that are waited for in vain.

    head_timeout_s: how long a request's head may take.
    """

    head_timeout_s: ClassVar[float] = 30.0
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_idle():
            self._wait()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _is_idle(self) -> bool:
        """Whether no request is being answered; a connection that became a websocket is no more ours."""
        # Until the first request there is none, whatever its type says.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return self in self.connections and (cycle is None or cycle.response_complete)

    def _wait(self) -> None:
        # Further bytes give no further time.
        if self._waiting is None:
            self._waiting = self.loop.call_later(self.head_timeout_s, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
