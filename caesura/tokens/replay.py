"""Whole conversations back from ids: what the property tests hold the format against.

Calls get ids by their number in the conversation, and results those of the calls in the turn before; whether
a result was an error is read off its text. Enters: ids that `CaesuraFormat.render` wrote with `opening=None`.
Leaves: the `Conversation`. Read next: `chat_format.py`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

from caesura.messages.content import (
    Block,
    Conversation,
    Role,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
)
from caesura.tokens import markers
from caesura.tokens.tokenizer import Tokenizer
from caesura.tokens.tool_text import ERROR_PREFIX, TOOLS_HEADING


class _Part(NamedTuple):
    """A marker and the text after it."""

    marker: str
    text: str


def parse_conversation(tokenizer: Tokenizer, ids: Sequence[int]) -> Conversation:
    """The conversation that was rendered. Raises ValueError if the ids are not a finished one."""
    names = {tokenizer.marker(name): name for name in markers.MARKERS}
    if not ids or names.get(ids[0]) != markers.BEGIN or (len(ids) > 1 and names.get(ids[-1]) != markers.END):
        raise ValueError("not a finished conversation")
    numbers = itertools.count()
    turns: list[Turn] = []
    start = 1
    for position in range(1, len(ids)):
        if names.get(ids[position]) == markers.END:
            asked = turns[-1].content if turns else ()
            turns.append(_turn(_parts(tokenizer, names, ids[start:position]), numbers, asked))
            start = position + 1
    if not turns or turns[0].role != "system":
        return Conversation(turns=tuple(turns))
    tools, system = _tools(cast(tuple[TextBlock, ...], turns[0].content))
    return Conversation(turns=tuple(turns[1:]), system=system, tools=tools)


def _parts(tokenizer: Tokenizer, names: dict[int, str], ids: Sequence[int]) -> list[_Part]:
    starts = [at for at, token in enumerate(ids) if token in names]
    return [
        _Part(names[ids[start]], tokenizer.decode(ids[start + 1 : stop]))
        for start, stop in zip(starts, [*starts[1:], len(ids)], strict=True)
    ]


def _turn(parts: list[_Part], numbers: Iterator[int], asked: Sequence[Block]) -> Turn:
    calls = (block.id for block in asked if isinstance(block, ToolUseBlock))
    blocks: list[Block] = []
    opener = ""
    for marker, text in parts:
        if marker == markers.NEXT and opener == markers.TOOL_RESULT:
            blocks[-1] = _grown(cast(ToolResultBlock, blocks[-1]), text)
            continue
        opener = marker
        if marker == markers.THINK:
            blocks.append(ThinkingBlock(thinking=text))
        elif marker == markers.TOOL_CALL:
            call = json.loads(text)
            blocks.append(
                ToolUseBlock(id=f"toolu_{next(numbers)}", name=call["name"], input=call["arguments"])
            )
        elif marker == markers.TOOL_RESULT:
            blocks.append(_result(next(calls), text))
        elif text:
            blocks.append(TextBlock(text=text))
    return Turn(role=cast(Role, parts[0].marker.strip("<|>")), content=tuple(blocks))


def _result(call: str, text: str) -> ToolResultBlock:
    told = text.removeprefix(ERROR_PREFIX)
    content = (TextBlock(text=told),) if told else ()
    return ToolResultBlock(tool_use_id=call, content=content, is_error=text.startswith(ERROR_PREFIX))


def _grown(result: ToolResultBlock, text: str) -> ToolResultBlock:
    content = (*result.content, TextBlock(text=text))
    return ToolResultBlock(tool_use_id=result.tool_use_id, content=content, is_error=result.is_error)


def _tools(system: tuple[TextBlock, ...]) -> tuple[tuple[Tool, ...], tuple[TextBlock, ...]]:
    """The system turn's tools and its instructions."""
    if not system or not system[0].text.startswith(f"{TOOLS_HEADING}\n"):
        return (), system
    tools = (Tool(**json.loads(line)) for line in system[0].text.split("\n")[1:])
    return tuple(tools), system[1:]
