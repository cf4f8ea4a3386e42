"""From the command line's words to a Client: a server that is told, one that is found, or our own model.

Enters: a base URL or none. Leaves: a `Client` and where it answers. Read next: `local.py`, for the model
in this process.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import httpx

from caesura.cli.bundled import BUNDLED_NAME, bundled_folder
from caesura.cli.screen import stderr
from caesura.messages.client import Client
from caesura.messages.remote import RemoteClient
from caesura.messages.wire import SERVER_NAME

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000
_PROBE_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Someone to talk to.

    client: who answers.
    place: where, for people to read.
    """

    client: Client
    place: str


@asynccontextmanager
async def connected(base_url: str | None, api_key: str | None) -> AsyncGenerator[Connection]:
    """The server at `base_url`; without one, the server on this machine; without that, the bundled model."""
    own = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
    if base_url is None and await is_caesura(own):
        base_url = own
    if base_url is not None:
        async with RemoteClient(base_url, api_key) as client:
            yield Connection(client=client, place=base_url)
        return
    # Torch takes seconds to import, and a chat with a server needs none of it.
    from caesura.cli.local import local_client

    stderr.print("[dim]No server on this machine; loading the bundled model ...[/]")
    with local_client({BUNDLED_NAME: bundled_folder()}) as client:
        yield Connection(client=client, place="the bundled model, in this process")


async def is_caesura(base_url: str) -> bool:
    """Whether a server of ours answers there. It is asked without a key, which is nobody else's business."""
    try:
        async with httpx.AsyncClient(timeout=_PROBE_TIMEOUT_S, trust_env=False) as http:
            reply = await http.get(f"{base_url}/health")
            body: Any = reply.json()
    except (httpx.HTTPError, ValueError):
        return False
    return isinstance(body, dict) and cast("dict[str, Any]", body).get("server") == SERVER_NAME
