"""The one seam between those who ask and whatever answers.

Enters: a `MessagesRequest`. Leaves: the event stream. The local engine, a remote Messages server and
the scripted fake are Clients; server, web page and evals know nothing else. Read next:
`scripted.py` (the fake), `remote.py` (HTTP), `caesura/engine/local_client.py` (the engine).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from caesura.messages.events import Event
from caesura.messages.request import MessagesRequest
from caesura.messages.response import ModelInfo


class Client(Protocol):
    """Something that answers Messages requests."""

    def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        """The reply as events, ending in exactly one `MessageStop`.

        Closing the iterator early cancels the generation. Raises `ApiError` (see `errors.py`), before
        the first event for what the request got wrong, later for what failed on the way.
        """
        ...

    async def count_tokens(self, request: MessagesRequest) -> int:
        """The prompt's length in tokens, exactly as `usage` of the same request would sum it."""
        ...

    async def models(self) -> Sequence[ModelInfo]:
        """The models on offer, the default one first."""
        ...
