"""A summary is work: what is wrong with a request is said before it, and what was done is paid for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from caesura.messages.context_client import ContextClient
from caesura.messages.errors import ApiError, InvalidRequestError
from caesura.messages.events import Event
from caesura.messages.fold import collect
from caesura.messages.iterations import billed
from caesura.messages.request import MessagesRequest
from caesura.messages.response import ModelInfo, Usage
from caesura.messages.scripted import SCRIPTED_MODEL, ScriptedClient, ScriptedReply
from caesura.messages.sealing import Sealer
from caesura.messages.signing import SigningClient
from caesura.messages.validation import parse_request

SMALL = replace(SCRIPTED_MODEL, max_input_tokens=400, max_tokens=300)
COMPACT: Any = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 100}}
ASKED: dict[str, Any] = {
    "model": "scripted",
    "max_tokens": 300,
    "messages": [{"role": "user", "content": "word " * 150}],
    "context_management": {"edits": [COMPACT]},
}
FORM: Any = {"format": {"type": "json_schema", "schema": {"type": "object", "uniqueItems": 3}}}


class PickyClient:
    """A Client that can put no answer into a form, and says so when it is asked."""

    def __init__(self, inner: ScriptedClient) -> None:
        self._inner = inner

    async def check(self, request: MessagesRequest) -> None:
        if request.output_format is not None:
            raise InvalidRequestError("output_config.format: no")

    async def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        await self.check(request)
        async for event in self._inner.stream(request):
            yield event

    async def count_tokens(self, request: MessagesRequest) -> int:
        return await self._inner.count_tokens(request)

    async def models(self) -> Sequence[ModelInfo]:
        return await self._inner.models()


@pytest.mark.parametrize("pauses", [False, True])
async def test_a_form_that_cannot_be_had_is_refused_before_any_work(pauses: bool) -> None:
    inner = ScriptedClient(["They talked.", "Done."], models=[SMALL])
    signing = SigningClient(PickyClient(inner), Sealer(bytes(32)))
    edit = {**COMPACT, "pause_after_compaction": pauses}
    asked = {**ASKED, "output_config": FORM, "context_management": {"edits": [edit]}}
    told: list[Usage] = []
    request = replace(parse_request(asked), when_cut=told.append)
    stream = ContextClient(signing).stream(request)
    with pytest.raises(InvalidRequestError, match=r"^output_config\.format: no"):
        await anext(stream)
    assert (inner.history, told) == ([], [])


@pytest.mark.parametrize(
    "failure",
    [InvalidRequestError("no"), ApiError("broken"), ScriptedReply(text="a b", error=ApiError("broken"))],
)
async def test_a_summary_is_charged_though_the_answer_fails(failure: Any) -> None:
    inner = ScriptedClient(["They talked.", failure], models=[SMALL])
    told: list[Usage] = []
    request = replace(parse_request(ASKED), when_cut=told.append)
    with pytest.raises(ApiError):
        await collect(ContextClient(inner).stream(request))
    (usage,) = told
    assert [each.kind for each in usage.iterations] == ["compaction"]
    assert billed(usage).output_tokens == 2


async def test_a_summary_that_fails_itself_costs_nothing() -> None:
    inner = ScriptedClient([ScriptedReply(text="a", error=ApiError("broken"))], models=[SMALL])
    told: list[Usage] = []
    with pytest.raises(ApiError, match="broken"):
        await collect(ContextClient(inner).stream(replace(parse_request(ASKED), when_cut=told.append)))
    assert told == []


async def test_an_answer_that_may_not_fit_behind_its_summary_is_not_refused_then() -> None:
    inner = ScriptedClient(["They talked.", "Done."], models=[SMALL])
    await collect(ContextClient(inner).stream(parse_request(ASKED)))
    assert [request.fills_window for request in inner.history] == [False, True]


async def test_a_trigger_that_is_too_low_is_refused_when_tokens_are_counted_too() -> None:
    low = {**COMPACT, "trigger": {"type": "input_tokens", "value": 99}}
    request = parse_request({**ASKED, "context_management": {"edits": [low]}})
    client = ContextClient(ScriptedClient(models=[SMALL]))
    with pytest.raises(InvalidRequestError, match=r"edits\.0\.compact_20260112\.trigger\.value"):
        await client.count_tokens(request)


async def test_diagnostics_are_of_the_prompt_whose_reply_begins() -> None:
    inner = ScriptedClient(["They talked.", "Done."], models=[SMALL])
    asked = {**ASKED, "diagnostics": {"previous_message_id": "msg_1"}}
    message = await collect(ContextClient(inner).stream(parse_request(asked)))
    # The id that the client sees, and may name in its next request, is the summary's.
    assert message.id == "msg_scripted_1"
    named = [each.diagnostics and each.diagnostics.previous_message_id for each in inner.history]
    assert named == ["msg_1", None]
