"""What HTTP costs: tokens a second through the server's streams, beside those of the engine alone.

The server runs in a process of its own, as `caesura serve` starts it, page and all; this process is the
client. Clients usually run on machines of their own, so this one reads as cheaply as it can: a thread a
stream, which looks at nothing but the end. The engine alone runs in this process, while the server sleeps.
Both compute the same prompts to the same length. Enters: a folder. Leaves: figures. Read next:
`training.py`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from bench.contest import native_build
from bench.decode import QUICK, Sizes, check_length
from bench.measure import Figure, interleaved, rate
from caesura.engine import Engine, EngineConfig, LoadedModel, SequenceRequest, build_engine, load
from caesura.messages.content import conversation
from caesura.messages.request import Sampling

_START_S = 120.0
_NAME = "bench"


def _question(number: int) -> str:
    return f"Tell me a long story about {number + 2} hares and a tortoise. " * 4


@contextmanager
def served(folder: Path, state: Path) -> Generator[str]:
    """The base URL of a server in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("caesura")), "serve", "--port", str(port)]
    environment = {**os.environ, "CAESURA_STATE": str(state)}
    with (state / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--model", f"{_NAME}={folder}"], env=environment, stdout=log, stderr=log
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_up(url, process, state / "server.log")
            yield url
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up_at = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < give_up_at:
        try:
            if httpx.get(f"{url}/health", timeout=2.0).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError(f"the server did not come up:\n{log.read_text(encoding='utf-8')[-2000:]}")


def _stream(url: str, number: int, num_new: int) -> int:
    """One streamed reply; returns its output tokens as the server counts them."""
    body = {
        "model": _NAME,
        "max_tokens": num_new,
        "temperature": 0.0,
        "stream": True,
        "messages": [{"role": "user", "content": _question(number)}],
    }
    tail = b""
    with closing(HTTPConnection(urlsplit(url).netloc, timeout=300.0)) as connection:
        connection.request("POST", "/v1/messages", json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"the server refused: {response.read()[:500]!r}")
        while chunk := response.read1(2**16):
            tail = (tail + chunk)[-4096:]
    outcome: dict[str, Any] = json.loads(tail.rpartition(b"event: message_delta\ndata: ")[2].split(b"\n")[0])
    return int(outcome["usage"]["output_tokens"])


def _through_http(url: str, streams: int, num_new: int) -> int:
    with ThreadPoolExecutor(streams) as clients:
        written = sum(clients.map(partial(_stream, url, num_new=num_new), range(streams)))
    check_length(written, streams * num_new)
    return written


def _engine_alone(engine: Engine, loaded: LoadedModel, streams: int, num_new: int) -> int:
    prompts = [
        loaded.chat_format.render(conversation(("user", _question(number))), opening="answer").ids
        for number in range(streams)
    ]
    greedy = Sampling(temperature=0.0)
    requests = [SequenceRequest(prompt=each, max_tokens=num_new, sampling=greedy) for each in prompts]
    written = sum(each.finished.usage.output_tokens for each in engine.generate(requests))
    check_length(written, streams * num_new)
    return written


def measure_server(folder: Path, *, is_quick: bool) -> list[Figure]:
    """The share of the engine's tokens that arrives through HTTP streaming."""
    sizes = QUICK if is_quick else Sizes(num_new=512)
    loaded = load(folder)
    engine = build_engine(loaded, EngineConfig(native=native_build()))
    figures: list[Figure] = []
    with served(folder, folder.parent) as url:
        for streams in sizes.streams:
            ours, alone = interleaved(
                sizes.repeats,
                partial(rate, partial(_through_http, url, streams, sizes.num_new)),
                partial(rate, partial(_engine_alone, engine, loaded, streams, sizes.num_new)),
            )
            name = f"HTTP streaming, {streams} stream{'s' if streams > 1 else ''} of {sizes.num_new}"
            figures.append(
                Figure(name=name, unit="tokens/s", ours=ours, peer="the engine alone", peers=alone)
            )
    engine.close()
    return figures
