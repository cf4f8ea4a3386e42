"""Training rows: read as they were written; a bad one is named by file and line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from caesura.messages.content import (
    Conversation,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    text_turn,
)
from caesura.messages.errors import DataError
from caesura.train.data import Row, read_rows, write_rows

REPLY = Turn(role="assistant", content=(ThinkingBlock(thinking="hm"), TextBlock(text="yes\u2028no")))
ROW = Row(
    conversation=Conversation(turns=(text_turn("user", "ok?"), REPLY), system=(TextBlock(text="Be brief."),)),
    mode="adaptive",
    source="test",
    licence="CC0",
    is_cut=True,
)


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    assert write_rows(path, [ROW, ROW]) == 2
    assert list(read_rows(path)) == [ROW, ROW]


def test_tools_calls_and_results_come_back_as_they_were_written(tmp_path: Path) -> None:
    tool = Tool(name="add", description="Adds.", input_schema={"type": "object", "properties": {}})
    call = ToolUseBlock(id="toolu_1", name="add", input={"a": [1, 2.5], "b": None})
    results = (
        ToolResultBlock(tool_use_id="toolu_1", content=(TextBlock(text="no"),), is_error=True),
        ToolResultBlock(tool_use_id="toolu_2"),
    )
    turns = (
        text_turn("user", "1+2?"),
        Turn(role="assistant", content=(call,)),
        Turn(role="user", content=results),
        REPLY,
    )
    conversation = Conversation(turns=turns, tools=(tool,))
    row = replace(ROW, conversation=conversation, is_cut=False, learns_every_reply=True, is_forced=True)
    path = tmp_path / "rows.jsonl"
    write_rows(path, [row])
    assert list(read_rows(path)) == [row]


def test_a_begun_reply_comes_back_as_it_was_written(tmp_path: Path) -> None:
    reply = (TextBlock(text="Sure:"), TextBlock(text=" no", is_continuation=True))
    turns = (text_turn("user", "ok?"), Turn(role="assistant", content=reply))
    row = replace(ROW, conversation=Conversation(turns=turns), mode="fast", is_cut=False, is_begun=True)
    path = tmp_path / "rows.jsonl"
    write_rows(path, [row])
    assert list(read_rows(path)) == [row]


def test_a_begun_reply_without_its_two_texts_is_refused() -> None:
    with pytest.raises(ValueError, match="the beginning, and what goes on in it"):
        replace(ROW, is_begun=True)


def test_a_result_may_be_plain_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "58"}
    messages = [{"role": "user", "content": [result]}, {"role": "assistant", "content": "It is 58."}]
    path.write_text(json.dumps({"messages": messages}))
    (row,) = read_rows(path)
    assert row.conversation.turns[0].content == (
        ToolResultBlock(tool_use_id="toolu_1", content=(TextBlock(text="58"),)),
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Expecting property name"),
        ("[]", "list indices"),
        ("{}", "lacks 'messages'"),
        ('{"messages": []}', "must be the assistant's"),
        ('{"messages": [], "is_begun": true}', "must be the assistant's"),
        ('{"messages": [{"role": "assistant", "content": "x"}], "is_begun": true}', "what goes on in it"),
        ('{"messages": [{"role": "user", "content": "x"}]}', "must be the assistant's"),
        ('{"messages": [{"role": "robot", "content": "x"}]}', "role 'robot'"),
        ('{"messages": [{"role": "assistant", "content": [{"type": "image"}]}]}', "block type 'image'"),
        ('{"messages": [{"role": "assistant", "content": [{"type": "text", "text": 7}]}]}', "expected text"),
        ('{"messages": [{"role": "assistant", "content": "x"}], "mode": "slow"}', "mode 'slow'"),
        ('{"messages": [{"role": "assistant", "content": "x"}], "tools": [{"name": "f"}]}', "input_schema"),
        (
            '{"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f",'
            ' "input": 3}]}]}',
            "expected an object",
        ),
    ],
)
def test_a_row_that_does_not_parse_is_named_by_file_and_line(line: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    good = json.dumps({"messages": [{"role": "assistant", "content": "x"}]})
    path.write_text(f"{good}\n{line}\n")
    with pytest.raises(DataError, match=rf"rows\.jsonl:2: .*{reason}"):
        list(read_rows(path))
