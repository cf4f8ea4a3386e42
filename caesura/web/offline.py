"""Keeps the page within its bounds: its own paths, and no host but the one that served it.

Enters: Gradio's app. Leaves: a route that answers the page's paths only, so that every other path keeps the
API's own answers, with a policy that makes the browser refuse to fetch from elsewhere, whatever an answer's
Markdown may ask for. Bodies are limited as the API's are, and errors are raised as `HTTPException`s,
whatever Gradio says in them, for the server to answer in its own envelope. Read next: `page.py`, which
mounts it.
"""

from __future__ import annotations

import re
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        # Gradio starts from an inline script and compiles its templates in the browser.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)
_HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
# Uploads, file serving, proxying and monitoring are Gradio's too; the page needs none of them.
_PAGE_PATH = re.compile(
    r"/|/(assets|static|svelte)/.+|/(theme\.css|favicon\.ico|manifest\.json|config)"
    r"|/gradio_api/(queue/.+|run/.+|heartbeat/.+|startup-events|cancel|reset)/?"
)
# Tags for other sites' previews, which name Gradio and its hosts.
_PREVIEW_TAG = re.compile(rb"""<meta\s[^>]*?(?:property|name)="(?:og|twitter):[^>]*>\s*""")


MAX_BODY_BYTES = 32 * 2**20
# Browsers read no answer before they have sent everything, so what is too large is read on, up to a point.
_MAX_DISCARDED_BYTES = 256 * 2**20


class PageMount(Mount):
    """Gradio's app at `/`, for the page's own paths only."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__("/", app=OfflineApp(app))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """No match for what is the API's to answer, be it with an error."""
        if scope["type"] == "http" and is_page_request(scope["method"], scope["path"]):
            return super().matches(scope)
        return Match.NONE, {}


def is_page_request(method: str, path: str) -> bool:
    """Whether the page needs this request answered."""
    methods = ("GET", "POST") if path.startswith("/gradio_api/") else ("GET", "HEAD")
    return method in methods and _PAGE_PATH.fullmatch(path) is not None


class OfflineApp:
    """An ASGI app around Gradio's that adds the policy and cleans the page's head."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_document = scope["path"] == "/"
        if is_document:
            # A compressed page could not be cleaned.
            headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            scope = {**scope, "headers": headers}
        if scope["method"] == "POST":
            receive = _Replay(await _read_body(receive), receive)
        sender = _ErrorCatcher(_DocumentSender(send) if is_document else _HeaderSender(send))
        await self._app(scope, receive, sender)
        if sender.status is not None:
            raise HTTPException(sender.status, HTTPStatus(sender.status).phrase)


async def _read_body(receive: Receive) -> list[Message]:
    """The messages that hold a body; raises HTTPException for one that is too large."""
    messages: list[Message] = []
    size_bytes = 0
    while not messages or messages[-1].get("more_body", False):
        message = await receive()
        size_bytes += len(message.get("body", b""))
        if size_bytes > MAX_BODY_BYTES:
            messages.clear()
        if size_bytes > MAX_BODY_BYTES + _MAX_DISCARDED_BYTES:
            break
        messages.append(message)
    if size_bytes > MAX_BODY_BYTES:
        raise HTTPException(413, f"{size_bytes} bytes of body > {MAX_BODY_BYTES} maximum")
    return messages


class _Replay:
    """`receive` that gives what was read already, then what else comes."""

    def __init__(self, messages: list[Message], receive: Receive) -> None:
        self._messages = messages
        self._receive = receive

    async def __call__(self) -> Message:
        return self._messages.pop(0) if self._messages else await self._receive()


class _ErrorCatcher:
    """Passes a response on unless it is an error, whose status it keeps and whose body it drops."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            # A body that does not validate is the caller's mistake, and 400 in this API.
            self.status = 400 if message["status"] == 422 else message["status"]
        if self.status is None:
            await self._send(message)


class _HeaderSender:
    """Passes a response on with the policy added."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *_HEADERS]}
        await self._send(message)


class _DocumentSender:
    """Holds the page back until it is whole, then passes it on without its preview tags."""

    def __init__(self, send: Send) -> None:
        self._send = _HeaderSender(send)
        self._start: Message = {}
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        body = _PREVIEW_TAG.sub(b"", bytes(self._body))
        kept = [(name, value) for name, value in self._start["headers"] if name.lower() != b"content-length"]
        length = (b"content-length", str(len(body)).encode())
        await self._send({**self._start, "headers": [*kept, length]})
        await self._send({"type": "http.response.body", "body": body})
