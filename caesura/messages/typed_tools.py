"""The tools that clients name by a dated type and carry out themselves, without sending a schema.

The schemas are ours, in the parameters that the API documents for each type: one object for each command, so
that a call never lacks what its command needs. Enters: a type and its settings. Leaves: a `Tool`. Read next:
`tools_in.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from caesura.messages.content import Tool

Schema = Mapping[str, Any]
Settings = Mapping[str, Any]
_NO_SETTINGS: Settings = {}

_TEXT: Schema = {"type": "string"}
_LINE: Schema = {"type": "integer", "minimum": 0}
_LINES: Schema = {
    "type": "array",
    "items": {"type": "integer", "minimum": -1},
    "minItems": 2,
    "maxItems": 2,
    "description": "First and last line to show, counted from 1; -1 is the end.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedTool:
    """What a type stands for.

    name: the only one that a tool of this type may have.
    describe, schema: what the model is told, and what its calls look like, for the tool's settings.
    """

    name: str
    describe: Callable[[Settings], str]
    schema: Callable[[Settings], Schema]


def _form(properties: Schema, optional: Schema | None = None) -> Schema:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": list(properties),
        "additionalProperties": False,
    }


def _commands(key: str, forms: Mapping[str, tuple[Schema, Schema]]) -> Schema:
    """An object whose `key` decides which further properties it has, required ones and optional ones."""
    choices = [
        _form({key: {"const": command}, **required}, optional)
        for command, (required, optional) in forms.items()
    ]
    return {"type": "object", "anyOf": choices}


def _bash_schema(settings: Settings) -> Schema:
    run = _form({"command": {"type": "string", "description": "The command to run."}})
    restart = _form({"restart": {"const": True, "description": "Starts the shell anew."}})
    return {"type": "object", "anyOf": [run, restart]}


def _bash_description(settings: Settings) -> str:
    return "Run commands in a bash shell that keeps its state from call to call."


def _editor_schema(settings: Settings, *, inserted: str, can_undo: bool) -> Schema:
    """inserted: the parameter that holds the text to insert, which changed its name."""
    path = {"path": {"type": "string", "description": "Absolute path of a file or a folder."}}
    forms: dict[str, tuple[Schema, Schema]] = {
        "view": (path, {"view_range": _LINES}),
        "create": ({**path, "file_text": _TEXT}, {}),
        "str_replace": ({**path, "old_str": _TEXT}, {"new_str": _TEXT}),
        "insert": ({**path, "insert_line": _LINE, inserted: _TEXT}, {}),
    }
    if can_undo:
        forms["undo_edit"] = (path, {})
    return _commands("command", forms)


def _editor_description(settings: Settings, *, can_undo: bool) -> str:
    parts = [
        "View, create and edit text files. `view` shows a file with numbered lines, or what is in a folder;"
        " `create` writes a whole file; `str_replace` replaces `old_str`, which must occur exactly once;"
        " `insert` puts text after the line `insert_line` (0: before the first)."
    ]
    if can_undo:
        parts.append("`undo_edit` takes back the last edit of a file.")
    if settings.get("max_characters") is not None:
        parts.append(f"`view` shows at most {settings['max_characters']} characters of a file.")
    return " ".join(parts)


def _memory_schema(settings: Settings) -> Schema:
    # What the server carries out, it can carry out: no call names a path that it would refuse.
    is_bound = settings.get("executed_by") == "server"
    anywhere = _memory_path("{0,4}" if is_bound else "")
    path = _memory_path("{1,4}" if is_bound else "")
    return _commands(
        "command",
        {
            "view": ({"path": anywhere}, {"view_range": _LINES}),
            "create": ({"path": path, "file_text": _TEXT}, {}),
            "str_replace": ({"path": path, "old_str": _TEXT, "new_str": _TEXT}, {}),
            "insert": ({"path": path, "insert_line": _LINE, "insert_text": _TEXT}, {}),
            "delete": ({"path": path}, {}),
            "rename": ({"old_path": path, "new_path": path} if is_bound else _ANY_PATHS, {}),
        },
    )


_ANY_PATHS: Schema = {"old_path": _TEXT, "new_path": _TEXT}
# Names of lower case, for names that differ in case only count as one.
_NAME = r"(/[a-z0-9_-]{1,40}(\.[a-z0-9_-]{1,20})?)"


def _memory_path(times: str) -> Schema:
    """times: how often a name may follow the root; "" leaves it open how the path looks."""
    if not times:
        return {"type": "string", "description": "A path below /memories."}
    return {"type": "string", "pattern": f"^/memories{_NAME}{times}$"}


def _memory_description(settings: Settings) -> str:
    return (
        "Files below /memories that outlive this conversation. View the folder before you begin, and write"
        " down what will be needed later."
    )


def _computer_schema(settings: Settings, *, generation: int) -> Schema:
    """generation: 1 for 20241022, 2 for 20250124, 3 for 20251124; each adds actions to the one before."""
    width, height = settings["display_width_px"], settings["display_height_px"]
    point = _numbers((width, height))
    at, text = {"coordinate": point}, {"text": _TEXT}
    clicks = ["left_click", "right_click", "middle_click", "double_click"]
    if generation == 1:
        forms: dict[str, tuple[Schema, Schema]] = {action: ({}, at) for action in clicks}
        forms["left_click_drag"] = (at, {})
    else:
        seconds = {"duration": {"type": "number", "minimum": 0, "maximum": 100}}
        scroll = {
            "scroll_direction": {"enum": ["up", "down", "left", "right"]},
            "scroll_amount": {"type": "integer", "minimum": 0},
        }
        forms = {action: ({}, {**at, **text}) for action in (*clicks, "triple_click")}
        forms["left_click_drag"] = ({"start_coordinate": point, **at}, {})
        forms |= {action: ({}, at) for action in ("left_mouse_down", "left_mouse_up")}
        forms["scroll"] = ({**at, **scroll}, text)
        forms |= {"hold_key": ({**text, **seconds}, {}), "wait": (seconds, {})}
    if settings.get("enable_zoom"):
        forms["zoom"] = ({"region": _numbers((width, height, width, height))}, {})
    forms |= {"key": (text, {}), "type": (text, {}), "mouse_move": (at, {})}
    forms |= {"screenshot": ({}, {}), "cursor_position": ({}, {})}
    return _commands("action", forms)


def _numbers(ends: tuple[int, ...]) -> Schema:
    """A list of whole numbers, each from 0 up to its end, which it does not reach."""
    items = [{"type": "integer", "minimum": 0, "maximum": end - 1} for end in ends]
    return {
        "type": "array",
        "prefixItems": items,
        "items": False,
        "minItems": len(items),
        "maxItems": len(items),
    }


def _computer_description(settings: Settings) -> str:
    size = f"{settings['display_width_px']} x {settings['display_height_px']}"
    number = settings.get("display_number")
    display = "" if number is None else f" Its display number is {number}."
    return (
        f"Look at a screen of {size} pixels and use its mouse and keyboard.{display} Coordinates are [x, y]"
        " from the top left. Take a screenshot before you act, and after, to see what came of it."
    )


def _editor(name: str, *, inserted: str = "new_str", can_undo: bool = False) -> TypedTool:
    return TypedTool(
        name=name,
        describe=partial(_editor_description, can_undo=can_undo),
        schema=partial(_editor_schema, inserted=inserted, can_undo=can_undo),
    )


def _computer(generation: int) -> TypedTool:
    schema = partial(_computer_schema, generation=generation)
    return TypedTool(name="computer", describe=_computer_description, schema=schema)


_BASH = TypedTool(name="bash", describe=_bash_description, schema=_bash_schema)

TYPED_TOOLS: Mapping[str, TypedTool] = {
    "bash_20241022": _BASH,
    "bash_20250124": _BASH,
    "text_editor_20241022": _editor("str_replace_editor", can_undo=True),
    "text_editor_20250124": _editor("str_replace_editor", can_undo=True),
    "text_editor_20250429": _editor("str_replace_based_edit_tool"),
    "text_editor_20250728": _editor("str_replace_based_edit_tool", inserted="insert_text"),
    "computer_20241022": _computer(1),
    "computer_20250124": _computer(2),
    "computer_20251124": _computer(3),
    "memory_20250818": TypedTool(name="memory", describe=_memory_description, schema=_memory_schema),
}


def typed_tool(kind: str, settings: Settings = _NO_SETTINGS) -> Tool:
    """The tool of a dated type, such as "bash_20250124".

    settings: the further fields that the type takes; computers need `display_width_px` and
        `display_height_px`.
    """
    typed = TYPED_TOOLS[kind]
    return Tool(
        name=typed.name,
        input_schema=typed.schema(settings),
        description=typed.describe(settings),
        kind=kind,
        settings=settings,
    )
