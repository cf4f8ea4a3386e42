"""Rows that a real engine answers: the scripted model has no window that it could fill, and keeps no prompt.

Enters: nothing. Leaves: `Row`s. Read next: `page.py`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from caesura.engine import EngineConfig, LocalClient
from caesura.messages.scripted import ScriptedClient
from caesura.server import create_app
from tests.compatibility.probe import WORKS, Answer, Check, Probe, Row, asking, verdict
from tests.engine.conftest import WINDOW, tiny_model

Json = dict[str, Any]

SHORT: Json = {"model": "tiny", "temperature": 0, "max_tokens": 1}


@asynccontextmanager
async def _engine() -> AsyncGenerator[Probe]:
    """A server with an engine of its own."""
    client = LocalClient({"tiny": tiny_model()}, EngineConfig(num_pages=64, num_threads=1))
    try:
        async with asking(create_app(client), ScriptedClient()) as engine:
            yield engine
    finally:
        client.close()


async def _fills_the_window(probe: Probe) -> str:
    beta = {"anthropic-beta": "model-context-window-exceeded-2025-08-26"}
    # A long prompt, so that not much has to be written.
    long = {"messages": [{"role": "user", "content": "x" * (WINDOW - 50)}]}
    async with _engine() as engine:
        answer = await engine.message({**SHORT, **long, "max_tokens": WINDOW}, beta)
    return verdict(answer, lambda each: each.body["stop_reason"] == "model_context_window_exceeded")


def _refused_with(wording: str, fields: Json) -> Check:
    """In the words at which clients compact, or ask for less."""

    async def check(probe: Probe) -> str:
        async with _engine() as engine:
            answer = await engine.message({**SHORT, **fields})
        return WORKS if answer.status == 400 and wording in answer.error["message"] else "differs"

    return check


async def _a_miss_is_explained(probe: Probe) -> str:
    async with _engine() as engine:
        first = await engine.message({**SHORT, "diagnostics": {"previous_message_id": None}})
        told = {"diagnostics": {"previous_message_id": first.body["id"]}}
        answer = await engine.message({**SHORT, **told, "system": "Be brief."})
    return verdict(answer, _names_the_system)


def _names_the_system(answer: Answer) -> bool:
    return answer.body["diagnostics"]["cache_miss_reason"]["type"] == "system_changed"


FILLED = Row(
    "`model_context_window_exceeded`",
    _fills_the_window,
    "with `model-context-window-exceeded-2025-08-26`, or where the server's memory fills the window",
)
OVERFLOWS = [
    Row(
        "400: `prompt is too long`",
        _refused_with(
            f"tokens > {WINDOW} maximum", {"messages": [{"role": "user", "content": "a hare " * WINDOW}]}
        ),
        "in the words at which clients compact",
    ),
    Row(
        "400: `max_tokens` behind the prompt",
        _refused_with("exceed context limit", {"max_tokens": WINDOW}),
        "in the words at which clients ask for less",
    ),
]
DIAGNOSED = Row("`diagnostics.cache_miss_reason`", _a_miss_is_explained)
