"""Tools of a dated type have a schema of ours, and calls that fit it have what they need."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from caesura.messages.typed_tools import TYPED_TOOLS, typed_tool

SCREEN = {"display_width_px": 1024, "display_height_px": 768}


def settings_of(kind: str) -> dict[str, Any]:
    return dict(SCREEN) if kind.startswith("computer") else {}


def fits(kind: str, value: dict[str, Any], **settings: Any) -> bool:
    schema = typed_tool(kind, {**settings_of(kind), **settings}).input_schema
    return jsonschema.Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize("kind", TYPED_TOOLS)
def test_every_schema_is_one_of_an_object(kind: str) -> None:
    tool = typed_tool(kind, settings_of(kind))
    jsonschema.Draft202012Validator.check_schema(tool.input_schema)
    assert tool.input_schema["type"] == "object"
    assert (tool.kind, tool.name) == (kind, TYPED_TOOLS[kind].name)
    assert tool.description


EDITORS = [kind for kind in TYPED_TOOLS if kind.startswith("text_editor")]
COMPUTERS = [kind for kind in TYPED_TOOLS if kind.startswith("computer")]
BASHES = [kind for kind in TYPED_TOOLS if kind.startswith("bash")]


@pytest.mark.parametrize("kind", BASHES)
@pytest.mark.parametrize(
    ("value", "is_good"),
    [
        ({"command": "ls"}, True),
        ({"restart": True}, True),
        ({}, False),
        ({"restart": False}, False),
        ({"command": 7}, False),
        ({"command": "ls", "cwd": "/"}, False),
    ],
)
def test_bash_runs_a_command_or_restarts(kind: str, value: dict[str, Any], is_good: bool) -> None:
    assert fits(kind, value) is is_good


@pytest.mark.parametrize("kind", EDITORS)
@pytest.mark.parametrize(
    ("value", "is_good"),
    [
        ({"command": "view", "path": "/a"}, True),
        ({"command": "view", "path": "/a", "view_range": [1, -1]}, True),
        ({"command": "view", "path": "/a", "view_range": [1]}, False),
        ({"command": "view"}, False),
        ({"command": "create", "path": "/a", "file_text": ""}, True),
        ({"command": "create", "path": "/a"}, False),
        ({"command": "str_replace", "path": "/a", "old_str": "x"}, True),
        ({"command": "str_replace", "path": "/a", "old_str": "x", "new_str": "y"}, True),
        ({"command": "str_replace", "path": "/a", "new_str": "y"}, False),
        ({"command": "insert", "path": "/a", "insert_line": 0}, False),
        ({"command": "delete", "path": "/a"}, False),
    ],
)
def test_an_editor_has_what_its_command_needs(kind: str, value: dict[str, Any], is_good: bool) -> None:
    assert fits(kind, value) is is_good


@pytest.mark.parametrize("kind", EDITORS)
def test_editors_differ_in_what_they_insert_and_whether_they_undo(kind: str) -> None:
    insert = {"command": "insert", "path": "/a", "insert_line": 0}
    is_newest = kind == "text_editor_20250728"
    assert fits(kind, {**insert, "insert_text": "x"}) is is_newest
    assert fits(kind, {**insert, "new_str": "x"}) is not is_newest
    can_undo = kind in ("text_editor_20241022", "text_editor_20250124")
    assert fits(kind, {"command": "undo_edit", "path": "/a"}) is can_undo


def test_an_editor_says_how_much_it_shows() -> None:
    assert "at most 500 characters" in typed_tool("text_editor_20250728", {"max_characters": 500}).description


@pytest.mark.parametrize("kind", COMPUTERS)
@pytest.mark.parametrize(
    ("value", "is_good"),
    [
        ({"action": "screenshot"}, True),
        ({"action": "left_click", "coordinate": [1023, 767]}, True),
        ({"action": "left_click", "coordinate": [1024, 0]}, False),
        ({"action": "left_click", "coordinate": [0, 768]}, False),
        ({"action": "left_click", "coordinate": [0]}, False),
        ({"action": "left_click", "coordinate": [0, 0, 0]}, False),
        ({"action": "type", "text": "hi"}, True),
        ({"action": "type"}, False),
        ({"action": "mouse_move"}, False),
        ({"action": "shutdown"}, False),
    ],
)
def test_a_computer_is_used_within_its_screen(kind: str, value: dict[str, Any], is_good: bool) -> None:
    assert fits(kind, value) is is_good


def test_later_computers_can_do_more() -> None:
    scroll = {"action": "scroll", "coordinate": [1, 1], "scroll_direction": "down", "scroll_amount": 3}
    assert [fits(kind, scroll) for kind in COMPUTERS] == [False, True, True]
    zoom = {"action": "zoom", "region": [0, 0, 9, 9]}
    assert fits("computer_20251124", zoom, enable_zoom=True)
    assert not fits("computer_20251124", zoom)


def test_a_computer_says_how_large_it_is() -> None:
    description = typed_tool("computer_20250124", {**SCREEN, "display_number": 1}).description
    assert "1024 x 768" in description
    assert "display number is 1" in description


@pytest.mark.parametrize(
    ("value", "is_good"),
    [
        ({"command": "view", "path": "/memories"}, True),
        ({"command": "create", "path": "/memories/a", "file_text": "x"}, True),
        ({"command": "str_replace", "path": "/memories/a", "old_str": "x"}, False),
        ({"command": "insert", "path": "/memories/a", "insert_line": 0, "insert_text": "x"}, True),
        ({"command": "delete", "path": "/memories/a"}, True),
        ({"command": "rename", "old_path": "/memories/a", "new_path": "/memories/b"}, True),
        ({"command": "rename", "path": "/memories/a"}, False),
    ],
)
def test_a_memory_has_what_its_command_needs(value: dict[str, Any], is_good: bool) -> None:
    assert fits("memory_20250818", value) is is_good


def test_the_memory_that_the_server_keeps_is_called_with_paths_that_it_takes() -> None:
    tool = typed_tool("memory_20250818", {"executed_by": "server"})
    takes = jsonschema.Draft202012Validator(tool.input_schema).is_valid
    for path in ("/memories", "/memories/a.md", "/memories/notes/tea-2.md"):
        assert takes({"command": "view", "path": path}), path
    for path in ("/etc/passwd", "/memories/../a", "/memories/", "memories/a", "/memories/.a", "/memories/A"):
        assert not takes({"command": "view", "path": path}), path
    assert not takes({"command": "delete", "path": "/memories"})
    assert not takes({"command": "rename", "old_path": "/memories", "new_path": "/memories/a"})
