"""What every request passes first: it gets a name, is let in or not, and never fails without an envelope.

Enters: ASGI. Leaves: ASGI, with `request-id` on every response, and with what is left of the key's allowance.
It wraps `send`, whole as it comes, so that streams are not buffered, and `receive`, so that nobody waits for
ever (`patience.py`). Browsers are told here which pages of other origins may call the API. Read next:
`authentication.py`, `cross_origin.py`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from caesura.messages.errors import ApiError, AuthenticationError, InvalidRequestError, OverloadedError
from caesura.server.accounts import Accounts
from caesura.server.authentication import API_PREFIX, Access
from caesura.server.caller import ANYONE, Caller
from caesura.server.config import ServerConfig
from caesura.server.exchange import (
    CALLER,
    REQUEST_ID,
    Header,
    error_answer,
    error_headers,
    new_request_id,
    send_bytes,
)
from caesura.server.keys import KEY_PREFIX
from caesura.server.patience import Held, PatientReceive, patient_send
from caesura.server.sse import INTERNAL_ERROR

logger = logging.getLogger(__name__)

_ASK_BROWSER = (b"www-authenticate", b'Basic realm="caesura: any name, the API key as password"')


FILES_PATH = "/v1/files"
# What stands in the place of a path that must not be logged.
_HIDDEN_PATH = f"{API_PREFIX}hidden"
_STOPPING = OverloadedError("Overloaded: the server is shutting down; try again later")


class _NamedSend:
    """`send`, with headers of ours on the response.

    has_started: whether the response's head has been sent.
    """

    def __init__(self, send: Send, headers: Callable[[], list[Header]]) -> None:
        self._send = send
        self._headers = headers
        self.has_started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            message["headers"] = [*message.get("headers", []), *self._headers()]
        await self._send(message)


class FrontDoor:
    """The outermost middleware."""

    def __init__(
        self, app: ASGIApp, access: Access, config: ServerConfig, accounts: Accounts | None = None
    ) -> None:
        """accounts: where keys' uses and allowances are kept; None: there are none."""
        self._app = app
        self._access = access
        self._accounts = accounts
        self._config = config
        self._held = Held(config.max_held_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[REQUEST_ID] = new_request_id()
        scope[CALLER] = ANYONE
        # An uploaded file goes to the disk as it comes.
        held = None if scope["path"].startswith(FILES_PATH) else self._held
        receiving = PatientReceive(receive, self._config.body_timeout_s, held)
        try:
            await self._answer(scope, receiving, _NamedSend(self._sending(scope, send), self._headers(scope)))
        finally:
            receiving.close()

    async def _answer(self, scope: Scope, receive: Receive, send: _NamedSend) -> None:
        try:
            await self._admit(scope, method=scope["method"])
            if self._is_preflight(scope):
                await self._answer_preflight(scope, send)
                return
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not send.has_started:
                await _refuse(send, _STOPPING, scope)
            raise
        except ApiError as error:
            if send.has_started:
                raise
            await _refuse(send, error, scope)
        except Exception:
            logger.exception("%s %s %s failed", scope[REQUEST_ID], scope["method"], scope["path"])
            if send.has_started:
                raise
            await _refuse(send, INTERNAL_ERROR, scope)

    def _sending(self, scope: Scope, send: Send) -> Send:
        """Clients of the API have to read what they asked for; a page may stay open and idle."""
        is_api = scope["path"].startswith(API_PREFIX)
        return patient_send(send, self._config.write_timeout_s) if is_api else send

    def _headers(self, scope: Scope) -> Callable[[], list[Header]]:
        """What a response is given, as it stands when the response begins."""
        named = [(b"request-id", scope[REQUEST_ID].encode()), *self._cross_origin_headers(scope)]
        return lambda: [*named, *self._allowance(scope[CALLER])]

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
        client = scope.get("client")
        peer = client[0] if client else None
        headers = Headers(scope=scope)
        self._check_url(scope)
        _check_length(headers)
        caller = await self._access.check(method=method, path=scope["path"], headers=headers, peer=peer)
        scope[CALLER] = caller
        self._count(caller, is_work=method == "POST" and scope["path"].startswith(API_PREFIX))

    def _check_url(self, scope: Scope) -> None:
        path, query = scope["path"], scope.get("query_string", b"")
        # The server's log of requests has both, and is written after this.
        scope["query_string"] = b""
        if KEY_PREFIX in path:
            scope["path"], scope["raw_path"] = _HIDDEN_PATH, _HIDDEN_PATH.encode()
        self._access.check_url(path, query)
        scope["query_string"] = query

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


def _check_length(headers: Headers) -> None:
    """Refuse a body whose length is said in two ways: a proxy may have believed the other one, and what we
    take for its end may be somebody else's request.
    """
    if "transfer-encoding" in headers and "content-length" in headers:
        raise InvalidRequestError(
            "content-length: it cannot be combined with transfer-encoding; send only one of them"
        )


async def _refuse(send: Send, error: ApiError, scope: Scope) -> None:
    asks = isinstance(error, AuthenticationError) and not scope["path"].startswith(API_PREFIX)
    headers = (_ASK_BROWSER,) if asks else error_headers(error)
    status, body = error_answer(error, scope[REQUEST_ID], scope["path"])
    await send_bytes(send, status, body, headers)
