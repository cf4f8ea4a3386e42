"""Training rows: read as they were written; a bad one is named by file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from caesura.messages.content import Conversation, TextBlock, ThinkingBlock, Turn, text_turn
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


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Expecting property name"),
        ("[]", "list indices"),
        ("{}", "lacks 'messages'"),
        ('{"messages": []}', "must be the assistant's"),
        ('{"messages": [{"role": "user", "content": "x"}]}', "must be the assistant's"),
        ('{"messages": [{"role": "robot", "content": "x"}]}', "role 'robot'"),
        ('{"messages": [{"role": "assistant", "content": [{"type": "image"}]}]}', "block type 'image'"),
        ('{"messages": [{"role": "assistant", "content": [{"type": "text", "text": 7}]}]}', "expected text"),
        ('{"messages": [{"role": "assistant", "content": "x"}], "mode": "slow"}', "mode 'slow'"),
    ],
)
def test_a_row_that_does_not_parse_is_named_by_file_and_line(line: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    good = json.dumps({"messages": [{"role": "assistant", "content": "x"}]})
    path.write_text(f"{good}\n{line}\n")
    with pytest.raises(DataError, match=rf"rows\.jsonl:2: .*{reason}"):
        list(read_rows(path))
