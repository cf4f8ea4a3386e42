"""Asking tool items of a Client, many at a time.

Enters: items, a setting, a Client. Leaves: `ToolAttempt`s in the items' order. Read next: `tool_results.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from caesura.evals.tool_grading import MadeCall, Reply, Setting, ToolAttempt, grade
from caesura.evals.tool_items import ToolItem
from caesura.messages.client import Client
from caesura.messages.closing import closing
from caesura.messages.content import ToolUseBlock, text_of
from caesura.messages.errors import ApiError
from caesura.messages.events import BlockStart, Event, InputJsonDelta, MessageDelta, TextDelta
from caesura.messages.json_values import parse_input
from caesura.messages.request import MessagesRequest, OutputFormat, Sampling, Thinking

MAX_TOKENS = 256
THINKING_TOKENS = 128


@dataclass(slots=True)
class _Pieces:
    """A call or a text while it arrives; `name` is None for a text."""

    name: str | None
    text: str = ""


def run_tool_items(
    client: Client,
    model: str,
    items: Sequence[ToolItem],
    setting: Setting,
    *,
    temperature: float,
    max_connections: int,
    on_reply: Callable[[int], None] = lambda count: None,
) -> list[ToolAttempt]:
    """Every item once."""

    async def run() -> list[ToolAttempt]:
        gate = asyncio.Semaphore(max_connections)

        async def ask(item: ToolItem) -> ToolAttempt:
            async with gate:
                reply = await read_reply(client.stream(request_of(model, item, setting, temperature)))
            on_reply(1)
            return grade(item, reply, setting)

        return list(await asyncio.gather(*map(ask, items)))

    return asyncio.run(run())


def request_of(model: str, item: ToolItem, setting: Setting, temperature: float) -> MessagesRequest:
    """The request of an item. A forced call goes with no budget, so it is asked for without thinking."""
    thinks = setting == "constrained, thinking" and item.choice.mode in ("auto", "none")
    schema = item.schema
    return MessagesRequest(
        model=model,
        conversation=item.conversation,
        max_tokens=MAX_TOKENS + (THINKING_TOKENS if thinks else 0),
        sampling=Sampling(temperature=temperature, seed=0),
        thinking=Thinking(mode="enabled", budget_tokens=THINKING_TOKENS) if thinks else Thinking(),
        tool_choice=item.choice,
        output_format=None if schema is None else OutputFormat(kind="json_schema", schema=schema),
    )


async def read_reply(stream: AsyncIterator[Event]) -> Reply:
    """What a reply holds, also where a call cannot be read, as may be without a grammar."""
    pieces: list[_Pieces] = []
    outcome: MessageDelta | None = None
    async with closing(stream) as events:
        async for event in events:
            match event:
                case BlockStart(block=ToolUseBlock(name=name)):
                    pieces.append(_Pieces(name))
                case BlockStart(block=block):
                    pieces.append(_Pieces(None, text_of((block,))))
                case InputJsonDelta():
                    pieces[-1].text += event.partial_json
                case TextDelta():
                    pieces[-1].text += event.text
                case MessageDelta():
                    outcome = event
                case _:
                    pass
    if outcome is None:
        raise ApiError("the reply broke off before its end")
    calls = tuple(_call(each.name, each.text) for each in pieces if each.name is not None)
    return Reply(
        calls=calls,
        text="".join(each.text for each in pieces if each.name is None),
        is_broken=any(call.arguments is None for call in calls),
        thinking_tokens=outcome.usage.thinking_tokens,
        output_tokens=outcome.usage.output_tokens,
        stop_reason=outcome.stop_reason,
    )


def _call(name: str, text: str) -> MadeCall:
    try:
        return MadeCall(name, parse_input(text, is_cut=False) if text.strip() else {})
    except ValueError:
        return MadeCall(name, None)
