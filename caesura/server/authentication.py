"""Who may ask.

With API keys, whoever shows one: in `x-api-key`, as a Bearer token, or, for pages opened in a browser, as
the password of HTTP Basic. Without keys, only this machine: the peer must be on loopback, and because a
web page can make a browser here call loopback (DNS rebinding, cross-site requests), the Host and Origin
headers must name this server, or what the operator allows, and nothing else. A browser that asks whether a
page of an allowed origin may call the API (a preflight) has no key to show yet.

Enters: a request's method, path, headers and peer. Leaves: who it is, or an `ApiError`. Read next:
`front_door.py`, which applies it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from caesura.messages.errors import AuthenticationError, CaesuraError, PermissionDeniedError
from caesura.server.config import ServerConfig
from caesura.server.cross_origin import CrossOrigin

API_PREFIX = "/v1/"
_PROBES = {("HEAD", "/"), ("HEAD", "/api/hello"), ("GET", "/health"), ("HEAD", "/health")}


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine itself."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def check_binding(host: str, api_keys: Sequence[str]) -> None:
    """Refuse to listen where others can reach a server that has no keys; raises CaesuraError."""
    if not api_keys and not is_loopback(host):
        raise CaesuraError(
            f"refusing to listen on {host} without an API key: anyone who can reach it could use it."
            " Give --api-key (or CAESURA_API_KEY), or listen on 127.0.0.1."
        )


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _basic_password(credentials: str) -> str:
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except ValueError:
        # No base64, no ASCII, or no UTF-8 underneath.
        return ""
    return decoded.partition(":")[2]


def _host_name(netloc: str) -> str:
    """The name in `name:port`; empty for what is no such thing."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


class Access:
    """Decides on requests by a config.

    cross_origin: the further origins whose pages may call.
    """

    def __init__(self, config: ServerConfig) -> None:
        self._key_digests = [_digest(key) for key in config.api_keys]
        self._allowed_hosts = {host.lower() for host in config.allowed_hosts}
        self.cross_origin = CrossOrigin(config.allowed_origins)

    def check(self, *, method: str, path: str, headers: Headers, peer: str | None) -> str:
        """The tenant who asks: one for each key, "" where none was asked for.

        Raises PermissionDeniedError or AuthenticationError for a request that may not pass.
        """
        if not self._key_digests:
            self._check_local(headers, peer)
            return ""
        if (method, path) in _PROBES:
            return ""
        if not path.startswith(API_PREFIX):
            self._check_origin(headers)
        elif self.cross_origin.is_preflight(method, headers):
            return ""
        return self._check_key(path, headers)

    def _check_local(self, headers: Headers, peer: str | None) -> None:
        if peer is not None and not is_loopback(peer):
            raise PermissionDeniedError(
                f"{peer} is not this machine: without an API key this server answers on loopback only."
                " Start it with --api-key to let others in."
            )
        hosts = headers.getlist("host")
        name = _host_name(hosts[0]) if len(hosts) == 1 else ""
        if not is_loopback(name) and name not in self._allowed_hosts:
            raise PermissionDeniedError(
                f"Host `{', '.join(hosts)[:100]}` is not allowed: without an API key this server answers"
                " only as localhost, 127.0.0.1 or [::1]."
            )
        self._check_origin(headers)

    def _check_origin(self, headers: Headers) -> None:
        host = headers.get("host", "").lower()
        for origin in headers.getlist("origin"):
            is_own = origin.lower() in (f"http://{host}", f"https://{host}")
            if not is_own and not self.cross_origin.allows(origin):
                raise PermissionDeniedError(
                    f"Origin `{origin[:100]}` is not allowed: only this server's own pages may call it"
                    " from a browser."
                )

    def _check_key(self, path: str, headers: Headers) -> str:
        """The name of the key's tenant: a hash, from which the key cannot be told."""
        offered = list(_credentials(path, headers))
        if not offered:
            raise AuthenticationError("x-api-key header is required (or Authorization: Bearer)")
        known = next((key for _, key in offered if self._is_known(key)), None)
        if known is None:
            raise AuthenticationError(f"invalid {offered[0][0]}")
        return _digest(f"tenant {known}").hex()

    def _is_known(self, key: str) -> bool:
        # Every key is compared, in constant time each, so that the time taken says nothing.
        digest = _digest(key)
        return sum(hmac.compare_digest(digest, known) for known in self._key_digests) > 0


def _credentials(path: str, headers: Headers) -> Iterator[tuple[str, str]]:
    """The keys that a request shows, each with the name of its kind."""
    for key in headers.getlist("x-api-key"):
        yield "x-api-key", key.strip()
    for value in headers.getlist("authorization"):
        scheme, _, credentials = value.partition(" ")
        if scheme.lower() == "bearer":
            yield "bearer token", credentials.strip()
        elif scheme.lower() == "basic" and not path.startswith(API_PREFIX):
            # Browsers send Basic unasked, also for foreign pages, so the API itself does not take it.
            yield "password", _basic_password(credentials.strip())
