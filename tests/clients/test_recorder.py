"""What passes through the recorder is what would have passed without it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from caesura.messages.scripted import ScriptedClient, ScriptedReply
from tests.clients.passages import faults
from tests.clients.recorder import Recorder
from tests.clients.servers import scripted_server
from tests.web.serving import api_app, serving

ASK = {"model": "scripted", "max_tokens": 50, "messages": [{"role": "user", "content": "[[say so it is]]"}]}


def test_a_stream_is_handed_on_and_noted_down(tmp_path: Path) -> None:
    with scripted_server(tmp_path) as scripted:
        recorder = Recorder(scripted.url)
        with serving(lambda _: recorder) as url:
            headers = {"x-api-key": scripted.key, "anthropic-beta": "a, b"}
            answer = httpx.post(f"{url}/v1/messages?beta=true", json={**ASK, "stream": True}, headers=headers)
        (passage,) = recorder.passages
    assert (passage.method, passage.path, passage.query) == ("POST", "/v1/messages", "beta=true")
    assert (passage.status, passage.is_whole, passage.is_reply) == (200, True, True)
    assert passage.betas == ["a", "b"]
    assert passage.body["max_tokens"] == 50
    assert passage.first_s is not None
    assert not faults(passage.events)
    assert answer.text.count("event: content_block_delta") == 3


def test_an_error_is_noted_down_too(tmp_path: Path) -> None:
    with scripted_server(tmp_path) as scripted:
        recorder = Recorder(scripted.url)
        with serving(lambda _: recorder) as url:
            answer = httpx.post(f"{url}/v1/messages", json=ASK, headers={"x-api-key": "wrong"})
        (passage,) = recorder.passages
    assert answer.status_code == passage.status == 401
    assert passage.events[0]["error"]["type"] == "authentication_error"
    assert passage.first_s is None


async def test_whoever_leaves_the_recorder_leaves_the_server() -> None:
    pause = asyncio.Event()
    client = ScriptedClient(otherwise=ScriptedReply(text="late", pause=pause))
    with serving(api_app(client)) as upstream:
        recorder = Recorder(upstream)
        with serving(lambda _: recorder) as url:
            with pytest.raises(httpx.ReadTimeout):
                await asyncio.to_thread(httpx.post, f"{url}/v1/messages", json=ASK, timeout=0.5)
            async with asyncio.timeout(30):
                while not client.num_closed_early:
                    await asyncio.sleep(0.01)
    assert not recorder.passages[0].is_whole
