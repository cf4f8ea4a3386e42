"""The conversation that a request body holds.

One thing is left out on the way: Claude Code's attribution line, see `_without_attribution`. Enters: a body
whose shape is right and whose rules are kept. Leaves: a `Conversation`. Read next: `validation.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from caesura.messages.blocks_in import (
    WireBlock,
    WireCompaction,
    WireDocument,
    WireImage,
    WireMcpToolResult,
    WireMcpToolUse,
    WireRedactedThinking,
    WireResultBlock,
    WireSearchResult,
    WireText,
    WireThinking,
    WireToolReference,
    WireToolResult,
    WireToolUse,
    marked,
)
from caesura.messages.cleared_sources import place_of
from caesura.messages.content import (
    Block,
    CacheControl,
    CompactionBlock,
    Conversation,
    DocumentBlock,
    ImageBlock,
    RedactedThinkingBlock,
    ResultPart,
    Role,
    SearchResultBlock,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    merge_turns,
)
from caesura.messages.documents_in import (
    Pdfs,
    citations_of,
    document_of,
    documents_in,
    is_citable,
    search_result_of,
)
from caesura.messages.images_in import image_of
from caesura.messages.replayed import split_calls
from caesura.messages.told_messages import Told
from caesura.messages.tool_references import described, tools_of
from caesura.messages.tools_in import cache_control_of
from caesura.messages.wire_in import WireCountRequest

ATTRIBUTION_PREFIX = "x-anthropic-billing-header:"

_UNMARKED = (WireThinking, WireRedactedThinking, WireCompaction)
_Markable = TextBlock | ImageBlock | DocumentBlock | SearchResultBlock | ToolUseBlock | ToolResultBlock


class _Known(NamedTuple):
    """What blocks refer to. tools: by name. pdfs: what was read of the request's PDFs."""

    tools: Mapping[str, Tool]
    pdfs: Pdfs


def conversation_of(wire: WireCountRequest, told: Told, pdfs: Pdfs) -> Conversation:
    """The conversation; raises InvalidRequestError for a picture, a document or a citation that is refused.

    told: the messages that count. pdfs: what was read of their PDFs.
    """
    tools = tools_of(wire, told.messages, told.before)
    known = _Known({tool.name: tool for tool in tools}, pdfs)
    turns: list[Turn] = []
    for index, message in enumerate(told.messages):
        blocks = tuple(
            _block(block, told.path(index, position), message.role, known)
            for position, block in enumerate(message.content)
        )
        turns.append(Turn(role=message.role, content=blocks))
    # Sources keep the numbers that they have in the whole request.
    turns[0] = replace(turns[0], content=(*_places(told), *turns[0].content))
    merged = list(split_calls(merge_turns(turns)))
    if wire.cache_control is not None:
        merged[-1] = _marked(merged[-1], cache_control_of(wire.cache_control))
    return Conversation(
        turns=tuple(merged),
        system=_without_attribution(wire.system or []),
        tools=tools,
    )


def _places(told: Told) -> list[DocumentBlock | SearchResultBlock]:
    """Those of the sources that a summary stands for."""
    return [
        place_of(is_document=isinstance(block, WireDocument), is_citable=is_citable(block))
        for _, block in documents_in(told.before)
    ]


def _text(wire: WireText) -> TextBlock:
    return TextBlock(text=wire.text, cache_control=cache_control_of(wire.cache_control))


def _block(wire: WireBlock, path: str, role: Role, known: _Known) -> Block:
    control = None if isinstance(wire, _UNMARKED) else cache_control_of(wire.cache_control)
    match wire:
        case WireText():
            # A user's citations mean nothing.
            told = wire.citations if role == "assistant" else None
            return replace(_text(wire), citations=citations_of(told, f"{path}.text.citations"))
        case WireThinking():
            return ThinkingBlock(thinking=wire.thinking, signature=wire.signature, path=path)
        case WireRedactedThinking():
            return RedactedThinkingBlock(data=wire.data, path=path)
        case WireImage():
            return image_of(wire, path, control)
        case WireDocument():
            return document_of(wire, path, known.pdfs, control)
        case WireSearchResult():
            return search_result_of(wire, path, control)
        case WireToolUse():
            return ToolUseBlock(id=wire.id, name=wire.name, input=wire.input, cache_control=control)
        case WireToolResult():
            return _tool_result(wire, path, known)
        case WireMcpToolUse():
            call = ToolUseBlock(id=wire.id, name=wire.name, input=wire.input, is_server_run=True)
            return replace(call, cache_control=control)
        case WireMcpToolResult():
            return _server_result(wire)
        case WireCompaction():
            return CompactionBlock(content=wire.content)


def _server_result(wire: WireMcpToolResult) -> ToolResultBlock:
    return ToolResultBlock(
        tool_use_id=wire.tool_use_id,
        content=tuple(TextBlock(text=block.text) for block in wire.content or []),
        is_error=bool(wire.is_error),
        cache_control=cache_control_of(wire.cache_control),
        is_server_run=True,
    )


def _tool_result(wire: WireToolResult, path: str, known: _Known) -> ToolResultBlock:
    """Breakpoints inside the result become one after it, which keeps at least as much, and as long."""
    breakpoints = sorted(marked(wire), key=lambda control: control.ttl == "1h")
    return ToolResultBlock(
        tool_use_id=wire.tool_use_id,
        content=tuple(
            _result_part(block, f"{path}.tool_result.content.{position}", known)
            for position, block in enumerate(wire.content or [])
        ),
        is_error=bool(wire.is_error),
        cache_control=cache_control_of(breakpoints[-1]) if breakpoints else None,
    )


def _result_part(wire: WireResultBlock, path: str, known: _Known) -> ResultPart:
    match wire:
        case WireText():
            return TextBlock(text=wire.text)
        case WireToolReference():
            return described(wire, known.tools)
        case WireImage():
            return image_of(wire, path, None)
        case WireDocument():
            return document_of(wire, path, known.pdfs, None)
        case WireSearchResult():
            return search_result_of(wire, path, None)


def _without_attribution(system: list[WireText]) -> tuple[TextBlock, ...]:
    """The system blocks without the line that Claude Code puts first, to say which client asks.

    It is no instruction, and it may change from request to request, which no prefix cache survives. So it is
    neither rendered nor counted; what follows it in its block stays.
    """
    blocks = tuple(map(_text, system))
    if not blocks or not blocks[0].text.startswith(ATTRIBUTION_PREFIX):
        return blocks
    rest = blocks[0].text.partition("\n")[2].lstrip("\n")
    return (replace(blocks[0], text=rest), *blocks[1:]) if rest.strip() else blocks[1:]


def _marked(turn: Turn, control: CacheControl | None) -> Turn:
    """The turn with the automatic breakpoint after its last block that takes one, unless one stands there."""
    blocks = list(turn.content)
    for position in reversed(range(len(blocks))):
        block = blocks[position]
        if isinstance(block, _Markable):
            blocks[position] = replace(block, cache_control=block.cache_control or control)
            break
    return replace(turn, content=tuple(blocks))
