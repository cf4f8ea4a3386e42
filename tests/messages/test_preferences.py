"""Preference rows: what is read is what was written, and a row that says nothing is named by its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from caesura.messages.content import text_turn
from caesura.messages.errors import DataError
from caesura.messages.preferences import (
    Preference,
    preference_to_json,
    read_preferences,
    write_preferences,
)

ROW = Preference(
    prompt=(text_turn("user", "Hi"), text_turn("assistant", "Hello."), text_turn("user", "2+2?")),
    chosen="4",
    rejected="5",
    p=0.9,
    dimension="helpful",
    principle_id="answers-well",
    labeler="rules",
)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    assert write_preferences(tmp_path / "rows.jsonl", [ROW, ROW]) == 2
    assert list(read_preferences(tmp_path / "rows.jsonl")) == [ROW, ROW]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chosen": " "}, "chosen is empty"),
        ({"rejected": ""}, "rejected is empty"),
        ({"rejected": "4 "}, "are equal"),
        ({"p": 0.3}, "0.3 is below 0.5: the sides are swapped"),
        ({"p": 1.2}, "1.2 is not between"),
        ({"p": float("nan")}, "nan is not between"),
        ({"dimension": "funny"}, "'funny' is not one of helpful"),
        ({"prompt": []}, "must end in a message of the user's"),
        ({"prompt": [{"role": "robot", "content": "x"}]}, "role 'robot'"),
        ({"prompt": [{"role": "assistant", "content": "x"}]}, "must end in a message of the user's"),
    ],
)
def test_a_row_that_says_nothing_is_named_by_file_and_line(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    path = tmp_path / "rows.jsonl"
    good = preference_to_json(ROW)
    path.write_text(json.dumps(good) + "\n" + json.dumps(good | change) + "\n")
    with pytest.raises(DataError, match=rf"rows\.jsonl:2: .*{words}"):
        list(read_preferences(path))


def test_a_row_that_lacks_a_field_says_which(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": [{"role": "user", "content": "x"}], "chosen": "a", "rejected": "b"}\n')
    with pytest.raises(DataError, match="lacks 'p'"):
        list(read_preferences(path))
