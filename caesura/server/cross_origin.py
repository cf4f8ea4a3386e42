"""Pages of other origins that may call the API, and what their browsers are told (CORS).

A browser asks before it sends a page's request elsewhere (a preflight, which carries no key), and shows the
page an answer only if the answer names the page's origin. Origins are named one by one, never `*`, and
credentials that a browser sends unasked (cookies, a remembered password) are not let in: a page shows its key
itself. An origin that is allowed may send any header, because SDKs add their own.
Enters: the origins that the operator allows, and a request's headers. Leaves: response headers. Read next:
`front_door.py`, which sends them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.datastructures import Headers

from caesura.server.exchange import Header

METHODS = ("GET", "POST", "DELETE")
REQUEST_HEADERS = (
    "anthropic-beta",
    "anthropic-dangerous-direct-browser-access",
    "anthropic-version",
    "authorization",
    "content-type",
    "x-api-key",
)
EXPOSED_HEADERS = ("request-id", "retry-after")
_ASKS_METHOD, _ASKS_HEADERS = "access-control-request-method", "access-control-request-headers"
# How long a browser may remember what it was told.
_MAX_AGE_S = 600
# A header's name, which is never `*`.
_NAME = re.compile(r"[\w!#$%&'+.^`|~-]+", re.ASCII)


class CrossOrigin:
    """Knows the origins that are allowed."""

    def __init__(self, allowed: Iterable[str]) -> None:
        """allowed: as `ServerConfig` takes them."""
        self._allowed = {origin.lower() for origin in allowed}

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin may call."""
        return origin.lower() in self._allowed

    def is_preflight(self, method: str, headers: Headers) -> bool:
        """Whether a browser asks on behalf of a page that may call."""
        return method == "OPTIONS" and _ASKS_METHOD in headers and self._caller(headers) is not None

    def response_headers(self, headers: Headers) -> list[Header]:
        """What every answer says, an error and a stream too."""
        if not self._allowed:
            return []
        # A cache must not give one origin's answer to another.
        vary = (b"vary", b"origin")
        caller = self._caller(headers)
        if caller is None:
            return [vary]
        return [
            vary,
            (b"access-control-allow-origin", caller.encode("latin-1")),
            (b"access-control-expose-headers", ", ".join(EXPOSED_HEADERS).encode()),
        ]

    def preflight_headers(self, headers: Headers) -> list[Header]:
        """What the answer to a preflight says beside that."""
        asked = _NAME.findall(headers.get(_ASKS_HEADERS, "").lower())
        names = dict.fromkeys([*REQUEST_HEADERS, *asked])
        return [
            (b"access-control-allow-methods", ", ".join(METHODS).encode()),
            (b"access-control-allow-headers", ", ".join(names).encode()),
            (b"access-control-max-age", str(_MAX_AGE_S).encode()),
        ]

    def _caller(self, headers: Headers) -> str | None:
        """The origin that calls, if it is allowed."""
        origins = headers.getlist("origin")
        return origins[0] if len(origins) == 1 and self.allows(origins[0]) else None
