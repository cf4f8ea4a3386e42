"""What a server tells of its engines, and to whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import httpx
import pytest
from fastapi import FastAPI

from caesura.messages.scripted import ScriptedClient
from caesura.server import ServerConfig, create_app
from caesura.server.backing import Backing
from tests.server.test_metrics import Numbers

Connect = Callable[[FastAPI], httpx.AsyncClient]
BACKING = Backing(engines=lambda: {"nano": Numbers()})


async def test_health_tells_what_the_engines_are_doing(in_process: Connect) -> None:
    app = create_app(ScriptedClient(), backing=BACKING)
    body = (await in_process(app).get("/health")).json()
    assert body == {"status": "ok", "server": "caesura", "engines": {"nano": asdict(Numbers())}}


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "key"}])
async def test_with_keys_health_tells_nobody_how_busy_the_server_is(
    in_process: Connect, headers: dict[str, str]
) -> None:
    app = create_app(ScriptedClient(), ServerConfig(api_keys=("key",)), BACKING)
    body = (await in_process(app).get("/health", headers=headers)).json()
    assert body == {"status": "ok", "server": "caesura"}
