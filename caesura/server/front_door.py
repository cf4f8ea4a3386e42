"""What every request passes first: it gets a name, is let in or not, and never fails without an envelope.

Enters: ASGI. Leaves: ASGI, with `request-id` on every response, and with what is left of the key's allowance.
It wraps `send`, whole as it comes, so that streams are not buffered, and `receive`, so that nobody waits for
ever for a body. Browsers are told here which pages of other origins may call the API. Read next:
`authentication.py`, `cross_origin.py`.
"""

from __future__ import annotations

import asyncio
import logging

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from caesura.messages.errors import ApiError, AuthenticationError, OverloadedError, RequestTimeoutError
from caesura.server.accounts import Accounts
from caesura.server.authentication import API_PREFIX, Access, check_query
from caesura.server.caller import ANYONE, Caller
from caesura.server.exchange import (
    CALLER,
    REQUEST_ID,
    Header,
    error_answer,
    error_headers,
    new_request_id,
    send_bytes,
)
from caesura.server.sse import INTERNAL_ERROR

logger = logging.getLogger(__name__)

_ASK_BROWSER = (b"www-authenticate", b'Basic realm="caesura: any name, the API key as password"')


_STOPPING = OverloadedError("Overloaded: the server is shutting down; try again later")


class _PatientReceive:
    """`receive`, which waits for each piece of a body for a while only."""

    def __init__(self, receive: Receive, timeout_s: float) -> None:
        self._receive = receive
        self._timeout_s = timeout_s
        self._is_complete = False

    async def __call__(self) -> Message:
        if self._is_complete:
            return await self._receive()
        try:
            async with asyncio.timeout(self._timeout_s):
                message = await self._receive()
        except TimeoutError:
            reason = f"no byte of the request body came for {self._timeout_s:g} s; send it again"
            raise RequestTimeoutError(reason) from None
        self._is_complete = not message.get("more_body", False)
        return message


class FrontDoor:
    """The outermost middleware."""

    def __init__(
        self, app: ASGIApp, access: Access, body_timeout_s: float, accounts: Accounts | None = None
    ) -> None:
        """accounts: where keys' uses and allowances are kept; None: there are none."""
        self._app = app
        self._access = access
        self._accounts = accounts
        self._body_timeout_s = body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = scope[REQUEST_ID] = new_request_id()
        scope[CALLER] = ANYONE
        own_headers = [(b"request-id", request_id.encode()), *self._cross_origin_headers(scope)]
        has_started = False

        async def named_send(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                headers = (*own_headers, *self._allowance(scope[CALLER]))
                message["headers"] = [*message.get("headers", []), *headers]
            await send(message)

        try:
            await self._admit(scope, method=scope["method"])
            if self._is_preflight(scope):
                await self._answer_preflight(scope, named_send)
                return
            await self._app(scope, _PatientReceive(receive, self._body_timeout_s), named_send)
        except asyncio.CancelledError:
            if not has_started:
                await _refuse(named_send, _STOPPING, scope)
            raise
        except ApiError as error:
            if has_started:
                raise
            await _refuse(named_send, error, scope)
        except Exception:
            logger.exception("%s %s %s failed", request_id, scope["method"], scope["path"])
            if has_started:
                raise
            await _refuse(named_send, INTERNAL_ERROR, scope)

    def _cross_origin_headers(self, scope: Scope) -> list[Header]:
        """The chat page is its own origin's only, and says so itself."""
        if not scope["path"].startswith(API_PREFIX):
            return []
        return self._access.cross_origin.response_headers(Headers(scope=scope))

    def _is_preflight(self, scope: Scope) -> bool:
        is_api = scope["path"].startswith(API_PREFIX)
        return is_api and self._access.cross_origin.is_preflight(scope["method"], Headers(scope=scope))

    async def _answer_preflight(self, scope: Scope, send: Send) -> None:
        headers = self._access.cross_origin.preflight_headers(Headers(scope=scope))
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._admit(scope, method="GET")
        except ApiError:
            await send({"type": "websocket.close", "code": 1008})
            return
        except Exception:
            logger.exception("websocket %s could not be checked", scope["path"])
            await send({"type": "websocket.close", "code": 1011})
            return
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope, *, method: str) -> None:
        """Note who asks, or raise."""
        query = scope.get("query_string", b"")
        # The server's log of requests has the query too, and is written after this.
        scope["query_string"] = b""
        check_query(scope["path"], query)
        scope["query_string"] = query
        client = scope.get("client")
        peer = client[0] if client else None
        headers = Headers(scope=scope)
        caller = await self._access.check(method=method, path=scope["path"], headers=headers, peer=peer)
        scope[CALLER] = caller
        self._count(caller, is_work=method == "POST" and scope["path"].startswith(API_PREFIX))

    def _count(self, caller: Caller, *, is_work: bool) -> None:
        if self._accounts is None:
            return
        if caller.key_id:
            self._accounts.ledger.note_use(caller.key_id, self._accounts.now_ms())
        if is_work:
            self._accounts.limiter.count_request(caller)

    def _allowance(self, caller: Caller) -> list[Header]:
        if self._accounts is None:
            return []
        headers = self._accounts.limiter.headers(caller)
        return [(name.encode(), value.encode()) for name, value in headers.items()]


async def _refuse(send: Send, error: ApiError, scope: Scope) -> None:
    asks = isinstance(error, AuthenticationError) and not scope["path"].startswith(API_PREFIX)
    headers = (_ASK_BROWSER,) if asks else error_headers(error)
    status, body = error_answer(error, scope[REQUEST_ID], scope["path"])
    await send_bytes(send, status, body, headers)
