"""The header that switches the memory on, for clients that cannot name tools.

Enters: an exchange. Leaves: whether a memory is wanted, or an `InvalidRequestError`. Read next:
`memory_client.py`.
"""

from __future__ import annotations

from caesura.messages.errors import InvalidRequestError
from caesura.server.exchange import Exchange

MEMORY_HEADER = "caesura-memory"


def wants_memory(exchange: Exchange) -> bool:
    """Whether the header says so. Raises InvalidRequestError for one that says neither."""
    value = exchange.headers.get(MEMORY_HEADER, "off").strip().lower()
    if value not in ("on", "off"):
        raise InvalidRequestError(f"{MEMORY_HEADER}: the header must be `on` or `off`, not `{value[:40]}`")
    return value == "on"


def refuse_memory(exchange: Exchange, instead: str) -> None:
    """Refuse the header where it would have no effect. instead: what has one."""
    if wants_memory(exchange):
        raise InvalidRequestError(f"{MEMORY_HEADER}: the header has no effect here; {instead}")
