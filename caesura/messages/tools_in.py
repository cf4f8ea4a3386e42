"""The shape of what a request body says of tools, and what is made of it.

Enters: parsed JSON. Leaves: pydantic models, then `Tool` and `ToolChoice`. Tools of a dated type come without
a schema and get the one in `typed_tools.py`. Rules that span several fields are in `tool_rules.py`. Read
next: `wire_in.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field

from caesura.messages.blocks_in import Ignored, Shape, WireCacheControl
from caesura.messages.content import CacheControl, Tool
from caesura.messages.request import ToolChoice
from caesura.messages.typed_tools import typed_tool

MAX_TOOLS = 10_000
MAX_PIXELS = 2**31 - 1
# Types that begin like this are carried out by the server, or are not known to it.
UNSUPPORTED_TOOLS = (
    "web_search_",
    "web_fetch_",
    "code_execution_",
    "bash_code_execution_",
    "text_editor_code_execution_",
    "tool_search_tool_",
    "mcp_toolset",
    "advisor_",
    "computer_toolset_",
    "browser_toolset_",
)


def _with_type(value: object) -> object:
    """A tool that does not say of which type it is is the caller's own."""
    if isinstance(value, dict) and cast("dict[str, Any]", value).get("type") is None:
        return {**cast("dict[str, Any]", value), "type": "custom"}
    return cast("object", value)


class _WireAnyTool(Shape):
    cache_control: WireCacheControl | None = None
    strict: bool | None = None
    input_examples: list[dict[str, Any]] | None = None
    allowed_callers: list[str] | None = None
    defer_loading: bool | None = None
    eager_input_streaming: Ignored = None


class WireCustomTool(_WireAnyTool):
    type: Literal["custom"]
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
    description: str | None = None
    input_schema: dict[str, Any]


class WireBash(_WireAnyTool):
    type: Literal["bash_20241022", "bash_20250124"]
    name: Literal["bash"]


class WireReplaceEditor(_WireAnyTool):
    type: Literal["text_editor_20241022", "text_editor_20250124"]
    name: Literal["str_replace_editor"]


class WireReplaceBasedEditor(_WireAnyTool):
    type: Literal["text_editor_20250429"]
    name: Literal["str_replace_based_edit_tool"]


class WireLimitedEditor(_WireAnyTool):
    type: Literal["text_editor_20250728"]
    name: Literal["str_replace_based_edit_tool"]
    max_characters: Annotated[int, Field(ge=1)] | None = None


class _WireScreen(_WireAnyTool):
    name: Literal["computer"]
    display_width_px: Annotated[int, Field(ge=1, le=MAX_PIXELS)]
    display_height_px: Annotated[int, Field(ge=1, le=MAX_PIXELS)]
    display_number: Annotated[int, Field(ge=0, le=MAX_PIXELS)] | None = None


class WireComputer(_WireScreen):
    type: Literal["computer_20241022", "computer_20250124"]


class WireZoomingComputer(_WireScreen):
    type: Literal["computer_20251124"]
    enable_zoom: bool | None = None


class WireMemory(_WireAnyTool):
    type: Literal["memory_20250818"]
    name: Literal["memory"]
    executed_by: Literal["client", "server"] | None = None


_Tool = (
    WireCustomTool
    | WireBash
    | WireReplaceEditor
    | WireReplaceBasedEditor
    | WireLimitedEditor
    | WireComputer
    | WireZoomingComputer
    | WireMemory
)
WireTool = Annotated[_Tool, Field(discriminator="type"), BeforeValidator(_with_type)]


class WireAuto(Shape):
    type: Literal["auto"]
    disable_parallel_tool_use: bool | None = None


class WireAny(Shape):
    type: Literal["any"]
    disable_parallel_tool_use: bool | None = None


class WireOne(Shape):
    type: Literal["tool"]
    name: str
    disable_parallel_tool_use: bool | None = None


class WireNone(Shape):
    type: Literal["none"]


WireToolChoice = Annotated[WireAuto | WireAny | WireOne | WireNone, Field(discriminator="type")]

_COMMON_FIELDS = frozenset({*_WireAnyTool.model_fields, "type", "name"})


def cache_control_of(wire: WireCacheControl | None) -> CacheControl | None:
    """A cache breakpoint, if there is one."""
    return CacheControl(ttl=wire.ttl or "5m") if wire is not None else None


def tool_of(wire: WireTool) -> Tool:
    """The tool; its examples become the `examples` of its schema."""
    tool = _custom(wire) if isinstance(wire, WireCustomTool) else typed_tool(wire.type, _settings(wire))
    return replace(
        tool,
        input_schema=_with_examples(tool.input_schema, wire.input_examples),
        strict=bool(wire.strict),
        cache_control=cache_control_of(wire.cache_control),
    )


def _custom(wire: WireCustomTool) -> Tool:
    return Tool(name=wire.name, input_schema=wire.input_schema, description=wire.description or "")


def _settings(wire: _WireAnyTool) -> Mapping[str, Any]:
    fields = sorted(set(type(wire).model_fields) - _COMMON_FIELDS)
    return {name: getattr(wire, name) for name in fields if getattr(wire, name) is not None}


def _with_examples(schema: Mapping[str, Any], examples: list[dict[str, Any]] | None) -> Mapping[str, Any]:
    if not examples:
        return schema
    own = schema.get("examples")
    return {**schema, "examples": [*(cast("list[Any]", own) if isinstance(own, list) else []), *examples]}


def tool_choice_of(wire: WireToolChoice | None) -> ToolChoice:
    """What is left to the model, which may call several tools at once unless it is told not to."""
    match wire:
        case None:
            return ToolChoice()
        case WireNone():
            return ToolChoice(mode="none")
        case WireOne():
            return ToolChoice(mode="tool", name=wire.name, is_parallel=not wire.disable_parallel_tool_use)
        case WireAuto() | WireAny():
            return ToolChoice(mode=wire.type, is_parallel=not wire.disable_parallel_tool_use)
