"""Rows: events, stop reasons, errors, headers. Enters: nothing. Leaves: `Row`s. Read next: `page.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from caesura.engine.local_client import STOP_REASONS
from caesura.messages.scripted import ScriptedClient, ScriptedReply
from caesura.server import ServerConfig, create_app
from caesura.server.backing import Backing
from tests.compatibility.context import LONG, PAUSES, SUMMARISED
from tests.compatibility.documents import CITING, ON, PLAIN, document, said
from tests.compatibility.engines import FILLED, OVERFLOWS
from tests.compatibility.memory import PAUSED
from tests.compatibility.parameters import TOOL
from tests.compatibility.probe import (
    NEVER,
    NEW,
    WORKS,
    Answer,
    Check,
    Probe,
    Row,
    asking,
    asking_another,
    error,
    field,
    judged,
)

_SAID: dict[str, Any] = {"stream": True}
_THOUGHT: dict[str, Any] = {"stream": True, "thinking": {"type": "adaptive"}}
_CALLED: dict[str, Any] = {
    "stream": True,
    "tools": [TOOL],
    "messages": [{"role": "user", "content": '[[call look {"far": true}]]'}],
}


def _saying(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def _sends(kind: str, asked: dict[str, Any], headers: dict[str, str] | None = None) -> Check:
    """An event, or a delta, of this type."""

    async def check(probe: Probe) -> str:
        events = (await probe.message(asked, headers)).events
        kinds = {event["type"] for event in events} | {event.get("delta", {}).get("type") for event in events}
        return WORKS if kind in kinds else NEVER

    return check


async def _is_in_order(probe: Probe) -> str:
    kinds = [event["type"] for event in (await probe.message(_THOUGHT)).events if event["type"] != "ping"]
    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    once = [kind for at, kind in enumerate(kinds) if kinds[at - 1 : at] != [kind]]
    return WORKS if once == ["message_start", *block, *block, "message_delta", "message_stop"] else "differs"


async def _is_signed_last(probe: Probe) -> str:
    events = (await probe.message(_THOUGHT)).events
    deltas = [
        event["delta"]["type"]
        for event in events
        if event["type"] == "content_block_delta" and not event["index"]
    ]
    return WORKS if deltas[-1] == "signature_delta" and deltas.count("signature_delta") == 1 else "differs"


EVENTS = [
    Row("order: one open block at a time", _is_in_order),
    *[
        Row(f"`{kind}`", _sends(kind, _SAID))
        for kind in (
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        )
    ],
    Row("`error`", _sends("error", {**_SAID, **_saying("[[break overloaded]]")})),
    Row("`text_delta`", _sends("text_delta", _SAID)),
    Row("`thinking_delta`", _sends("thinking_delta", _THOUGHT)),
    Row("`signature_delta`: one, the last", _is_signed_last),
    Row("`input_json_delta`", _sends("input_json_delta", _CALLED)),
    Row("`citations_delta`", _sends("citations_delta", {**_SAID, **said({**document(PLAIN), **ON}, CITING)})),
    Row("`compaction_delta`", _sends("compaction_delta", {**_SAID, **LONG, **SUMMARISED})),
    Row(
        "`estimated_tokens`, with `thinking-token-count-2026-05-13`",
        field(
            _THOUGHT,
            lambda each: "estimated_tokens" in str(each.events),
            {"anthropic-beta": "thinking-token-count-2026-05-13"},
        ),
    ),
]


def _stops(reason: str, asked: dict[str, Any], remark: str = "") -> Row:
    return Row(f"`{reason}`", field(asked, lambda each: each.body["stop_reason"] == reason), remark)


async def _refusal(probe: Probe) -> str:
    """Only a model refuses, and this is how those of ours end."""
    return WORKS if "refusal" in STOP_REASONS.values() else NEVER


ENDINGS = [
    _stops("end_turn", {}),
    _stops("max_tokens", {"max_tokens": 1}),
    _stops("stop_sequence", {"stop_sequences": ["forty"]}),
    _stops("tool_use", {**_CALLED, "stream": False}),
    _stops("pause_turn", PAUSED, "after 10 rounds with the server's memory"),
    Row("`refusal`", _refusal, "no model is made to refuse"),
    FILLED,
    _stops("compaction", {**LONG, **PAUSES}, "with `pause_after_compaction`"),
]


async def _from_elsewhere(probe: Probe) -> Answer:
    async with asking_another(Backing()) as other:
        return await other.message({}, {"host": "hares.example"})


async def _stalled() -> AsyncGenerator[bytes]:
    """A body whose rest never comes."""
    yield b"{"
    await asyncio.Event().wait()


async def _too_slow(probe: Probe) -> Answer:
    app = create_app(ScriptedClient(), ServerConfig(body_timeout_s=0.01))
    async with asking(app, ScriptedClient()) as other:
        return await other.ask("POST", "/v1/messages", content=_stalled())


async def _is_pinged(probe: Probe) -> str:
    scripted = ScriptedClient([ScriptedReply(text="Well.", delay_s=0.1)])
    async with asking(create_app(scripted, ServerConfig(ping_interval_s=0.01)), scripted) as other:
        events = (await other.message({"stream": True})).events
    return WORKS if "ping" in [event["type"] for event in events] else NEVER


PING = Row("`ping`", _is_pinged, "after 10 seconds of silence")
ERRORS = [
    Row(
        "400 `invalid_request_error`",
        error(400, "invalid_request_error", lambda probe: probe.message({"max_tokens": -1})),
    ),
    Row(
        "401 `authentication_error`",
        error(401, "authentication_error", lambda probe: probe.message({}, {"x-api-key": "wrong"})),
    ),
    Row(
        "403 `permission_error`",
        error(403, "permission_error", _from_elsewhere),
        "where a server without keys is asked by a name that it does not know",
    ),
    Row(
        "404 `not_found_error`: a model",
        error(404, "not_found_error", lambda probe: probe.message({"model": "no-such"})),
    ),
    Row(
        "404 `not_found_error`: a path",
        error(404, "not_found_error", lambda probe: probe.ask("GET", "/v1/no-such")),
    ),
    Row("408 `timeout_error`", error(408, "timeout_error", _too_slow), "where the body does not come"),
    Row(
        "413 `request_too_large`",
        error(413, "request_too_large", lambda probe: probe.message(_saying("x" * 2**21))),
    ),
    Row(
        "429 `rate_limit_error`",
        error(429, "rate_limit_error", lambda probe: probe.message(_saying("[[raise rate_limit]]"))),
    ),
    Row("500 `api_error`", error(500, "api_error", lambda probe: probe.message(_saying("[[raise fault]]")))),
    Row(
        "529 `overloaded_error`",
        error(529, "overloaded_error", lambda probe: probe.message(_saying("[[raise overloaded]]"))),
    ),
    *OVERFLOWS,
]


def _has_headers(*names: str, asked: dict[str, Any] | None = None) -> Check:
    return judged(
        lambda probe: probe.message(asked or {}), lambda each: all(name in each.headers for name in names)
    )


async def _allowance(probe: Probe) -> str:
    answer = await probe.message({}, {"x-api-key": probe.poor_key})
    names = [f"anthropic-ratelimit-requests-{part}" for part in ("limit", "remaining", "reset")]
    return WORKS if all(name in answer.headers for name in names) else NEVER


async def _retry_after(probe: Probe) -> str:
    limited = await probe.message(_saying("[[raise rate_limit]]"))
    full = await probe.message(_saying("[[raise overloaded]]"))
    found = [each.headers.get("retry-after") for each in (limited, full)]
    return WORKS if found == ["7", "1"] else NEVER


def _sent_header(name: str) -> Check:
    async def check(probe: Probe) -> str:
        return WORKS if name in (await probe.message({})).headers else NEVER

    return check


def _with_headers(headers: dict[str, str]) -> Check:
    return judged(lambda probe: probe.message({}, headers), lambda each: each.kinds == ["text"])


async def _bearer(probe: Probe) -> str:
    answer = await probe.message({}, {"x-api-key": "", "authorization": f"Bearer {probe.key}"})
    return WORKS if answer.status == 200 else f"refused with {answer.status}"


async def _both_credentials(probe: Probe) -> str:
    answer = await probe.message({}, {"authorization": f"Bearer {probe.key}"})
    return WORKS if answer.status == 200 else f"refused with {answer.status}"


HEADERS = [
    Row("`request-id`", _has_headers("request-id"), "also on errors"),
    Row("`anthropic-ratelimit-...`", _allowance, "for keys that have limits"),
    Row("`retry-after`", _retry_after, "on every 429 and 529"),
    Row("`retry-after-ms`", _sent_header("retry-after-ms")),
    Row("`x-should-retry`", _sent_header("x-should-retry")),
    Row("`anthropic-organization-id`", _sent_header("anthropic-organization-id")),
    Row("`anthropic-workspace-id`", _sent_header("anthropic-workspace-id")),
    Row(
        "request: `anthropic-user-profile-id`, `anthropic-workspace-id`",
        judged(
            lambda probe: probe.message(
                {}, {"anthropic-user-profile-id": "u", "anthropic-workspace-id": "w"}
            ),
            lambda each: False,
        ),
    ),
    Row("request: `x-api-key`", judged(lambda probe: probe.message({}), lambda each: each.kinds)),
    Row("request: `authorization: Bearer`", _bearer),
    Row("request: both", _both_credentials),
    Row("request: `anthropic-version` 2023-06-01", _with_headers({})),
    Row("request: `anthropic-version` 2026-10-21", _with_headers({"anthropic-version": NEW})),
    Row(
        "request: a date that is not known",
        _with_headers({"anthropic-version": "2030-01-01"}),
        "as the newest",
    ),
    Row("request: no `anthropic-version`", _with_headers({"anthropic-version": ""}), "as 2023-06-01"),
    Row(
        "request: betas that are not known",
        judged(
            lambda probe: probe.message({}, {"anthropic-beta": "of-tomorrow-2030-01-01"}), lambda each: False
        ),
    ),
    Row(
        "request: `x-stainless-...`",
        judged(lambda probe: probe.message({}, {"x-stainless-retry-count": "1"}), lambda each: False),
    ),
]
