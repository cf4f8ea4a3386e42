"""What comes back of a reply that the server had a part in: summaries, and calls that it carried out.

A summary that is replayed stands for everything before it, which clients may leave out or send along. A call
that the server carried out is replayed together with its result, both in the assistant's message; for the
model they become what any other call and result are. So neither of the two is known further inside.

Enters: messages whose shape is right, or turns. Leaves: the messages that count, and where they stood; or
turns. Read next: `conversation_in.py`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby

from caesura.messages.blocks_in import (
    WireCompaction,
    WireMcpToolResult,
    WireMcpToolUse,
    WireText,
    WireToolUse,
)
from caesura.messages.compaction import compacted, summary_block
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

_PATH = re.compile(r"messages\.(\d+)(?:\.content\.(\d+))?")
_NOT_CARRIED_OUT = (TextBlock(text="The reply ended before this call was carried out; nothing was done."),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The messages that count.

    messages: in order; the first may be a summary that stands for what was left out.
    num_messages_before, num_blocks_before: how much further back the others stood in the body, and the
        second one's blocks in theirs.
    is_split: whether the summary stood within a turn of the assistant's, so that it stands for how the second
        message's turn began, too.
    """

    messages: list[WireMessage]
    num_messages_before: int = 0
    num_blocks_before: int = 0
    is_split: bool = False

    def path(self, index: int, position: int) -> str:
        """Where the body has a block."""
        place = position + (self.num_blocks_before if index == 1 else 0)
        return f"messages.{index + self.num_messages_before}.content.{place}"

    @contextmanager
    def true_paths(self) -> Generator[None]:
        """Whatever is refused within is named by its place in the body."""
        try:
            yield
        except InvalidRequestError as error:
            message = self.true_path(error.message)
            raise InvalidRequestError(message, error_code=error.error_code) from error

    def true_path(self, path: str) -> str:
        """Where the body has what stands at this place among the messages that count."""
        return _PATH.sub(self._true_path, path, count=1)

    def _true_path(self, found: re.Match[str]) -> str:
        if found[2] is None:
            return f"messages.{int(found[1]) + self.num_messages_before}"
        return self.path(int(found[1]), int(found[2]))


def after_compaction(messages: list[WireMessage]) -> Told:
    """The messages from the last summary on. A block without one stands for nothing and is left out."""
    at = next((place for place in reversed(list(_summaries(messages)))), None)
    if at is None:
        return Told(messages=_without_empty(messages))
    index, position, block = at
    summary = summary_block(block.content or "").text
    first = WireText(type="text", text=summary, cache_control=block.cache_control)
    rest = messages[index].content[position + 1 :]
    following = _without_empty(
        [
            *([messages[index].model_copy(update={"content": rest})] if rest else []),
            *messages[index + 1 :],
        ]
    )
    is_within = position > 0 or (index > 0 and messages[index - 1].role == "assistant")
    return Told(
        messages=[WireMessage(role="user", content=[first]), *following],
        num_messages_before=index - 1 if rest else index,
        num_blocks_before=position + 1 if rest else 0,
        is_split=is_within and bool(following) and following[0].role == "assistant",
    )


def _summaries(messages: Sequence[WireMessage]) -> Iterator[tuple[int, int, WireCompaction]]:
    """Every summary with its place. Raises InvalidRequestError for one that the model has not written."""
    for index, message in enumerate(messages):
        for position, block in enumerate(message.content):
            if not isinstance(block, WireCompaction):
                continue
            if message.role != "assistant":
                raise InvalidRequestError(
                    f"messages.{index}.content.{position}.type: `compaction` blocks are only allowed in"
                    " `assistant` messages"
                )
            if block.content is not None:
                yield index, position, block


def _without_empty(messages: list[WireMessage]) -> list[WireMessage]:
    if not any(isinstance(block, WireCompaction) for message in messages for block in message.content):
        return messages
    kept = [
        message.model_copy(
            update={"content": [each for each in message.content if not isinstance(each, WireCompaction)]}
        )
        for message in messages
    ]
    return [each for each, before in zip(kept, messages, strict=True) if each.content or not before.content]


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
