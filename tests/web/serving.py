"""A real server on loopback for a scripted Client, as long as a test needs it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from caesura.messages.client import Client
from caesura.messages.remote import RemoteClient
from caesura.server import ServerConfig, create_app
from caesura.web.page import mount_page


class _Background:
    """A server on a thread of its own; the app is built on the server's event loop, where it will live."""

    def __init__(self, build: Callable[[], ASGIApp], listener: socket.socket) -> None:
        self._build = build
        self._listener = listener
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    async def _serve(self) -> None:
        config = uvicorn.Config(self._build(), log_config=None, timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        await self._server.serve(sockets=[self._listener])

    def __enter__(self) -> None:
        self._thread.start()
        while self._server is None or not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            time.sleep(0.01)

    def __exit__(self, *exception: object) -> None:
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(timeout=10)


@contextmanager
def serving(build: Callable[[str], ASGIApp]) -> Generator[str]:
    """Serves the app that `build` makes for a base URL, and gives that URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with _Background(lambda: build(url), listener):
            yield url


def api_app(client: Client) -> Callable[[str], FastAPI]:
    """The API alone."""
    return lambda url: create_app(client)


def page_app(client: Client, *, keys: tuple[str, ...] = ()) -> Callable[[str], FastAPI]:
    """The API with the page on top, which talks to it over HTTP as in `caesura serve`."""

    def build(url: str) -> FastAPI:
        app = create_app(client, ServerConfig(api_keys=keys))
        mount_page(app, lambda key: RemoteClient(url, key or None))
        return app

    return build
