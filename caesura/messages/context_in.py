"""The shape of `context_management` in a request body, and what is made of it.

Enters: parsed JSON. Leaves: pydantic models, then `ContextEdit`s, or an `InvalidRequestError` for edits that
do not go together. Read next: `context_management.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from caesura.messages.blocks_in import Shape
from caesura.messages.context_management import (
    NUM_KEPT_TOOL_USES,
    Compaction,
    ContextEdit,
    ThinkingClearing,
    ToolUseClearing,
    Trigger,
)
from caesura.messages.errors import InvalidRequestError

_MAX_INT32 = 2**31 - 1
_Positive = Annotated[int, Field(ge=1, le=_MAX_INT32)]
_Count = Annotated[int, Field(ge=0, le=_MAX_INT32)]
MAX_INSTRUCTIONS_CHARACTERS = 100_000


def _as_keep(value: object) -> object:
    """`"all"` is short for an object of that type."""
    return {"type": "all"} if value == "all" else value


class WireInputTokens(Shape):
    type: Literal["input_tokens"]
    value: _Positive


class WireToolUses(Shape):
    type: Literal["tool_uses"]
    value: _Positive


class WireKeptToolUses(Shape):
    type: Literal["tool_uses"]
    value: _Count


class WireClearAtLeast(Shape):
    type: Literal["input_tokens"]
    value: _Count


class WireThinkingTurns(Shape):
    type: Literal["thinking_turns"]
    value: _Positive


class WireAllTurns(Shape):
    type: Literal["all"]


class WireClearToolUses(Shape):
    type: Literal["clear_tool_uses_20250919"]
    trigger: Annotated[WireInputTokens | WireToolUses, Field(discriminator="type")] | None = None
    keep: WireKeptToolUses | None = None
    clear_at_least: WireClearAtLeast | None = None
    exclude_tools: list[str] | None = None
    clear_tool_inputs: bool | list[str] | None = None


class WireClearThinking(Shape):
    type: Literal["clear_thinking_20251015"]
    keep: (
        Annotated[WireThinkingTurns | WireAllTurns, Field(discriminator="type"), BeforeValidator(_as_keep)]
        | None
    ) = None


class WireCompact(Shape):
    type: Literal["compact_20260112"]
    trigger: WireInputTokens | None = None
    pause_after_compaction: bool | None = None
    instructions: Annotated[str, Field(max_length=MAX_INSTRUCTIONS_CHARACTERS)] | None = None


WireEdit = Annotated[WireClearToolUses | WireClearThinking | WireCompact, Field(discriminator="type")]


class WireContextManagement(Shape):
    edits: Annotated[list[WireEdit] | None, Field(max_length=3)] = None


def context_edits_of(wire: WireContextManagement | None, *, is_thinking: bool) -> tuple[ContextEdit, ...]:
    """The edits in their order. Raises InvalidRequestError for those that do not go together.

    is_thinking: whether the model may think.
    """
    edits = (wire.edits if wire is not None else None) or []
    types = [edit.type for edit in edits]
    for index, kind in enumerate(types):
        path = f"context_management.edits.{index}"
        if kind in types[:index]:
            raise InvalidRequestError(f"{path}: `{kind}` may be given only once")
        if kind == "clear_thinking_20251015" and index:
            raise InvalidRequestError(f"{path}: `{kind}` must be the first of the edits")
    made = tuple(map(_edit, edits))
    clears_thoughts = bool(made) and isinstance(made[0], ThinkingClearing)
    # Keeping everything asks for nothing, and agents ask for it whether or not they let the model think.
    if clears_thoughts and not is_thinking and made[0] != ThinkingClearing(num_kept_turns=None):
        raise InvalidRequestError(
            "context_management.edits.0: `clear_thinking_20251015` needs `thinking` to be enabled or adaptive"
        )
    return made


def _edit(wire: WireEdit) -> ContextEdit:
    match wire:
        case WireClearToolUses():
            return _tool_use_clearing(wire)
        case WireClearThinking(keep=None):
            return ThinkingClearing()
        case WireClearThinking(keep=WireThinkingTurns() as keep):
            return ThinkingClearing(num_kept_turns=keep.value)
        case WireClearThinking():
            return ThinkingClearing(num_kept_turns=None)
        case WireCompact():
            return Compaction(
                trigger_tokens=wire.trigger.value if wire.trigger is not None else None,
                pauses=bool(wire.pause_after_compaction),
                instructions=wire.instructions if (wire.instructions or "").strip() else None,
            )


def _tool_use_clearing(wire: WireClearToolUses) -> ToolUseClearing:
    inputs = wire.clear_tool_inputs
    trigger = wire.trigger
    return ToolUseClearing(
        trigger=None if trigger is None else Trigger(kind=trigger.type, value=trigger.value),
        num_kept=NUM_KEPT_TOOL_USES if wire.keep is None else wire.keep.value,
        min_cleared_tokens=0 if wire.clear_at_least is None else wire.clear_at_least.value,
        excluded_tools=tuple(wire.exclude_tools or ()),
        clears_inputs=tuple(inputs) if isinstance(inputs, list) else bool(inputs),
    )


def context_json(edits: tuple[ContextEdit, ...]) -> dict[str, Any]:
    """The same as JSON, to be spread into a body; nothing where there are no edits."""
    return {"context_management": {"edits": [_edit_json(edit) for edit in edits]}} if edits else {}


def _edit_json(edit: ContextEdit) -> dict[str, Any]:
    match edit:
        case ThinkingClearing():
            kept = edit.num_kept_turns
            keep: Any = "all" if kept is None else {"type": "thinking_turns", "value": kept}
            return {"type": "clear_thinking_20251015", "keep": keep}
        case Compaction():
            body: dict[str, Any] = {"type": "compact_20260112", "pause_after_compaction": edit.pauses}
            if edit.trigger_tokens is not None:
                body["trigger"] = {"type": "input_tokens", "value": edit.trigger_tokens}
            return body | ({} if edit.instructions is None else {"instructions": edit.instructions})
        case ToolUseClearing():
            return _clearing_json(edit)


def _clearing_json(edit: ToolUseClearing) -> dict[str, Any]:
    inputs = edit.clears_inputs
    body: dict[str, Any] = {
        "type": "clear_tool_uses_20250919",
        "keep": {"type": "tool_uses", "value": edit.num_kept},
        "clear_tool_inputs": inputs if isinstance(inputs, bool) else list(inputs),
    }
    if edit.trigger is not None:
        body["trigger"] = {"type": edit.trigger.kind, "value": edit.trigger.value}
    if edit.min_cleared_tokens:
        body["clear_at_least"] = {"type": "input_tokens", "value": edit.min_cleared_tokens}
    if edit.excluded_tools:
        body["exclude_tools"] = list(edit.excluded_tools)
    return body
