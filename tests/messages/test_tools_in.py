"""The tools of a body, the choice among them, and the form of the answer."""

from __future__ import annotations

from typing import Any

import pytest

from caesura.messages.content import CacheControl, Tool
from caesura.messages.errors import InvalidRequestError
from caesura.messages.request import OutputFormat, ToolChoice
from caesura.messages.tools_in import MAX_TOOLS
from caesura.messages.typed_tools import TYPED_TOOLS, typed_tool
from caesura.messages.validation import Dialect, parse_count_request, parse_request

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "get_weather", "description": "The weather.", "input_schema": SCHEMA}
EPHEMERAL = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
FORMAT = {"type": "json_schema", "schema": SCHEMA}
HI = [{"role": "user", "content": "hi"}]


def body(*tools: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 9, "messages": HI, "tools": list(tools), **fields}


def tools_of(*tools: dict[str, Any]) -> tuple[Tool, ...]:
    return parse_request(body(*tools)).conversation.tools


def named(name: Any, **fields: Any) -> dict[str, Any]:
    return {**WEATHER, "name": name, **fields}


@pytest.mark.parametrize("kind", [{}, {"type": "custom"}, {"type": None}])
def test_a_tool_of_ones_own_is_read(kind: dict[str, Any]) -> None:
    assert tools_of({**WEATHER, **kind}) == (
        Tool(name="get_weather", description="The weather.", input_schema=SCHEMA),
    )


def test_what_a_tool_may_say_besides_is_read() -> None:
    said = {"strict": True, "cache_control": HOUR, "defer_loading": False, "eager_input_streaming": True}
    (tool,) = tools_of(named("x" * 128, allowed_callers=["direct"], description=None, **said))
    assert (tool.strict, tool.cache_control, tool.description) == (True, CacheControl(ttl="1h"), "")


def test_examples_are_shown_with_the_schema() -> None:
    given = {**SCHEMA, "examples": [{"city": "Rome"}]}
    (tool,) = tools_of(named("a", input_schema=given, input_examples=[{"city": "Oslo"}]))
    assert tool.input_schema == {**SCHEMA, "examples": [{"city": "Rome"}, {"city": "Oslo"}]}


SCREEN = {"display_width_px": 1024, "display_height_px": 768}


@pytest.mark.parametrize("kind", TYPED_TOOLS)
def test_a_typed_tool_gets_its_schema_here(kind: str) -> None:
    fields = {"display_number": 1, **SCREEN} if kind.startswith("computer") else {}
    (tool,) = tools_of({"type": kind, "name": TYPED_TOOLS[kind].name, **fields})
    assert tool == typed_tool(kind, fields)


def test_a_typed_tools_settings_are_kept() -> None:
    editor = {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "max_characters": 70}
    assert tools_of(editor)[0].settings == {"max_characters": 70}
    computer = {"type": "computer_20251124", "name": "computer", "enable_zoom": True, **SCREEN}
    assert tools_of(computer)[0].settings == {"enable_zoom": True, **SCREEN}


PATTERN = "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'"
SERVERS = [
    "web_search_20250305",
    "web_search_20991231",
    "web_fetch_20250910",
    "code_execution_20250825",
    "tool_search_tool_regex_20251119",
    "tool_search_tool_bm25_20251119",
    "mcp_toolset",
    "advisor_20260301",
    "computer_toolset_20260801",
    "browser_toolset_20260801",
]
KINDS = ", ".join(f"'{kind}'" for kind in ("custom", *TYPED_TOOLS))
BAD: list[tuple[dict[str, Any], str]] = [
    ({**body(), "tools": {}}, "tools: Input should be a valid list"),
    (body("bash"), "tools.0: Input should be a valid dictionary"),
    (body({}), "tools.0.custom.name: Field required"),
    (body({"name": "a"}), "tools.0.custom.input_schema: Field required"),
    (body(WEATHER, named("a b")), f"tools.1.custom.name: {PATTERN}"),
    (body(named("")), f"tools.0.custom.name: {PATTERN}"),
    (body(named("a\n")), f"tools.0.custom.name: {PATTERN}"),
    (body(named("caf\u00e9")), f"tools.0.custom.name: {PATTERN}"),
    (body(named("x" * 129)), f"tools.0.custom.name: {PATTERN}"),
    (body(named(7)), "tools.0.custom.name: Input should be a valid string"),
    (body(WEATHER, WEATHER), "tools: Tool names must be unique. Found twice: get_weather"),
    (
        body(named("bash"), {"type": "bash_20250124", "name": "bash"}),
        "tools: Tool names must be unique. Found twice: bash",
    ),
    (body(named("a", input_schema="x")), "tools.0.custom.input_schema: Input should be a valid dictionary"),
    (body(named("a", input_schema={})), "tools.0.custom.input_schema.type: Field required"),
    (
        body(named("a", input_schema={"type": "string"})),
        "tools.0.custom.input_schema.type: Input should be 'object'",
    ),
    (
        body(named("a", input_schema={"type": ["object"]})),
        "tools.0.custom.input_schema.type: Input should be 'object'",
    ),
    (
        body(named("a", input_schema={"type": "object", "maxProperties": float("inf")})),
        "tools.0.custom.input_schema: a number is out of range",
    ),
    (body(named("a", description=7)), "tools.0.custom.description: Input should be a valid string"),
    (body(named("a", strict="yes")), "tools.0.custom.strict: Input should be a valid boolean"),
    (
        body(named("a", cache_control={"type": "x"})),
        "tools.0.custom.cache_control.type: Input should be 'ephemeral'",
    ),
    (
        body(named("a", input_examples=["x"])),
        "tools.0.custom.input_examples.0: Input should be a valid dictionary",
    ),
    (
        body(named("a", input_examples=[{"city": "x"}, {}])),
        "tools.0.custom.input_examples.1: 'city' is a required property",
    ),
    (
        body(named("a", allowed_callers=["code_execution_20260120"])),
        "tools.0.custom.allowed_callers: this server runs no code that could call a tool; allow `direct`",
    ),
    (
        body({"type": "magic_20300101", "name": "magic"}),
        "tools.0.type: Input tag 'magic_20300101' found using 'type' does not match any of the expected"
        f" tags: {KINDS}",
    ),
    (body({"type": "bash_20250124", "name": "sh"}), "tools.0.bash_20250124.name: Input should be 'bash'"),
    (
        body({"type": "text_editor_20250728", "name": "str_replace_editor"}),
        "tools.0.text_editor_20250728.name: Input should be 'str_replace_based_edit_tool'",
    ),
    (
        body({"type": "computer_20250124", "name": "computer", "display_width_px": 5}),
        "tools.0.computer_20250124.display_height_px: Field required",
    ),
    (
        body({"type": "computer_20250124", "name": "computer", **SCREEN, "display_width_px": 0}),
        "tools.0.computer_20250124.display_width_px: Input should be greater than or equal to 1",
    ),
    (
        body(WEATHER, tool_choice="any"),
        "tool_choice: Input should be a valid dictionary",
    ),
    (body(WEATHER, tool_choice={}), "tool_choice.type: Field required"),
    (
        body(WEATHER, tool_choice={"type": "maybe"}),
        "tool_choice.type: Input tag 'maybe' found using 'type' does not match any of the expected tags:"
        " 'auto', 'any', 'tool', 'none'",
    ),
    (body(WEATHER, tool_choice={"type": "tool"}), "tool_choice.tool.name: Field required"),
    (
        body(WEATHER, tool_choice={"type": "tool", "name": "x"}),
        "tool_choice.tool.name: Tool 'x' not found in provided tools",
    ),
    (
        body(WEATHER, tool_choice={"type": "any", "disable_parallel_tool_use": 1}),
        "tool_choice.any.disable_parallel_tool_use: Input should be a valid boolean",
    ),
    *(
        (body(tool_choice=choice), "tool_choice: tool_choice may only be specified while providing tools.")
        for choice in ({"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "x"})
    ),
    *(
        (
            body(
                WEATHER,
                tool_choice=choice,
                thinking={"type": "enabled", "budget_tokens": 5},
            ),
            "Thinking may not be enabled when tool_choice forces tool use",
        )
        for choice in ({"type": "any"}, {"type": "tool", "name": "get_weather"})
    ),
    (
        body(WEATHER, max_tokens=0, tool_choice={"type": "any"}),
        "max_tokens: 0 fills the prompt cache and writes nothing, so it cannot be combined with"
        " `tool_choice.type: any`; leave that out, or ask for at least 1",
    ),
    *(
        (
            body({"type": kind, "name": "x"}),
            f"tools.0.type: `{kind}` tools are not supported by this server; leave them out",
        )
        for kind in SERVERS
    ),
]


@pytest.mark.parametrize(("bad", "message"), BAD, ids=[f"{i}" for i in range(len(BAD))])
def test_bad_tools_are_refused_by_name(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_request(bad)
    assert refused.value.message == message


def test_ten_thousand_tools_are_read_and_not_one_more() -> None:
    tools = [named(f"tool_{number}") for number in range(MAX_TOOLS)]
    assert len(tools_of(*tools)) == 10_000
    with pytest.raises(InvalidRequestError, match=r"^tools: 10001 tools > 10000 maximum; leave some"):
        tools_of(*tools, WEATHER)


@pytest.mark.parametrize(
    ("said", "choice"),
    [
        (None, ToolChoice()),
        ({"type": "auto"}, ToolChoice()),
        ({"type": "any"}, ToolChoice(mode="any")),
        ({"type": "none"}, ToolChoice(mode="none")),
        ({"type": "tool", "name": "get_weather"}, ToolChoice(mode="tool", name="get_weather")),
        ({"type": "auto", "disable_parallel_tool_use": True}, ToolChoice(is_parallel=False)),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice(mode="any", is_parallel=False)),
        ({"type": "any", "disable_parallel_tool_use": False}, ToolChoice(mode="any")),
    ],
)
def test_the_choice_among_tools_is_read(said: dict[str, Any] | None, choice: ToolChoice) -> None:
    assert parse_request(body(WEATHER, tool_choice=said)).tool_choice == choice


def test_adaptive_thinking_and_a_forced_call_go_together() -> None:
    request = parse_request(body(WEATHER, tool_choice={"type": "any"}, thinking={"type": "adaptive"}))
    assert (request.tool_choice.mode, request.thinking.mode) == ("any", "adaptive")


def test_a_budget_for_thoughts_between_calls_may_be_more_than_one_reply() -> None:
    large = {"type": "enabled", "budget_tokens": 5_000}
    interleaved = Dialect(is_interleaved=True)
    assert parse_request(body(WEATHER, thinking=large), interleaved).thinking.budget_tokens == 5_000
    for sent, dialect in ((body(WEATHER, thinking=large), Dialect()), (body(thinking=large), interleaved)):
        with pytest.raises(InvalidRequestError, match=r"^`max_tokens` must be greater than"):
            parse_request(sent, dialect)


def test_breakpoints_on_tools_count_and_come_first() -> None:
    tools = [named(name, cache_control=HOUR) for name in ("a", "b", "c")]
    system = [{"type": "text", "text": "s", "cache_control": EPHEMERAL}]
    assert parse_request(body(*tools, system=system)).conversation.system[0].cache_control == CacheControl()
    with pytest.raises(InvalidRequestError, match=r"^A maximum of 4 blocks .* Found 5\.$"):
        parse_request(body(*tools, system=system, cache_control=EPHEMERAL))
    late = [{"type": "text", "text": "s", "cache_control": HOUR}]
    with pytest.raises(InvalidRequestError, match=r"^system\.0\.cache_control\.ttl: a ttl='1h'"):
        parse_request(body(named("a", cache_control=EPHEMERAL), system=late))


def test_tools_are_counted_as_they_are_read() -> None:
    counted = parse_count_request({**body(WEATHER), "max_tokens": None})
    assert counted.conversation == parse_request(body(WEATHER)).conversation


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (FORMAT, OutputFormat(kind="json_schema", schema=SCHEMA)),
        ({**FORMAT, "name": "x"}, OutputFormat(kind="json_schema", schema=SCHEMA)),
        ({**FORMAT, "type": "xml"}, OutputFormat(kind="xml", schema=SCHEMA)),
        ({**FORMAT, "type": "yaml"}, OutputFormat(kind="yaml", schema=SCHEMA)),
        ({"type": "lark", "grammar": 'start: "a"'}, OutputFormat(kind="lark", text='start: "a"')),
        ({"type": "regex", "pattern": "a+"}, OutputFormat(kind="regex", text="a+")),
    ],
)
def test_the_form_of_the_answer_is_read(said: dict[str, Any], expected: OutputFormat) -> None:
    assert parse_request(body(output_config={"format": said})).output_format == expected
    assert parse_request(body(output_format=said)).output_format == expected
    assert parse_request(body(output_format=said, output_config={"format": said})).output_format == expected


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("json", ": Input should be a valid dictionary"),
        ({}, ".type: Field required"),
        (
            {"type": "toml"},
            ".type: Input tag 'toml' found using 'type' does not match any of the expected tags:"
            " 'json_schema', 'xml', 'yaml', 'lark', 'regex'",
        ),
        ({"type": "json_schema"}, ".json_schema.schema: Field required"),
        ({"type": "json_schema", "schema": True}, ".json_schema.schema: Input should be a valid dictionary"),
        (
            {"type": "json_schema", "schema": {"const": float("inf")}},
            ".json_schema.schema: a number is out of range",
        ),
        ({"type": "xml"}, ".xml.schema: Field required"),
        ({"type": "lark", "grammar": ""}, ".lark.grammar: String should have at least 1 character"),
        ({"type": "regex"}, ".regex.pattern: Field required"),
        (
            {"type": "regex", "pattern": "a" * 100_001},
            ".regex.pattern: String should have at most 100000 characters",
        ),
    ],
)
def test_a_bad_form_is_refused_by_name(said: Any, message: str) -> None:
    for fields, path in (
        ({"output_config": {"format": said}}, "output_config.format"),
        ({"output_format": said}, "output_format"),
    ):
        with pytest.raises(InvalidRequestError) as refused:
            parse_request(body(**fields))
        assert refused.value.message == path + message


def test_the_older_name_of_a_form_ends_with_the_newest_dialect() -> None:
    with pytest.raises(InvalidRequestError, match=r"^output_format: This field is deprecated\. Use"):
        parse_request(body(output_format=FORMAT), Dialect(version="2026-10-21"))
    other = {"format": {"type": "regex", "pattern": "a"}}
    with pytest.raises(InvalidRequestError, match=r"^output_format: it is another name of"):
        parse_request(body(output_format=FORMAT, output_config=other))


def test_a_form_and_a_prefill_do_not_go_together() -> None:
    prefilled = [*HI, {"role": "assistant", "content": "{"}]
    with pytest.raises(
        InvalidRequestError, match=r"^messages\.1\.role: .* when output_config\.format is set$"
    ):
        parse_request(body(messages=prefilled, output_config={"format": FORMAT}))
