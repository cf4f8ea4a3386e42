"""Who may ask.

With API keys (the operator names some, or the database has ever had one), whoever shows one: in `x-api-key`,
as a Bearer token, or, for pages opened in a browser, as the password of HTTP Basic; never in the URL, which
logs and histories keep. Without keys, only this machine: the peer must be on loopback, and because a web page
can make a browser here call loopback (DNS rebinding, cross-site requests), the Host and Origin headers must
name this server, or what the operator allows, and nothing else. A browser that asks whether a page of an
allowed origin may call the API (a preflight) has no key to show yet.

Enters: a request's method, path, query, headers and peer. Leaves: who it is, or an `ApiError`. Read next:
`front_door.py`, which applies it; `key_ring.py` for the database's keys.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers

from caesura.messages.errors import (
    AuthenticationError,
    CaesuraError,
    InvalidRequestError,
    PermissionDeniedError,
)
from caesura.server.caller import ANYONE, Caller
from caesura.server.config import ServerConfig
from caesura.server.cross_origin import CrossOrigin
from caesura.server.key_ring import KeyRing, Keys
from caesura.server.keys import KEY_PREFIX

API_PREFIX = "/v1/"
# What clients of other services call a key in a URL.
_KEY_PARAMETERS = {
    *("api_key", "api-key", "apikey", "x-api-key", "key", "token", "access_token", "auth_token"),
    *("authorization", "bearer"),
}
_MIN_SECRET_CHARACTERS = 8
_NO_KEYS = Keys(by_id={}, has_any=False)
_PROBES = {("HEAD", "/"), ("HEAD", "/api/hello"), ("GET", "/health"), ("HEAD", "/health")}
_METRICS = {("GET", "/metrics"), ("HEAD", "/metrics")}


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine itself."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def check_binding(host: str, *, needs_key: bool) -> None:
    """Refuse to listen where others can reach a server that needs no key; raises CaesuraError."""
    if not needs_key and not is_loopback(host):
        raise CaesuraError(
            f"refusing to listen on {host} without an API key: anyone who can reach it could use it. Make one"
            " with `caesura keys create NAME`, give --api-key (or CAESURA_API_KEY), or listen on 127.0.0.1."
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

    def __init__(self, config: ServerConfig, key_ring: KeyRing | None = None) -> None:
        """key_ring: the database's keys, beside those of the config."""
        self._key_ring = key_ring
        self._key_digests = [_digest(key) for key in config.api_keys]
        self._allowed_hosts = {host.lower() for host in config.allowed_hosts}
        self._probes = _PROBES | (_METRICS if config.opens_metrics else set())
        self.cross_origin = CrossOrigin(config.allowed_origins)

    def check_url(self, path: str, query: bytes) -> None:
        """Refuse a key in a URL, needed or not; raises InvalidRequestError, which does not repeat it."""
        is_api = path.startswith(API_PREFIX)
        has_key = KEY_PREFIX in path
        for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
            is_called_key = is_api and name.lower() in _KEY_PARAMETERS
            is_ours = KEY_PREFIX in name or KEY_PREFIX in value
            has_key = has_key or is_called_key or is_ours or self._is_secret(value)
        if has_key:
            raise InvalidRequestError(
                "a key in the URL is not taken, because logs and histories keep URLs: send it as x-api-key or"
                " as Authorization: Bearer, and revoke one that was sent so"
            )

    def _is_secret(self, value: str) -> bool:
        """Whether this is one of the operator's keys. Shorter ones are words that may stand anywhere."""
        return len(value) >= _MIN_SECRET_CHARACTERS and self._is_known(value)

    async def check(self, *, method: str, path: str, headers: Headers, peer: str | None) -> Caller:
        """Who asks; `ANYONE` where no key is asked for.

        Raises PermissionDeniedError or AuthenticationError for a request that may not pass.
        """
        keys = await self._key_ring.keys() if self._key_ring else _NO_KEYS
        if not self._key_digests and not keys.has_any:
            self._check_local(headers, peer)
            return ANYONE
        if (method, path) in self._probes:
            return ANYONE
        if not path.startswith(API_PREFIX):
            self._check_origin(headers)
        elif self.cross_origin.is_preflight(method, headers):
            return ANYONE
        return self._check_key(path, headers, keys)

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

    def _check_key(self, path: str, headers: Headers, keys: Keys) -> Caller:
        offered = list(_credentials(path, headers))
        if not offered:
            raise AuthenticationError("x-api-key header is required (or Authorization: Bearer)")
        callers = (keys.caller(key) or self._operators(key) for _, key in offered)
        known = next((caller for caller in callers if caller is not None), None)
        if known is None:
            raise AuthenticationError(f"invalid {offered[0][0]}")
        return known

    def _operators(self, key: str) -> Caller | None:
        """Who shows one of the operator's keys. Its tenant is a hash from which the key cannot be told."""
        if not self._is_known(key):
            return None
        tenant = _digest(f"tenant {key}").hex()
        return Caller(tenant=tenant, key_id=f"option_{tenant[:12]}")

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
