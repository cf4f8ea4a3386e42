"""Where spans go."""

from __future__ import annotations

import gzip
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from caesura.cli.tracing import tracing_to
from caesura.messages.content import conversation
from caesura.messages.errors import CaesuraError
from caesura.messages.fold import collect
from caesura.messages.request import MessagesRequest
from caesura.messages.scripted import ScriptedClient

ASK = MessagesRequest(model="scripted", conversation=conversation(("user", "hi")), max_tokens=9)


@contextmanager
def collector() -> Generator[tuple[str, list[tuple[str, bytes]]]]:
    """A server that takes whatever is sent: its URL, and what came."""
    came: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            is_packed = self.headers.get("content-encoding") == "gzip"
            came.append((self.path, gzip.decompress(body) if is_packed else body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", came
        finally:
            server.shutdown()
            thread.join()


async def test_spans_are_with_the_collector_when_the_server_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OTEL_SDK_DISABLED", raising=False)
    with collector() as (url, came):
        with tracing_to(url) as tracing:
            assert tracing is not None
            await collect(tracing.client(ScriptedClient(["hello"])).stream(ASK))
        ((path, body),) = came
    assert path == "/v1/traces"
    assert b"chat scripted" in body
    assert b"caesura" in body
    assert b"hello" not in body


def test_without_a_collector_nothing_is_followed() -> None:
    with tracing_to(None) as tracing:
        assert tracing is None


def test_an_environment_that_forbids_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with pytest.raises(CaesuraError, match="OTEL_SDK_DISABLED"), tracing_to("http://localhost:4318"):
        pass
