"""Public sets of requests, from their raw files to rows."""

from __future__ import annotations

import hashlib
import json

import pytest

from caesura.messages.errors import DataError
from caesura.train import requests


def _raw(value: object) -> bytes:
    return json.dumps(value).encode()


def test_intents_leave_out_what_is_kept_for_testing() -> None:
    parts = {part: [[f"{part} text", "timer"]] for part in ("train", "val", "test", "oos_train", "oos_test")}
    parts["oos_val"] = []
    rows = list(requests.intents({"data/data_full.json": _raw(parts)}))
    assert [row["split"] for row in rows] == ["train", "val", "oos_train"]
    assert rows[0] == {"text": "train text", "intent": "timer", "split": "train"}


def test_slots_are_joined_and_validation_is_left_out() -> None:
    def spans(song: str) -> dict[str, object]:
        return {"data": [{"text": "play "}, {"text": song, "entity": "track"}, {"text": " now"}]}

    files = {
        "x/PlayMusic/train_PlayMusic_full.json": _raw(
            {"PlayMusic": [spans("one"), spans("two"), spans("six")]}
        ),
        "x/PlayMusic/train_PlayMusic.json": _raw({"PlayMusic": [spans("nine")]}),
        "x/PlayMusic/validate_PlayMusic.json": _raw({"PlayMusic": [spans("two")]}),
    }
    rows = list(requests.slots(files))
    assert [row["text"] for row in rows] == ["play one now", "play six now"]
    assert rows[1] == {
        "id": "PlayMusic-1",
        "intent": "PlayMusic",
        "text": "play six now",
        "slots": [{"slot": "track", "value": "six"}],
    }


def test_a_tenth_of_the_tool_choices_is_left_out_by_its_hash() -> None:
    queries = [f"Can you do {number}?" for number in range(300)]
    table = "Query,Tool\n" + "".join(f'"{query}",T\n' for query in queries)
    kept = {row["query"] for row in requests.tool_choices({"a.csv": table.encode()})}
    digests = {query: hashlib.sha256(query.lower().encode()).digest()[:4] for query in queries}
    assert kept == {query for query in queries if int.from_bytes(digests[query], "big") % 10}
    assert 0.8 < len(kept) / len(queries) < 0.97


def test_a_json_object_is_one_row() -> None:
    assert list(requests.single_row({"a.json": b'{"T": "Does things."}'})) == [{"T": "Does things."}]


def test_json_lines_are_rows_as_they_are() -> None:
    lines = '{"id": "seed_0", "instruction": "Name\u2028a fruit."}\n\n{"id": "seed_1"}\n'
    assert list(requests.json_lines({"data/seed_tasks.jsonl": lines.encode()})) == [
        {"id": "seed_0", "instruction": "Name\u2028a fruit."},
        {"id": "seed_1"},
    ]


@pytest.mark.parametrize("bad", [b"{", b"[1]", b"\xff"])
def test_a_line_that_is_no_row_is_named(bad: bytes) -> None:
    with pytest.raises(DataError, match=r"a\.jsonl, line 2"):
        list(requests.json_lines({"a.jsonl": b'{"id": 1}\n' + bad + b"\n"}))


def test_pages_become_tasks_with_commands() -> None:
    page = (
        b"# git add\n\n> Add files.\n> More: <https://x>.\n\n- Add all files:\n\n`git add {{[-A|--all]}}`\n"
    )
    (row,) = requests.command_pages({"r/pages/common/git-add.md": page})
    assert row == {
        "id": "common/git-add",
        "platform": "common",
        "command": "git add",
        "description": "Add files.",
        "examples": [{"task": "Add all files", "command": "git add {{[-A|--all]}}"}],
    }
