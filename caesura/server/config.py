"""What an operator can choose about the server.

Enters: nothing. Leaves: an immutable `ServerConfig`. Read next: `app.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from caesura.messages.errors import CaesuraError
from caesura.messages.pdf import PdfLimits

MIB = 2**20

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@*]+", re.IGNORECASE)
_USUAL_PORT = re.compile(r"http://.*:80|https://.*:443", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """The server's settings.

    api_keys: the keys that open it; without any it answers on loopback only.
    allows_sampling: whether the dialect 2026-10-21 takes `temperature`, `top_p` and `top_k` after all.
    is_strict: whether request fields that are not known are refused rather than ignored.
    ping_interval_s: how long a stream may be silent before a `ping`.
    body_timeout_s: how long the next byte of a request may take.
    write_timeout_s: how long a client may leave a stream unread once nothing more of it can be sent.
    max_body_bytes: the largest request body that is read. max_batch_bytes: of a message batch's.
    max_held_bytes: what the bodies of all requests together may take.
    opens_metrics: whether `/metrics` needs no key where everything else does.
    allowed_hosts: further names under which a server without keys may be addressed.
    pdf_limits: what the PDFs of one request may take.
    allowed_origins: further origins (`https://name:port`) whose pages may call the API from a browser.
    """

    api_keys: tuple[str, ...] = ()
    allows_sampling: bool = False
    is_strict: bool = False
    ping_interval_s: float = 10.0
    body_timeout_s: float = 60.0
    write_timeout_s: float = 60.0
    max_body_bytes: int = 32 * MIB
    max_batch_bytes: int = 256 * MIB
    max_held_bytes: int = 2048 * MIB
    opens_metrics: bool = False
    pdf_limits: PdfLimits = PdfLimits()  # noqa: RUF009 (immutable)
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(key.strip() for key in self.api_keys):
            raise CaesuraError("an API key is blank; give a key, or none at all")
        # Headers carry no other characters in one agreed form, so such a key would open nothing.
        if not all(key.isascii() and key.isprintable() for key in self.api_keys):
            raise CaesuraError("an API key holds characters other than printable ASCII; choose another key")
        for origin in self.allowed_origins:
            if not _is_origin(origin):
                raise CaesuraError(
                    f"`{origin}` is no origin that can be allowed: name one as its browser does, such as"
                    " https://app.example or http://localhost:3000, without a path or the usual port;"
                    " `*` and `null` stand for any page, and are never allowed"
                )


def _is_origin(text: str) -> bool:
    """Whether a browser can call an origin by this name: no path, and a port only where it is unusual."""
    is_known = text.isascii() and _ORIGIN.fullmatch(text) is not None
    return is_known and _USUAL_PORT.fullmatch(text) is None
