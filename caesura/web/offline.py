"""Keeps the page within its bounds: its own paths, and no host but the one that served it.

Enters: Gradio's app. Leaves: a route that answers the page's paths only, so that every other path keeps
the API's own answers, with a policy that makes the browser refuse to fetch from elsewhere, whatever an
answer's Markdown may ask for. Read next: `page.py`, which mounts it.
"""

from __future__ import annotations

import re

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
        sender = _DocumentSender(send) if is_document else _HeaderSender(send)
        await self._app(scope, receive, sender)


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
