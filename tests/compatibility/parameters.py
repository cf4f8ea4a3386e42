"""Rows: parameters of a message, caching, structured answers. Enters: nothing. Leaves: `Row`s. Read next:
`page.py`.
"""

from __future__ import annotations

from typing import Any

from tests.compatibility.probe import NEW, Answer, Row, field

HI: dict[str, Any] = {"role": "user", "content": "Hi"}
TOOL: dict[str, Any] = {"name": "look", "input_schema": {"type": "object"}}
CALL: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
CALLS: dict[str, Any] = {"role": "assistant", "content": [CALL]}
RESULTS: dict[str, Any] = {
    "role": "user",
    "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "it"}],
}
PREFILL: list[Any] = [HI, {"role": "assistant", "content": "I am"}]
MID_SYSTEM: dict[str, Any] = {"role": "system", "content": "Be brief."}
NEWEST = {"anthropic-version": NEW}
EPHEMERAL: dict[str, Any] = {"type": "ephemeral"}
LONG: dict[str, Any] = {"type": "ephemeral", "ttl": "1h"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}
TEXT: dict[str, Any] = {"type": "text", "text": "What is it?"}


def _said(answer: Answer, role: str) -> bool:
    return answer.request is not None and role in [turn.role for turn in answer.request.conversation.turns]


def _has(answer: Answer, effort: str) -> bool:
    return answer.request is not None and answer.request.effort == effort


def _is_low(answer: Answer) -> bool:
    return _has(answer, "low")


def _format(kind: dict[str, Any]) -> dict[str, Any]:
    return {"output_config": {"format": kind}}


PARAMETERS = [
    Row("`model`: any `claude-...` name", field({"model": "claude-any"}, lambda each: each.status == 200)),
    Row(
        "`model`: `NAME[1m]`",
        field({"model": "scripted[1m]"}, lambda each: each.body["model"] == "scripted[1m]"),
    ),
    Row("`messages`: of role `user`, `assistant`", field({"messages": [HI, *PREFILL[1:], HI]})),
    Row(
        "`messages`: of role `system`, in place",
        field({"messages": [HI, MID_SYSTEM]}, lambda each: _said(each, "system")),
    ),
    Row(
        "`messages`: `output_config` or `clear_at` of a system message",
        field({"messages": [HI, {**MID_SYSTEM, "output_config": {"effort": "low"}, "clear_at": 9}]}, _is_low),
    ),
    Row("`messages`: a system message first", field({"messages": [MID_SYSTEM, HI]}), "as in the API"),
    Row(
        "`messages`: a system message between a call and its result",
        field({"messages": [HI, CALLS, MID_SYSTEM, RESULTS], "tools": [TOOL]}),
        "as in the API",
    ),
    Row("`messages`: consecutive ones of a role", field({"messages": [HI, HI]}), "are one turn"),
    Row("`messages`: none", field({"messages": []}), "as in the API"),
    Row("`messages`: a prefill at the end", field({"messages": PREFILL})),
    Row("`max_tokens`", field({"max_tokens": 3}, lambda each: each.body["stop_reason"] == "max_tokens")),
    Row(
        "`max_tokens`: 0", field({"max_tokens": 0}, lambda each: not each.body["content"]), "fills the cache"
    ),
    *[
        Row(f"`max_tokens`: 0 with {name}", field({"max_tokens": 0, **fields}), "as in the API")
        for name, fields in (
            ("`stream`", {"stream": True}),
            ("`thinking` enabled", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
            ("`output_config.format`", _format({"type": "json_schema", "schema": SCHEMA})),
            ("a forced `tool_choice`", {"tools": [TOOL], "tool_choice": {"type": "any"}}),
        )
    ],
    Row("`max_tokens`: more than the model's maximum", field({"max_tokens": 10**6}), "as in the API"),
    Row("`system`: a string, or blocks", field({"system": [{"type": "text", "text": "Be brief."}]})),
    Row(
        "`stop_sequences`",
        field({"stop_sequences": ["forty"]}, lambda each: each.body["stop_sequence"] == "forty"),
    ),
    Row("`stop_sequences`: blank ones", field({"stop_sequences": [" "]}), "as in the API"),
    Row("`stream`", field({"stream": True}, lambda each: each.events)),
    *[
        Row(f"`{name}`, version 2023-06-01", field({name: value}))
        for name, value in (("temperature", 0.5), ("top_p", 0.5), ("top_k", 5))
    ],
    *[
        Row(f"`{name}`, version 2026-10-21", field({name: value}, headers=NEWEST), "as in the API")
        for name, value in (("temperature", 0.5), ("top_p", 0.5), ("top_k", 5))
    ],
    Row("`seed`", field({"seed": 7}), "beyond the API"),
    Row(
        "`metadata.user_id`",
        field({"metadata": {"user_id": "u"}}, lambda each: False),
        "checked, and carried along",
    ),
    Row(
        "`service_tier`",
        field({"service_tier": "auto"}, lambda each: each.usage["service_tier"] != "standard"),
        "usage says `standard`, in a batch `batch`",
    ),
    Row("`cache_control`", field({"cache_control": EPHEMERAL})),
    Row("`container`: null", field({"container": None}, lambda each: each.body["container"] is None)),
    Row("`container`", field({"container": "container_1"}), "no code runs here"),
    Row("`inference_geo`", field({"inference_geo": "us"})),
    Row("`speed`: fast", field({"speed": "fast"}, lambda each: each.usage["speed"] == "fast")),
    Row("`diagnostics`", field({"diagnostics": {"previous_message_id": None}})),
    *[
        Row(
            f"`output_config.effort`: `{effort}`",
            field({"output_config": {"effort": effort}}, lambda each, effort=effort: _has(each, effort)),
        )
        for effort in ("low", "medium", "high", "xhigh", "max")
    ],
    Row(
        "`output_config.task_budget`",
        field({"output_config": {"task_budget": {"type": "tokens", "total": 20_000}}}),
        "no model here was trained to pace itself",
    ),
    Row(
        "`output_format`, version 2023-06-01",
        field({"output_format": {"type": "json_schema", "schema": SCHEMA}}),
    ),
    Row(
        "`output_format`, version 2026-10-21",
        field({"output_format": {"type": "json_schema", "schema": SCHEMA}}, headers=NEWEST),
        "the newer name is taken",
    ),
    Row("`mcp_servers`: none", field({"mcp_servers": []}, lambda each: each.kinds == ["text"])),
    Row(
        "`mcp_servers`",
        field({"mcp_servers": [{"type": "url", "url": "https://x", "name": "x"}]}),
        "no other servers are called",
    ),
    Row("`fallbacks`", field({"fallbacks": [{"model": "other"}]})),
    Row("`fallback_credit_token`", field({"fallback_credit_token": "t"})),
    Row(
        "`compaction`",
        field({"compaction": {"type": "summarize"}}),
        "for summaries there is `context_management`",
    ),
    Row(
        "`thread`",
        field({"thread": {"type": "create"}}),
        "with the code at which the SDK goes on without; conversations are not kept here",
    ),
    Row("`billing_policy`", field({"billing_policy": {}})),
    Row("fields that are not known", field({"of_tomorrow": 1}), "refused by `caesura serve --strict`"),
]


def _marked(num_marks: int) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{**TEXT, "cache_control": EPHEMERAL}] * num_marks}]}


CACHING = [
    Row("`cache_control` on text", field(_marked(1))),
    Row(
        "`cache_control` on tools",
        field({"tools": [{"name": "a", "input_schema": {"type": "object"}, "cache_control": EPHEMERAL}]}),
    ),
    Row("`ttl`: `1h`", field({"system": [{**TEXT, "cache_control": LONG}]})),
    Row("four markers", field(_marked(4))),
    Row("five markers", field(_marked(5)), "as in the API"),
    Row(
        "a `1h` marker after a `5m` one",
        field({"system": [{**TEXT, "cache_control": EPHEMERAL}, {**TEXT, "cache_control": LONG}]}),
        "as in the API",
    ),
    *[
        Row(f"`usage.{name}`", field({}, lambda each, name=name: name in each.usage))
        for name in ("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation")
    ],
    Row(
        "a minimum length",
        field({}, lambda each: False),
        "prefixes of any length are kept, from one page of tokens on",
    ),
]

FORMS = [
    Row("`output_config.format`: `json_schema`", field(_format({"type": "json_schema", "schema": SCHEMA}))),
    *[
        Row(f"`output_config.format`: `{name}`", field(_format({"type": name, **fields})), "beyond the API")
        for name, fields in (
            ("xml", {"schema": SCHEMA}),
            ("yaml", {"schema": SCHEMA}),
            ("lark", {"grammar": 'start: "a"'}),
            ("regex", {"pattern": "a+"}),
        )
    ],
    Row(
        "`output_config.format` with a prefill",
        field({"messages": PREFILL, **_format({"type": "json_schema", "schema": SCHEMA})}),
        "as in the API",
    ),
    Row(
        "`strict` tools",
        field({"tools": [{"name": "a", "input_schema": SCHEMA, "strict": True}]}),
        "calls keep to the schema without it, too",
    ),
]
