"""Training rows: conversations in JSONL, read into the same types that the server reads requests into.

Enters: `.jsonl` files, one row a line. Leaves: `Row` values, or a `DataError` that names file and line.
Read next: `encoding.py`, which makes ids and loss masks of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

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
from caesura.messages.errors import DataError

Mode = Literal["fast", "think", "adaptive"]
_FLAGS = ("is_cut", "learns_every_reply", "is_forced", "is_begun")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One training conversation; its last turn is the assistant's and is learnt.

    conversation: the turns, the last one perhaps opening with a thought.
    mode: "fast" and "think" are told to the model; under "adaptive" the choice whether to think is itself
        part of what is learnt.
    source, licence: where the row comes from.
    is_cut: the thought ran out of budget: it ends as the engine would end it, and only the answer that
        follows is learnt from the close on.
    learns_every_reply: the assistant's earlier turns are learnt as well.
    is_forced: the request demands a call, so that calling is no choice, and where it begins is not learnt.
    is_begun: the reply's first text was written for the assistant; what follows goes on within it and is
        learnt, the beginning is not.
    """

    conversation: Conversation
    mode: Mode
    source: str
    licence: str
    is_cut: bool = False
    learns_every_reply: bool = False
    is_forced: bool = False
    is_begun: bool = False

    def __post_init__(self) -> None:
        if self.is_begun and not _goes_on(self.conversation.turns[-1]):
            raise ValueError("a begun reply must open with two texts: the beginning, and what goes on in it")


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file in order. Raises DataError naming file and line for one that does not parse."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield row_from_json(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
                raise DataError(f"{path}:{number}: {reason}") from error


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write rows as JSONL; returns how many."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row_to_json(row), ensure_ascii=False) + "\n")
            count += 1
    return count


def row_from_json(fields: dict[str, Any]) -> Row:
    """Raises ValueError, KeyError or TypeError for a row that is not of the form `row_to_json` writes."""
    turns = tuple(_turn(message) for message in cast(list[dict[str, Any]], fields["messages"]))
    if not turns or turns[-1].role != "assistant":
        raise ValueError("the last message must be the assistant's")
    if fields.get("is_begun"):
        turns = (*turns[:-1], begun(turns[-1]))
    mode = cast(Mode, fields.get("mode", "fast"))
    if mode not in get_args(Mode):
        raise ValueError(f"mode {mode!r} is not one of {', '.join(get_args(Mode))}")
    system = (TextBlock(text=fields["system"]),) if fields.get("system") else ()
    return Row(
        conversation=Conversation(
            turns=turns, system=system, tools=tuple(map(_tool, fields.get("tools", ())))
        ),
        mode=mode,
        source=str(fields.get("source", "")),
        licence=str(fields.get("licence", "")),
        **{name: bool(fields.get(name, False)) for name in _FLAGS},
    )


def begun(turn: Turn) -> Turn:
    """The turn with its second text going on within its first."""
    if len(turn.content) < 2 or not isinstance(turn.content[1], TextBlock):
        raise ValueError("a begun reply must open with two texts: the beginning, and what goes on in it")
    first, second, *others = turn.content
    return replace(turn, content=(first, replace(second, is_continuation=True), *others))


def _goes_on(turn: Turn) -> bool:
    first, second = (*turn.content, None, None)[:2]
    return isinstance(first, TextBlock) and isinstance(second, TextBlock) and second.is_continuation


def row_to_json(row: Row) -> dict[str, Any]:
    """The row as JSON can hold it, in the Messages API's words."""
    fields: dict[str, Any] = {
        "messages": [_message(turn) for turn in row.conversation.turns],
        "mode": row.mode,
        "source": row.source,
        "licence": row.licence,
    }
    if row.conversation.system:
        fields["system"] = "\n\n".join(block.text for block in row.conversation.system)
    if row.conversation.tools:
        fields["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
            for tool in row.conversation.tools
        ]
    return fields | {name: True for name in _FLAGS if getattr(row, name)}


def _turn(message: dict[str, Any]) -> Turn:
    role, content = message["role"], message["content"]
    if role not in get_args(Role):
        raise ValueError(f"role {role!r} is not one of {', '.join(get_args(Role))}")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return Turn(role=role, content=tuple(_block(block) for block in content))


def _block(block: dict[str, Any]) -> Block:
    if block["type"] == "text":
        return TextBlock(text=_string(block["text"]))
    if block["type"] == "thinking":
        return ThinkingBlock(thinking=_string(block["thinking"]))
    if block["type"] == "tool_use":
        return ToolUseBlock(
            id=_string(block["id"]), name=_string(block["name"]), input=_object(block["input"])
        )
    if block["type"] == "tool_result":
        return _result(block)
    raise ValueError(f"block type {block['type']!r} is not text, thinking, tool_use or tool_result")


def _result(block: dict[str, Any]) -> ToolResultBlock:
    content = block.get("content", "")
    texts = [content] if isinstance(content, str) else [each["text"] for each in content]
    return ToolResultBlock(
        tool_use_id=_string(block["tool_use_id"]),
        content=tuple(TextBlock(text=_string(text)) for text in texts if text),
        is_error=bool(block.get("is_error", False)),
    )


def _tool(fields: dict[str, Any]) -> Tool:
    return Tool(
        name=_string(fields["name"]),
        description=_string(fields.get("description", "")),
        input_schema=_object(fields["input_schema"]),
    )


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, found {value!r}")
    return cast(dict[str, Any], value)


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {value!r}")
    return value


def _message(turn: Turn) -> dict[str, Any]:
    if len(turn.content) == 1 and isinstance(turn.content[0], TextBlock):
        return {"role": turn.role, "content": turn.content[0].text}
    return {"role": turn.role, "content": [_block_to_json(block) for block in turn.content]}


def _block_to_json(block: Block) -> dict[str, Any]:
    match block:
        case TextBlock():
            return {"type": "text", "text": block.text}
        case ThinkingBlock():
            return {"type": "thinking", "thinking": block.thinking}
        case ToolUseBlock():
            return {"type": "tool_use", "id": block.id, "name": block.name, "input": dict(block.input)}
        case ToolResultBlock():
            content = [{"type": "text", "text": cast(TextBlock, each).text} for each in block.content]
            fields = {"type": "tool_result", "tool_use_id": block.tool_use_id, "content": content}
            return fields | ({"is_error": True} if block.is_error else {})
        case _:
            raise ValueError(f"a row holds no {type(block).__name__}")
