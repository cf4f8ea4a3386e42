"""What comes back of a reply that the server had a part in: calls that it carried out.

A call that the server carried out is replayed together with its result, both in the assistant's message; for
the model they become what any other call and result are. So neither is known further inside.

Enters: messages that count, or turns. Leaves: turns. Read next: `conversation_in.py`; `told_messages.py` for
summaries that come back.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from caesura.messages.blocks_in import WireMcpToolResult, WireMcpToolUse, WireToolUse
from caesura.messages.compaction import compacted
from caesura.messages.content import (
    Block,
    CompactionBlock,
    Conversation,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    merge_turns,
)
from caesura.messages.errors import InvalidRequestError
from caesura.messages.json_values import check_numbers
from caesura.messages.wire_in import WireMessage

_NOT_CARRIED_OUT = (TextBlock(text="The reply ended before this call was carried out; nothing was done."),)


def check_server_calls(messages: Sequence[WireMessage]) -> None:
    """Each result that the server made belongs to one call of the same turn, which comes before it."""
    known = {block.id for message in messages for block in message.content if isinstance(block, WireToolUse)}
    for _, run in groupby(enumerate(messages), key=lambda pair: pair[1].role):
        open_calls: set[str] = set()
        for index, message in run:
            for position, block in enumerate(message.content):
                path = f"messages.{index}.content.{position}"
                if isinstance(block, WireMcpToolUse):
                    _check_call(path, block, known)
                    open_calls.add(block.id)
                    known.add(block.id)
                elif isinstance(block, WireMcpToolResult):
                    _check_result(path, block, open_calls)
                    open_calls.remove(block.tool_use_id)


def _check_call(path: str, call: WireMcpToolUse, known: Container[str]) -> None:
    if call.id in known:
        raise InvalidRequestError(f"{path}: `mcp_tool_use` ids must be unique")
    check_numbers(f"{path}.mcp_tool_use.input", call.input)


def _check_result(path: str, result: WireMcpToolResult, open_calls: Container[str]) -> None:
    if result.tool_use_id not in open_calls:
        raise InvalidRequestError(
            f"{path}: unexpected `tool_use_id` found in `mcp_tool_result` blocks: {result.tool_use_id}."
            " Each `mcp_tool_result` block must have a corresponding `mcp_tool_use` block before it."
        )


def split_calls(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """The same turns with every call that the server carried out as any other call is: its result follows in
    a turn of the user's.
    """
    parts = [part for turn in turns for part in (_parts(turn) if turn.role == "assistant" else (turn,))]
    return merge_turns(parts)


def _parts(turn: Turn) -> Iterator[Turn]:
    results = {
        block.tool_use_id: replace(block, is_server_run=False)
        for block in turn.content
        if isinstance(block, ToolResultBlock)
    }
    for is_result, run in groupby(turn.content, key=lambda block: isinstance(block, ToolResultBlock)):
        if is_result:
            continue
        blocks = list(run)
        yield replace(turn, content=tuple(map(_as_any_call, blocks)))
        calls = [block for block in blocks if isinstance(block, ToolUseBlock) and block.is_server_run]
        if calls:
            answers = tuple(results.get(call.id) or _undone(call) for call in calls)
            yield Turn(role="user", content=answers)


def _as_any_call(block: Block) -> Block:
    return replace(block, is_server_run=False) if isinstance(block, ToolUseBlock) else block


def _undone(call: ToolUseBlock) -> ToolResultBlock:
    return ToolResultBlock(tool_use_id=call.id, content=_NOT_CARRIED_OUT, is_error=True)


def continued(conversation: Conversation, content: Sequence[Block]) -> Conversation:
    """The conversation after a reply to it, as the server goes on from there by itself. What the model has
    read and written so far is how it begins.
    """
    summaries = [at for at, block in enumerate(content) if isinstance(block, CompactionBlock)]
    summary = content[summaries[-1]] if summaries else None
    if isinstance(summary, CompactionBlock) and summary.content is not None:
        conversation = compacted(conversation, summary.content)
    rest = tuple(block for block in content if not isinstance(block, CompactionBlock))
    if conversation.is_prefilled and rest and isinstance(rest[0], TextBlock):
        rest = (replace(rest[0], is_continuation=True), *rest[1:])
    turns = merge_turns((*conversation.turns, Turn(role="assistant", content=rest)))
    return replace(conversation, turns=split_calls(turns))
