"""Rows: tools and the choice among them. Enters: nothing. Leaves: `Row`s. Read next: `page.py`."""

from __future__ import annotations

from typing import Any

from tests.compatibility.parameters import CALL, TOOL
from tests.compatibility.probe import BODY, Answer, Row, field

ASKS: list[Any] = [{"role": "user", "content": "[[call look {}]]"}]
SCREEN: dict[str, Any] = {"display_width_px": 800, "display_height_px": 600}


def _calls(answer: Answer) -> bool:
    return answer.kinds[-1:] == ["tool_use"]


def _knows(answer: Answer) -> bool:
    return answer.request is not None and bool(answer.request.conversation.tools)


def _tool(**fields: Any) -> dict[str, Any]:
    return {"tools": [{**TOOL, **fields}]}


def _typed(kind: str, name: str, remark: str = "", **fields: Any) -> Row:
    tool = {"type": kind, "name": name, **fields}
    if not name:
        del tool["name"]
    return Row(f"`{kind}`", field({"tools": [tool]}, _knows), remark)


def _choice(choice: dict[str, Any], **fields: Any) -> Any:
    return field({"messages": ASKS, "tools": [TOOL], "tool_choice": choice, **fields}, _calls)


DEFINITIONS = [
    Row("a tool without `type`", field({"messages": ASKS, **_tool()}, _calls)),
    Row("`type`: `custom`", field({"messages": ASKS, **_tool(type="custom")}, _calls)),
    Row("`description`", field(_tool(description="Looks."))),
    Row("`input_examples`", field(_tool(input_examples=[{}]))),
    Row(
        "`input_examples` that do not fit",
        field(_tool(input_schema={"type": "object", "required": ["a"]}, input_examples=[{}])),
        "as in the API",
    ),
    Row(
        "`defer_loading`",
        field(
            {"tools": [TOOL, {**TOOL, "name": "hidden", "defer_loading": True}]},
            lambda each: len(each.request.conversation.listed_tools) == 1 if each.request else False,
        ),
    ),
    Row("`allowed_callers`: `direct`", field(_tool(allowed_callers=["direct"]), _knows)),
    Row(
        "`allowed_callers`: code alone",
        field(_tool(allowed_callers=["code_execution_20250825"])),
        "no code runs here that could call",
    ),
    Row("`eager_input_streaming`", field(_tool(eager_input_streaming=True), lambda each: False)),
    Row("a name of other characters", field(_tool(name="look here")), "as in the API"),
    Row("two tools of one name", field({"tools": [TOOL, TOOL]}), "as in the API"),
]
TYPES = [
    _typed("bash_20250124", "bash"),
    _typed("bash_20241022", "bash"),
    _typed("text_editor_20250728", "str_replace_based_edit_tool", max_characters=1000),
    _typed("text_editor_20250429", "str_replace_based_edit_tool"),
    _typed("text_editor_20250124", "str_replace_editor"),
    _typed("text_editor_20241022", "str_replace_editor"),
    _typed("computer_20251124", "computer", **SCREEN),
    _typed("computer_20250124", "computer", **SCREEN),
    _typed("computer_20241022", "computer", **SCREEN),
    _typed("computer_toolset_20260801", "", "the tools in it are not known here"),
    _typed("browser_toolset_20260801", "", "the tools in it are not known here"),
    _typed("memory_20250818", "memory", remark="also carried out by the server, see Memory"),
    *[
        _typed(kind, name, "the server would have to carry it out")
        for kind, name in (
            ("code_execution_20250522", "code_execution"),
            ("code_execution_20250825", "code_execution"),
            ("code_execution_20260120", "code_execution"),
            ("code_execution_20260521", "code_execution"),
            ("web_search_20250305", "web_search"),
            ("web_search_20260209", "web_search"),
            ("web_search_20260318", "web_search"),
            ("web_fetch_20250910", "web_fetch"),
            ("web_fetch_20260209", "web_fetch"),
            ("web_fetch_20260309", "web_fetch"),
            ("web_fetch_20260318", "web_fetch"),
            ("tool_search_tool_regex_20251119", "tool_search_tool_regex"),
            ("tool_search_tool_bm25_20251119", "tool_search_tool_bm25"),
            ("mcp_toolset", ""),
            ("advisor_20260301", "advisor"),
        )
    ],
]


def _answered(*results: dict[str, Any]) -> dict[str, Any]:
    return {
        "tools": [TOOL],
        "messages": [
            *BODY["messages"],
            {"role": "assistant", "content": [CALL]},
            {"role": "user", "content": list(results) or "So?"},
        ],
    }


RESULT: dict[str, Any] = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "a hare"}
CHOICE = [
    Row("`auto`", _choice({"type": "auto"})),
    Row("`any`", _choice({"type": "any"})),
    Row("`tool`", _choice({"type": "tool", "name": "look"})),
    Row(
        "`none`",
        field(
            {"messages": ASKS, "tools": [TOOL], "tool_choice": {"type": "none"}},
            lambda each: each.kinds == ["text"],
        ),
    ),
    Row(
        "`disable_parallel_tool_use`",
        field(
            {"tools": [TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
            lambda each: each.request is not None and not each.request.tool_choice.is_parallel,
        ),
    ),
    Row("a call and its result", field(_answered(RESULT))),
    Row("a result that is an error", field(_answered({**RESULT, "is_error": True}))),
    Row("a call without its result", field(_answered()), "as in the API"),
    Row("a result of no call", field(_answered({**RESULT, "tool_use_id": "toolu_2"})), "as in the API"),
    Row(
        "a result behind a text",
        field(
            {
                "tools": [TOOL],
                "messages": [
                    *BODY["messages"],
                    {"role": "assistant", "content": [CALL]},
                    {"role": "user", "content": [{"type": "text", "text": "So?"}, RESULT]},
                ],
            }
        ),
        "as in the API",
    ),
    Row("a call of a tool that is not in `tools`", field({**_answered(RESULT), "tools": []})),
]
