"""What every request passes first: it gets a name, is let in or not, and never fails without an envelope.

Enters: ASGI. Leaves: ASGI, with `request-id` on every response. It wraps `send` and nothing else, so that
streams are not buffered. Read next: `authentication.py`.
"""

from __future__ import annotations

import logging

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from caesura.messages.errors import ApiError, AuthenticationError
from caesura.server.authentication import API_PREFIX, Access
from caesura.server.exchange import REQUEST_ID, error_body, new_request_id, send_bytes
from caesura.server.sse import INTERNAL_ERROR

logger = logging.getLogger(__name__)

_ASK_BROWSER = (b"www-authenticate", b'Basic realm="caesura: any name, the API key as password"')


class FrontDoor:
    """The outermost middleware."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

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
        name_header = (b"request-id", request_id.encode())
        has_started = False

        async def named_send(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                message["headers"] = [*message.get("headers", []), name_header]
            await send(message)

        try:
            self._check(scope, method=scope["method"])
        except ApiError as error:
            await _refuse(named_send, error, scope)
            return
        try:
            await self._app(scope, receive, named_send)
        except Exception:
            logger.exception("%s %s %s failed", request_id, scope["method"], scope["path"])
            if has_started:
                raise
            await send_bytes(named_send, INTERNAL_ERROR.status, error_body(INTERNAL_ERROR, request_id))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check(scope, method="GET")
        except ApiError:
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, *, method: str) -> None:
        client = scope.get("client")
        peer = client[0] if client else None
        self._access.check(method=method, path=scope["path"], headers=Headers(scope=scope), peer=peer)


async def _refuse(send: Send, error: ApiError, scope: Scope) -> None:
    asks = isinstance(error, AuthenticationError) and not scope["path"].startswith(API_PREFIX)
    headers = (_ASK_BROWSER,) if asks else ()
    await send_bytes(send, error.status, error_body(error, scope[REQUEST_ID]), headers)
