"""A server in a process of its own that can be stopped and started again, and timed requests to it.

Enters: a folder and where the server may write. Leaves: `Reply`s. Read next: `cache.py`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.settings import Settings

NAME = "bench"
_START_S = 120.0
_STOP_S = 120.0
_REPLY_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One streamed reply.

    first_s: from the request's first byte to the first piece of text.
    step_s: between tokens after that, on average.
    usage: as the server counts.
    """

    first_s: float
    step_s: float
    usage: dict[str, Any]

    @property
    def num_read(self) -> int:
        """Prompt tokens that came from the cache."""
        return int(self.usage["cache_read_input_tokens"])

    @property
    def num_written(self) -> int:
        """Output tokens."""
        return int(self.usage["output_tokens"])

    @property
    def num_prompt(self) -> int:
        """All prompt tokens."""
        return sum(
            int(self.usage[name])
            for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        )


class Server:
    """`caesura serve` with a cache folder."""

    def __init__(self, folder: Path, state: Path, settings: Settings, options: Sequence[str] = ()) -> None:
        """options: further ones of `caesura serve`."""
        self._state = state
        self._command = [str(Path(sys.executable).with_name("caesura")), "serve", "--no-page", "--port"]
        self._options = ["--model", f"{NAME}={folder}", "--cache-dir", str(self.cache)]
        self._options += ["--threads", str(settings.threads)] if settings.threads else []
        self._options += options
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self._client = httpx.Client(timeout=_REPLY_S, trust_env=False)

    @property
    def cache(self) -> Path:
        """Where the server keeps prefixes."""
        return self._state / "cache"

    def start(self) -> None:
        """Come up on a free port. Raises RuntimeError if it does not."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._state.mkdir(parents=True, exist_ok=True)
        with (self._state / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, str(self.port), *self._options],
                env={**os.environ, "CAESURA_STATE": str(self._state)},
                stdout=log,
                stderr=log,
            )
        self._url = f"http://127.0.0.1:{self.port}"
        self._wait_until_up(self._process)

    def stop(self) -> None:
        """Stop in good order."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=_STOP_S)
            self._process = None

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._client.close()

    @property
    def pid(self) -> int:
        """Of the process that runs. Raises RuntimeError if none does."""
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError("the server does not run")
        return self._process.pid

    def numbers(self) -> dict[str, int]:
        """What the engine is doing: the fields of its `EngineStats`."""
        return self._client.get(f"{self._url}/health").json()["engines"][NAME]

    def count(self, body: dict[str, Any]) -> int:
        """Tokens of a request's prompt."""
        fields = {name: value for name, value in body.items() if name in ("model", "system", "messages")}
        response = self._client.post(f"{self._url}/v1/messages/count_tokens", json=fields)
        if not response.is_success:
            raise RuntimeError(f"the server refused to count: {response.text[:500]}")
        return int(response.json()["input_tokens"])

    def ask(self, body: dict[str, Any]) -> Reply:
        """Stream a reply to its end."""
        start_s = time.perf_counter()
        first_s = last_s = 0.0
        usage: dict[str, Any] = {}
        with self._client.stream("POST", f"{self._url}/v1/messages", json=body) as response:
            if not response.is_success:
                raise RuntimeError(f"the server refused: {response.read()[:500]!r}")
            for line in response.iter_lines():
                now_s = time.perf_counter() - start_s
                if line.startswith("data: "):
                    event = json.loads(line.removeprefix("data: "))
                    if event["type"] == "content_block_delta":
                        first_s, last_s = first_s or now_s, now_s
                    elif event["type"] == "message_delta":
                        usage = event["usage"]
                    elif event["type"] == "error":
                        raise RuntimeError(f"the server failed: {line[:500]}")
        steps = max(1, int(usage["output_tokens"]) - 1)
        return Reply(first_s=first_s, step_s=(last_s - first_s) / steps, usage=usage)

    def _wait_until_up(self, process: subprocess.Popen[bytes]) -> None:
        give_up_at = time.monotonic() + _START_S
        while process.poll() is None and time.monotonic() < give_up_at:
            try:
                if self._client.get(f"{self._url}/health", timeout=2.0).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        log = (self._state / "server.log").read_text(encoding="utf-8")
        self.stop()
        raise RuntimeError(f"the server did not come up:\n{log[-2000:]}")


@contextmanager
def running(folder: Path, state: Path, settings: Settings, options: Sequence[str] = ()) -> Generator[Server]:
    """A server that is up. options: further ones of `caesura serve`."""
    server = Server(folder, state, settings, options)
    try:
        server.start()
        yield server
    finally:
        server.close()
