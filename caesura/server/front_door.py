"""What every request passes first: it gets a name, is let in or not, and never fails without an envelope.

Enters: ASGI. Leaves: ASGI, with `request-id` on every response. It wraps `send`, whole as it comes, so that
streams are not buffered, and `receive`, so that nobody waits for ever for a body. Browsers are told here
which pages of other origins may call the API. Read next: `authentication.py`, `cross_origin.py`.
"""

from __future__ import annotations

import asyncio
import logging

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from caesura.messages.errors import ApiError, AuthenticationError, OverloadedError, RequestTimeoutError
from caesura.server.authentication import API_PREFIX, Access
from caesura.server.exchange import REQUEST_ID, TENANT, Header, error_body, new_request_id, send_bytes
from caesura.server.sse import INTERNAL_ERROR

logger = logging.getLogger(__name__)

_ASK_BROWSER = (b"www-authenticate", b'Basic realm="caesura: any name, the API key as password"')


_STOPPING = OverloadedError("Overloaded: the server is shutting down; try again later")
_CLOSE = (b"connection", b"close")


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

    def __init__(self, app: ASGIApp, access: Access, body_timeout_s: float) -> None:
        self._app = app
        self._access = access
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
        own_headers = [(b"request-id", request_id.encode()), *self._cross_origin_headers(scope)]
        has_started = False

        async def named_send(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                message["headers"] = [*message.get("headers", []), *own_headers]
            await send(message)

        try:
            self._check(scope, method=scope["method"])
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
            self._check(scope, method="GET")
        except ApiError:
            await send({"type": "websocket.close", "code": 1008})
            return
        except Exception:
            logger.exception("websocket %s could not be checked", scope["path"])
            await send({"type": "websocket.close", "code": 1011})
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, *, method: str) -> None:
        """Note who asks, or raise."""
        client = scope.get("client")
        peer = client[0] if client else None
        headers = Headers(scope=scope)
        scope[TENANT] = self._access.check(method=method, path=scope["path"], headers=headers, peer=peer)


async def _refuse(send: Send, error: ApiError, scope: Scope) -> None:
    asks = isinstance(error, AuthenticationError) and not scope["path"].startswith(API_PREFIX)
    # A body that was not read to its end leaves the connection in the middle of a request.
    headers = (_ASK_BROWSER,) if asks else (_CLOSE,) if isinstance(error, RequestTimeoutError) else ()
    await send_bytes(send, error.status, error_body(error, scope[REQUEST_ID]), headers)
