"""The rules of tools, calls and results that no single field can state.

Every call has its result in the very next turn, where results come before anything else; what a result
answers was asked in the turn before. Enters: a body whose shape is right. Leaves: nothing, or an
`InvalidRequestError` with the wording that clients act on. Read next: `request_rules.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise, takewhile
from typing import Any, NamedTuple, cast

from caesura.messages.blocks_in import (
    WireBlock,
    WireRedactedThinking,
    WireThinking,
    WireToolResult,
    WireToolUse,
)
from caesura.messages.errors import InvalidRequestError
from caesura.messages.json_values import check_numbers
from caesura.messages.tools_in import MAX_TOOLS, WireCustomTool, WireTool
from caesura.messages.wire_in import WireCountRequest, WireEnabled, WireMessage, WireThinkingConfig


class _Run(NamedTuple):
    """Consecutive messages of one role, which count as one. blocks: with the place of each."""

    role: str
    blocks: tuple[tuple[str, WireBlock], ...]


_KINDS = ("tool_use", "tool_result")
_NOTHING = _Run("user", ())


def check_num_tools(fields: Mapping[str, Any]) -> None:
    """Refuse more tools than are read in reasonable time, before they are read."""
    tools = fields.get("tools")
    num_tools = len(cast("list[object]", tools)) if isinstance(tools, list) else 0
    if num_tools > MAX_TOOLS:
        raise InvalidRequestError(f"tools: {num_tools} tools > {MAX_TOOLS} maximum; leave some of them out")


def check_tools(body: WireCountRequest) -> None:
    """The tools each and together, and the choice among them."""
    tools = body.tools or []
    for index, tool in enumerate(tools):
        _check_tool(f"tools.{index}.{tool.type}", tool)
    names = {tool.name for tool in tools}
    if len(names) < len(tools):
        counts = Counter(tool.name for tool in tools)
        raise InvalidRequestError(
            f"tools: Tool names must be unique. Found twice: {counts.most_common(1)[0][0]}"
        )
    choice = body.tool_choice
    if choice is None or choice.type == "none":
        return
    if not tools:
        raise InvalidRequestError("tool_choice: tool_choice may only be specified while providing tools.")
    if choice.type == "tool" and choice.name not in names:
        raise InvalidRequestError(
            f"tool_choice.tool.name: Tool '{choice.name[:128]}' not found in provided tools"
        )


def _check_tool(path: str, tool: WireTool) -> None:
    if tool.allowed_callers and "direct" not in tool.allowed_callers:
        raise InvalidRequestError(
            f"{path}.allowed_callers: this server runs no code that could call a tool; allow `direct`"
        )
    if isinstance(tool, WireCustomTool):
        _check_schema(f"{path}.input_schema", tool.input_schema)
    _check_examples(path, tool)


def _check_schema(path: str, schema: Mapping[str, Any]) -> None:
    """That arguments are an object; the rest is found where the schema is compiled."""
    if "type" not in schema:
        raise InvalidRequestError(f"{path}.type: Field required")
    if schema["type"] != "object":
        raise InvalidRequestError(f"{path}.type: Input should be 'object'")
    check_numbers(path, schema)


def _check_examples(path: str, tool: WireTool) -> None:
    """That examples have what the schema requires. They are shown to the model, and only that."""
    schema = tool.input_schema if isinstance(tool, WireCustomTool) else {}
    required = schema.get("required")
    names = cast("list[object]", required) if isinstance(required, list) else []
    for index, example in enumerate(tool.input_examples or []):
        place = f"{path}.input_examples.{index}"
        missing = next((name for name in names if isinstance(name, str) and name not in example), None)
        if missing is not None:
            raise InvalidRequestError(f"{place}: '{missing[:100]}' is a required property")
        check_numbers(place, example)


def check_calls(messages: Sequence[WireMessage]) -> None:
    """Calls and results belong together, one to one, the result in the turn that follows the call."""
    if not any(block.type in _KINDS for message in messages for block in message.content):
        return
    runs = _runs(messages)
    _check_inputs(runs)
    _check_unique_calls(runs)
    for before, run in pairwise((_NOTHING, *runs, _NOTHING)):
        if before.role == "assistant":
            _check_answered(before, run)
        _check_asked(run, before)


def _runs(messages: Sequence[WireMessage]) -> list[_Run]:
    return [
        _Run(role, tuple(place for index, message in run for place in _places(index, message)))
        for role, run in groupby(enumerate(messages), key=lambda pair: pair[1].role)
    ]


def _places(index: int, message: WireMessage) -> Iterator[tuple[str, WireBlock]]:
    for position, block in enumerate(message.content):
        yield f"messages.{index}.content.{position}", block


def _calls(run: _Run) -> list[tuple[str, WireToolUse]]:
    return [(path, block) for path, block in run.blocks if isinstance(block, WireToolUse)]


def _results(run: _Run) -> list[tuple[str, WireToolResult]]:
    return [(path, block) for path, block in run.blocks if isinstance(block, WireToolResult)]


def _check_inputs(runs: Sequence[_Run]) -> None:
    for path, call in (place for run in runs for place in _calls(run)):
        check_numbers(f"{path}.tool_use.input", call.input)


def _check_unique_calls(runs: Sequence[_Run]) -> None:
    seen: set[str] = set()
    for path, call in (place for run in runs for place in _calls(run)):
        if call.id in seen:
            raise InvalidRequestError(f"{path}: `tool_use` ids must be unique")
        seen.add(call.id)


def _check_answered(run: _Run, after: _Run) -> None:
    """Each call of a turn has a result among those with which the next turn begins."""
    leading = takewhile(lambda place: isinstance(place[1], WireToolResult), after.blocks)
    answered = {block.tool_use_id for _, block in leading if isinstance(block, WireToolResult)}
    missing = [(path, call) for path, call in _calls(run) if call.id not in answered]
    if missing:
        message = missing[0][0].partition(".content.")[0]
        raise InvalidRequestError(
            f"{message}: `tool_use` ids were found without `tool_result` blocks immediately after:"
            f" {', '.join(call.id for _, call in missing[:20])}. Each `tool_use` block must have a"
            " corresponding `tool_result` block in the next message."
        )


def _check_asked(run: _Run, before: _Run) -> None:
    """Each result answers a call of the turn before, which has no other result."""
    asked = {call.id for _, call in _calls(before)}
    seen: set[str] = set()
    for path, result in _results(run):
        if result.tool_use_id in seen:
            raise InvalidRequestError(
                f"{path}: each tool_use must have a single result. Found multiple `tool_result` blocks with"
                f" id: {result.tool_use_id}"
            )
        if result.tool_use_id not in asked:
            raise InvalidRequestError(
                f"{path}: unexpected `tool_use_id` found in `tool_result` blocks: {result.tool_use_id}. Each"
                " `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
        seen.add(result.tool_use_id)


def check_thoughts_before_calls(
    messages: Sequence[WireMessage], thinking: WireThinkingConfig | None, *, is_split: bool = False
) -> None:
    """With a thinking budget, what the model does after a result follows from the thought before its call, so
    the loop of calls that is still going on begins with one.

    is_split: whether the first message is a summary that stands for how the second one's turn began; its
        thought is in there.
    """
    if not isinstance(thinking, WireEnabled):
        return
    turns = [run for run in _runs(messages) if run.role != "system"]
    position = len(turns) - 1
    while position > 1 and turns[position].role == "user" and _results(turns[position]):
        position -= 2
    if position == len(turns) - 1 or (is_split and position == 0):
        return
    path, block = turns[position + 1].blocks[0]
    if not isinstance(block, WireThinking | WireRedactedThinking):
        raise InvalidRequestError(
            f"{path}.type: Expected `thinking` or `redacted_thinking`, but found `{block.type}`. When"
            " `thinking` is enabled, a final `assistant` message must start with a thinking block (preceding"
            " the lastmost set of `tool_use` and `tool_result` blocks). We recommend you include thinking"
            " blocks from previous turns. To avoid this requirement, disable `thinking`."
        )
