"""Where requests and replies can be followed: what a tracer of theirs looks like.

Nothing here traces anything, so that a server without a tracer needs none. Enters: nothing. Leaves: a
protocol. Read next: `telemetry.py`, which keeps it with OpenTelemetry; `app.py`, which offers it what passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from starlette.routing import Route
from starlette.types import ASGIApp

from caesura.messages.client import Client


class Tracing(Protocol):
    """Follows what passes through an app and a Client, and changes nothing of it."""

    def app(self, app: ASGIApp, routes: Sequence[Route]) -> ASGIApp:
        """The app, with its requests followed. routes: those that are told by name."""
        ...

    def client(self, client: Client) -> Client:
        """The Client, with its replies followed."""
        ...
