"""A body becomes a request, or an error that names the field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.messages.content import CacheControl, TextBlock, ThinkingBlock, text_of, text_turn
from caesura.messages.errors import InvalidRequestError
from caesura.messages.request import Diagnostics, MessagesRequest, Sampling, Thinking, ToolChoice
from caesura.messages.validation import (
    Dialect,
    parse_count_request,
    parse_json,
    parse_request,
    version_of,
)
from caesura.messages.wire_in import WireRequest

NEWEST = Dialect(version="2026-10-21")
STRICT = Dialect(is_strict=True)
USER = {"role": "user", "content": "hi"}
EPHEMERAL = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def body(**fields: Any) -> dict[str, Any]:
    """A good body, changed; `...` removes a field."""
    changed = {"model": "nano", "max_tokens": 100, "messages": [USER], **fields}
    return {name: value for name, value in changed.items() if value is not ...}


def messages(*turns: tuple[str, Any], **fields: Any) -> dict[str, Any]:
    return body(messages=[{"role": role, "content": content} for role, content in turns], **fields)


def block(value: Any, role: str = "user") -> dict[str, Any]:
    """A body whose conversation holds one block."""
    if role == "assistant":
        return messages(("user", "hi"), ("assistant", [value]), ("user", "go on"))
    return messages((role, [value]))


def text(value: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **fields}


def thinking(budget: Any = 10, **fields: Any) -> dict[str, Any]:
    return body(thinking={"type": "enabled", "budget_tokens": budget}, **fields)


FOUR_MARKS = [text("a", cache_control=EPHEMERAL)] * 4
TAGS = (
    "'text', 'thinking', 'redacted_thinking', 'image', 'document', 'search_result', 'tool_use',"
    " 'tool_result', 'mcp_tool_use', 'mcp_tool_result', 'compaction'"
)
FORMAT = {"type": "json_schema", "schema": {"type": "object"}}
PREFILL = "the final message must not be from the `assistant` (a prefill) when thinking is enabled"
ORDER_1H = (
    "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block."
    " Note that blocks are processed in the following order: `tools`, `system`, `messages`."
)
WARMING = (
    "max_tokens: 0 fills the prompt cache and writes nothing, so it cannot be combined with `%s`; leave that"
    " out, or ask for at least 1"
)
NOT_HERE = "this field is not supported by this server; leave it out"

BAD: list[tuple[Any, str]] = [
    ([], "The request body must be a JSON object"),
    ("hi", "The request body must be a JSON object"),
    (None, "The request body must be a JSON object"),
    (body(model=...), "model: Field required"),
    (body(model=""), "model: String should have at least 1 character"),
    (body(model=7), "model: Input should be a valid string"),
    (body(model=None), "model: Input should be a valid string"),
    (body(max_tokens=...), "max_tokens: Field required"),
    (body(max_tokens="100"), "max_tokens: Input should be a valid integer"),
    (body(max_tokens=1.5), "max_tokens: Input should be a valid integer"),
    (body(max_tokens=True), "max_tokens: Input should be a valid integer"),
    (body(max_tokens=-1), "max_tokens: Input should be greater than or equal to 0"),
    (body(max_tokens=0, stream=True), WARMING % "stream: true"),
    (thinking(max_tokens=0), WARMING % "thinking.type: enabled"),
    (body(max_tokens=0, output_config={"format": FORMAT}), WARMING % "output_config.format"),
    (body(max_tokens=0, output_format=FORMAT), WARMING % "output_format"),
    (body(max_tokens=0, tool_choice={"type": "any"}), WARMING % "tool_choice.type: any"),
    (body(max_tokens=0, tool_choice={"type": "tool", "name": "a"}), WARMING % "tool_choice.type: tool"),
    (body(max_tokens=10**30), "max_tokens: Input should be less than or equal to 2147483647"),
    (body(messages=...), "messages: Field required"),
    (body(messages=[]), "messages: at least one message is required"),
    (body(messages="hi"), "messages: Input should be a valid list"),
    (body(messages=["hi"]), "messages.0: Input should be a valid dictionary"),
    (body(messages=[{"content": "hi"}]), "messages.0.role: Field required"),
    (body(messages=[{"role": "user"}]), "messages.0.content: Field required"),
    (messages(("tool", "hi")), "messages.0.role: Input should be 'user', 'assistant' or 'system'"),
    (messages(("user", 7)), "messages.0.content: Input should be a valid list"),
    (messages(("user", None)), "messages.0.content: Input should be a valid list"),
    (messages(("user", ["hi"])), "messages.0.content.0: Input should be a valid dictionary"),
    (
        messages(("user", "")),
        "messages.0.content: all messages must have non-empty content"
        " except for the optional final assistant message",
    ),
    (
        messages(("user", "hi"), ("assistant", []), ("user", "hi")),
        "messages.1.content: all messages must have non-empty content"
        " except for the optional final assistant message",
    ),
    (messages(("assistant", [])), "messages: at least one message is required"),
    (
        messages(("user", " \n")),
        "messages.0.content.0.text: text content blocks must contain non-whitespace text",
    ),
    (block(text("")), "messages.0.content.0.text: text content blocks must be non-empty"),
    (block(text("\t")), "messages.0.content.0.text: text content blocks must contain non-whitespace text"),
    (block({"text": "hi"}), "messages.0.content.0.type: Field required"),
    (
        block({"type": "poem", "text": "hi"}),
        f"messages.0.content.0.type: Input tag 'poem' found using 'type' does not match any of the"
        f" expected tags: {TAGS}",
    ),
    (block({"type": "text"}), "messages.0.content.0.text.text: Field required"),
    (block({"type": "text", "text": 1}), "messages.0.content.0.text.text: Input should be a valid string"),
    (
        block({"type": "container_upload"}),
        "messages.0.content.0.type: `container_upload` blocks are not supported by this server",
    ),
    (
        block({"type": "fallback"}),
        "messages.0.content.0.type: `fallback` blocks are not supported by this server",
    ),
    (
        block({"type": "server_tool_use"}, "assistant"),
        "messages.1.content.0.type: `server_tool_use` blocks are not supported by this server",
    ),
    (
        block({"type": "web_search_tool_result"}, "assistant"),
        "messages.1.content.0.type: `web_search_tool_result` blocks are not supported by this server",
    ),
    (
        block({"type": "container_upload"}),
        "messages.0.content.0.type: `container_upload` blocks are not supported by this server",
    ),
    (
        block({"type": "thinking", "thinking": "a"}, "assistant"),
        "messages.1.content.0.thinking.signature: Field required",
    ),
    (
        block({"type": "thinking", "signature": "a"}, "assistant"),
        "messages.1.content.0.thinking.thinking: Field required",
    ),
    (
        block({"type": "redacted_thinking"}, "assistant"),
        "messages.1.content.0.redacted_thinking.data: Field required",
    ),
    (
        block({"type": "thinking", "thinking": "a", "signature": "b"}),
        "messages.0.content.0.type: `thinking` blocks are only allowed in `assistant` messages",
    ),
    (
        block(
            {"type": "thinking", "thinking": "a", "signature": "b", "cache_control": EPHEMERAL}, "assistant"
        ),
        "messages.1.content.0.thinking.cache_control: Extra inputs are not permitted",
    ),
    (
        block({"type": "redacted_thinking", "data": "a", "cache_control": EPHEMERAL}, "assistant"),
        "messages.1.content.0.redacted_thinking.cache_control: Extra inputs are not permitted",
    ),
    (messages(("assistant", "hi")), 'messages.0.role: first message must use the "user" role'),
    (
        messages(("system", "hi"), ("user", "hi")),
        'messages.0.role: first message must use the "user" role; instructions before the first message'
        ' go into the top-level "system" parameter',
    ),
    (
        messages(("user", "a"), ("assistant", "b"), ("system", "c")),
        'messages.2.role: a "system" message must follow a "user" message',
    ),
    (
        messages(("user", "a"), ("system", "b"), ("system", "c"), ("user", "d")),
        'messages.2.role: a "system" message must be the last message or precede an "assistant" message',
    ),
    (
        messages(("user", "a"), ("assistant", "b ")),
        "messages.1.content.0.text: final assistant content cannot end with trailing whitespace",
    ),
    (
        messages(("user", "a"), ("assistant", [{"type": "redacted_thinking", "data": "x"}])),
        "messages.1: The final block in an assistant message cannot be `redacted_thinking`.",
    ),
    (
        messages(("user", "a"), ("assistant", "b"), thinking={"type": "enabled", "budget_tokens": 5}),
        f"messages.1.role: {PREFILL}",
    ),
    (
        messages(("user", "a"), ("assistant", "b"), thinking={"type": "adaptive"}),
        f"messages.1.role: {PREFILL}",
    ),
    (body(system=7), "system: Input should be a valid list"),
    (body(system="  "), "system.0.text: text content blocks must contain non-whitespace text"),
    (body(system=[text("")]), "system.0.text: text content blocks must be non-empty"),
    (
        body(system=[text("a"), {"type": "image"}]),
        "system.1.type: Input tag 'image' found using 'type' does not match any of the expected tags: 'text'",
    ),
    (
        body(system=[{"type": "video"}]),
        "system.0.type: Input tag 'video' found using 'type' does not match any of the expected tags: 'text'",
    ),
    (body(stop_sequences=["a"] * 65), "stop_sequences: 65 stop sequences > 64 maximum"),
    (body(stop_sequences=["a", "b" * 1025]), "stop_sequences.1: 1025 characters > 1024 maximum"),
    (
        body(messages=[{"role": "user", "content": [text("a")] * 60_000}], system=[text("a")] * 40_001),
        "messages: 100001 content blocks > 100000 maximum; shorten the conversation",
    ),
    (body(temperature=-0.1), "temperature: Input should be greater than or equal to 0"),
    (body(temperature=1.1), "temperature: Input should be less than or equal to 1"),
    (body(temperature="hot"), "temperature: Input should be a valid number"),
    (body(top_p=2), "top_p: Input should be less than or equal to 1"),
    (body(top_k=-1), "top_k: Input should be greater than or equal to 0"),
    (body(top_k=1.5), "top_k: Input should be a valid integer"),
    (body(seed="x"), "seed: Input should be a valid integer"),
    (body(seed=-1), "seed: Input should be greater than or equal to 0"),
    (body(stream="yes"), "stream: Input should be a valid boolean"),
    (body(stop_sequences="END"), "stop_sequences: Input should be a valid list"),
    (body(stop_sequences=["a", 7]), "stop_sequences.1: Input should be a valid string"),
    (body(stop_sequences=["a", "\n"]), "stop_sequences.1: each stop sequence must contain non-whitespace"),
    (body(stop_sequences=[""]), "stop_sequences.0: each stop sequence must contain non-whitespace"),
    (body(metadata="me"), "metadata: Input should be a valid dictionary"),
    (body(metadata={"user_id": 7}), "metadata.user_id: Input should be a valid string"),
    (body(service_tier="gold"), "service_tier: Input should be 'auto' or 'standard_only'"),
    (
        body(output_config={"effort": "huge"}),
        "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'",
    ),
    (body(output_config={"task_budget": {"total": 5}}), f"output_config.task_budget: {NOT_HERE}"),
    (body(container="c_1"), f"container: {NOT_HERE}"),
    (body(mcp_servers=[{"url": "x"}]), f"mcp_servers: {NOT_HERE}"),
    (body(compaction={"type": "summarize"}), f"compaction: {NOT_HERE}"),
    (body(thread={"type": "create"}), f"thread: {NOT_HERE}"),
    (
        thinking(tool_choice={"type": "any"}),
        "Thinking may not be enabled when tool_choice forces tool use",
    ),
    (body(thinking="on"), "thinking: Input should be a valid dictionary"),
    (body(thinking={}), "thinking.type: Field required"),
    (
        body(thinking={"type": "deep"}),
        "thinking.type: Input tag 'deep' found using 'type' does not match any of the expected tags:"
        " 'enabled', 'adaptive', 'disabled', 'between_tools'",
    ),
    (body(thinking={"type": "enabled"}), "thinking.enabled.budget_tokens: Field required"),
    (thinking(0), "thinking.enabled.budget_tokens: Input should be greater than or equal to 1"),
    (thinking("10"), "thinking.enabled.budget_tokens: Input should be a valid integer"),
    (thinking(100), "`max_tokens` must be greater than `thinking.budget_tokens` (100 <= 100)"),
    (thinking(temperature=0.5), "`temperature` may only be set to 1 when thinking is enabled"),
    (thinking(top_k=5), "`top_k` must be unset when thinking is enabled"),
    (
        thinking(top_p=0.9),
        "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled",
    ),
    (
        body(thinking={"type": "adaptive", "display": "diary"}),
        "thinking.adaptive.display: Input should be 'summarized', 'omitted' or 'updates'",
    ),
    (
        body(thinking={"type": "disabled", "display": "omitted"}),
        "thinking.disabled.display: Extra inputs are not permitted",
    ),
    (
        body(thinking={"type": "between_tools"}),
        "thinking.type: `between_tools` is not supported by this server; use `disabled`",
    ),
    (body(cache_control={"type": "forever"}), "cache_control.type: Input should be 'ephemeral'"),
    (
        block(text("a", cache_control={"type": "ephemeral", "ttl": "2h"})),
        "messages.0.content.0.text.cache_control.ttl: Input should be '5m' or '1h'",
    ),
    (
        messages(("user", FOUR_MARKS), cache_control=EPHEMERAL),
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    (
        messages(("user", FOUR_MARKS), system=[text("a", cache_control=EPHEMERAL)]),
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    (
        messages(("user", [text("a", cache_control=HOUR)]), system=[text("a", cache_control=EPHEMERAL)]),
        f"messages.0.content.0.cache_control.ttl: {ORDER_1H}",
    ),
    (
        messages(("user", [text("a", cache_control=EPHEMERAL), text("b")]), cache_control=HOUR),
        f"cache_control.ttl: {ORDER_1H}",
    ),
    (
        messages(("user", [text("a", cache_control=HOUR)]), cache_control=EPHEMERAL),
        "cache_control.ttl: the last block has a cache_control of its own with ttl='1h', the automatic one"
        " asks for ttl='5m'; leave one of them out, or give both the same",
    ),
    (
        block(text("", cache_control=EPHEMERAL)),
        "messages.0.content.0.text: cache_control cannot be set for empty text blocks",
    ),
    (
        body(system=[text("a"), text("", cache_control=EPHEMERAL)]),
        "system.1.text: cache_control cannot be set for empty text blocks",
    ),
    (body(diagnostics="msg_1"), "diagnostics: Input should be a valid dictionary"),
    (
        body(diagnostics={"previous_message_id": 7}),
        "diagnostics.previous_message_id: Input should be a valid string",
    ),
]


@pytest.mark.parametrize(("bad", "message"), BAD, ids=[f"{i}" for i in range(len(BAD))])
def test_a_bad_body_is_refused_by_name(bad: Any, message: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_request(bad)
    assert refused.value.message == message


def test_a_client_is_told_by_a_code_to_go_on_without_a_thread() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_request(body(thread={"type": "create"}))
    assert refused.value.error_code == "thread_unsupported_request"


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
@pytest.mark.parametrize("value", [1, 0.5, None])
def test_the_newest_dialect_knows_no_sampling(name: str, value: float | None) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{name}: Extra inputs are not permitted$"):
        parse_request(body(**{name: value}), NEWEST)


def test_an_operator_may_allow_sampling_in_the_newest_dialect() -> None:
    dialect = Dialect(version="2026-10-21", allows_sampling=True)
    assert parse_request(body(temperature=0.5), dialect).sampling.temperature == 0.5


def test_citations_on_a_users_text_end_with_the_newest_dialect() -> None:
    cited = block(text("a", citations=[{"type": "char_location"}]))
    assert text_of(parse_request(cited).conversation.turns[0].content) == "a"
    with pytest.raises(InvalidRequestError, match=r"^messages\.0\.content\.0\.text\.citations: Extra"):
        parse_request(cited, NEWEST)
    location = {
        "type": "char_location",
        "cited_text": "b",
        "document_index": 0,
        "document_title": None,
        "start_char_index": 0,
        "end_char_index": 1,
    }
    replayed = block(text("a", citations=[location]), "assistant")
    assert len(parse_request(replayed, NEWEST).conversation.turns) == 3


@pytest.mark.parametrize(
    ("header", "version"),
    [
        (None, "2023-06-01"),
        ("2023-06-01", "2023-06-01"),
        ("2023-01-01", "2023-06-01"),
        ("2026-10-21", "2026-10-21"),
        ("2024-02-29", "2026-10-21"),
        ("2031-01-01", "2026-10-21"),
        ("tomorrow", "2026-10-21"),
    ],
)
def test_an_unknown_date_is_the_newest_dialect(header: str | None, version: str) -> None:
    assert version_of(header) == version


def test_unknown_fields_are_ignored_everywhere() -> None:
    odd = body(
        frobnicate=1,
        messages=[{**USER, "x": 1}, {"role": "assistant", "content": [text("a", y=2)]}, USER],
        metadata={"z": 3},
        thinking={"type": "adaptive", "block_binding": {}},
        context_management={"edits": []},
        inference_geo="eu",
        speed="fast",
    )
    assert len(parse_request(odd).conversation.turns) == 3


@pytest.mark.parametrize(
    ("odd", "path"),
    [
        (body(frobnicate=1), "frobnicate"),
        (body(messages=[{**USER, "x": 1}]), "messages.0.x"),
        (body(thinking={"type": "adaptive", "y": 1}), "thinking.adaptive.y"),
    ],
)
def test_unknown_fields_are_refused_when_strict(odd: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{path}: Extra inputs are not permitted$"):
        parse_request(odd, STRICT)


def test_null_is_as_good_as_absent() -> None:
    names = ["system", "thinking", "temperature", "top_p", "top_k", "seed", "stop_sequences", "stream"]
    names += ["output_config", "metadata", "service_tier", "cache_control", "tools", "tool_choice"]
    names += ["container", "mcp_servers", "output_format", "diagnostics"]
    assert parse_request(body(**dict.fromkeys(names))) == parse_request(body())


def test_a_whole_request_is_read() -> None:
    request = parse_request(
        body(
            system=[text("Be brief.", cache_control=HOUR)],
            temperature=0,
            top_p=0.5,
            top_k=40,
            seed=7,
            stop_sequences=["END"],
            stream=True,
            metadata={"user_id": "u"},
            output_config={"effort": "low"},
            thinking={"type": "adaptive", "display": "omitted"},
            service_tier="auto",
            tools=[],
            tool_choice={"type": "none"},
            diagnostics={"previous_message_id": "msg_1"},
        )
    )
    assert request == MessagesRequest(
        model="nano",
        conversation=request.conversation,
        max_tokens=100,
        sampling=Sampling(temperature=0, top_p=0.5, top_k=40, seed=7),
        thinking=Thinking(mode="adaptive", display="omitted"),
        effort="low",
        stop_sequences=("END",),
        stream=True,
        user_id="u",
        tool_choice=ToolChoice(mode="none"),
        diagnostics=Diagnostics(previous_message_id="msg_1"),
    )
    assert request.conversation.system == (TextBlock(text="Be brief.", cache_control=CacheControl(ttl="1h")),)


def test_top_k_zero_is_no_limit() -> None:
    assert parse_request(body(top_k=0)).sampling.top_k is None


def test_thinking_accepts_any_budget_from_one() -> None:
    request = parse_request(thinking(1, temperature=1, top_p=0.95))
    assert request.thinking == Thinking(mode="enabled", budget_tokens=1)


def test_an_empty_system_prompt_is_none() -> None:
    assert parse_request(body(system="")).conversation.system == ()


def test_messages_of_one_role_in_a_row_become_one_turn() -> None:
    request = parse_request(messages(("user", "a"), ("user", [text("b")]), ("assistant", "c"), ("user", "d")))
    turns = request.conversation.turns
    assert [turn.role for turn in turns] == ["user", "assistant", "user"]
    assert turns[0].content == (TextBlock(text="a"), TextBlock(text="b"))


def test_system_turns_stay_where_they_are() -> None:
    request = parse_request(
        messages(("user", "a"), ("system", "b"), ("assistant", "c"), ("user", "d"), ("system", "e"))
    )
    assert [turn.role for turn in request.conversation.turns] == [
        "user",
        "system",
        "assistant",
        "user",
        "system",
    ]


def test_a_final_assistant_turn_is_a_prefill() -> None:
    request = parse_request(messages(("user", "a"), ("assistant", "b")))
    assert request.conversation.is_prefilled


def test_an_empty_final_assistant_turn_is_no_prefill() -> None:
    request = parse_request(messages(("user", "a"), ("assistant", ""), thinking={"type": "adaptive"}))
    assert request.conversation.turns == (text_turn("user", "a"),)


def test_thinking_remembers_where_it_stood() -> None:
    sent = [{"type": "thinking", "thinking": "a", "signature": "b"}, text("c")]
    request = parse_request(messages(("user", "x"), ("user", "y"), ("assistant", sent), ("user", "z")))
    thought = request.conversation.turns[1].content[0]
    assert isinstance(thought, ThinkingBlock)
    assert thought.path == "messages.2.content.0"


def test_the_automatic_breakpoint_stands_after_the_last_text() -> None:
    request = parse_request(messages(("user", [text("a"), text("b")]), cache_control=EPHEMERAL))
    controls = [block.cache_control for block in request.conversation.turns[0].content]  # type: ignore[union-attr]
    assert controls == [None, CacheControl(ttl="5m")]


def test_four_breakpoints_in_order_are_fine() -> None:
    marked = messages(
        ("user", [text("a", cache_control=HOUR), text("b", cache_control=EPHEMERAL)]),
        system=[text("s", cache_control=HOUR)],
        cache_control=EPHEMERAL,
    )
    assert parse_request(marked).model == "nano"


@pytest.mark.parametrize("ttl", [None, "5m", "1h"])
def test_the_automatic_breakpoint_may_stand_where_one_like_it_does(ttl: str | None) -> None:
    control = {"type": "ephemeral", "ttl": ttl}
    request = parse_request(messages(("user", [text("a", cache_control=control)]), cache_control=control))
    marked = request.conversation.turns[0].content
    assert marked == (TextBlock(text="a", cache_control=CacheControl(ttl="1h" if ttl == "1h" else "5m")),)


@pytest.mark.parametrize("other", [{}, {"thinking": {"type": "adaptive"}}, {"cache_control": EPHEMERAL}])
def test_nothing_may_be_written_to_warm_the_cache(other: dict[str, Any]) -> None:
    assert parse_request(body(max_tokens=0, stream=False, **other)).max_tokens == 0


def test_a_tenant_is_not_read_from_the_body() -> None:
    assert parse_request(body(tenant="me")).tenant == ""


def test_diagnostics_may_be_asked_for_before_there_is_anything_to_compare() -> None:
    assert parse_request(body(diagnostics={})).diagnostics == Diagnostics(previous_message_id=None)
    asked = parse_request(body(diagnostics={"previous_message_id": None}))
    assert asked.diagnostics == Diagnostics(previous_message_id=None)


def test_counting_needs_no_max_tokens() -> None:
    request = parse_count_request(thinking(5000, max_tokens=...))
    assert request.thinking.budget_tokens == 5000
    with pytest.raises(InvalidRequestError, match=r"^messages: at least one"):
        parse_count_request(body(messages=[], max_tokens=...))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"{'a': 1}", "not valid JSON"),
        (b'{"a": NaN}', "not valid JSON"),
        (b'{"a": "\\ud800"}', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"a": "\xff"}', "not valid UTF-8: byte 0xff at 7"),
    ],
)
def test_what_is_no_json_is_refused(raw: bytes, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        parse_json(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*WireRequest.model_fields, "other"])
BLOCK_FIELDS = st.sampled_from(
    [
        *["type", "text", "thinking", "signature", "data", "cache_control", "role", "content"],
        *["id", "name", "input", "tool_use_id", "is_error", "source", "media_type", "input_schema", "schema"],
        *["citations", "title", "context", "cited_text", "document_index", "start_char_index"],
    ]
)
NESTED = st.recursive(
    JSON
    | st.sampled_from(["user", "assistant", "system", "text", "thinking", "enabled", "hi", " "])
    | st.sampled_from(["tool_use", "tool_result", "image", "base64", "image/png", "custom", "json_schema"])
    | st.sampled_from(["document", "search_result", "content", "text/plain", "char_location"])
    | st.sampled_from(["bash_20250124", "bash", "auto", "any", "tool", "object"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(BLOCK_FIELDS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300)
@given(st.dictionaries(FIELDS, NESTED, max_size=5) | JSON, st.sampled_from([Dialect(), NEWEST, STRICT]))
def test_whatever_is_sent_is_read_or_refused(changes: Any, dialect: Dialect) -> None:
    sent = (
        body(**changes) if isinstance(changes, dict) and all(name.isascii() for name in changes) else changes
    )
    for parse in (parse_request, parse_count_request):
        refusal = ""
        try:
            parse(sent, dialect)
        except InvalidRequestError as error:
            refusal = error.message
        assert "pydantic" not in refusal
        assert "Wire" not in refusal


@given(st.binary())
def test_whatever_bytes_are_sent_are_read_or_refused(raw: bytes) -> None:
    try:
        value = parse_json(raw)
    except InvalidRequestError:
        return
    assert json.loads(raw) == value


def test_a_body_of_millions_of_tiny_values_is_refused_unread() -> None:
    raw = b'{"x":[' + b"{}," * 2_000_000 + b"{}]}"
    with pytest.raises(InvalidRequestError, match="more than 2,000,000 JSON values"):
        parse_json(raw)


def test_marks_inside_texts_are_no_values() -> None:
    content = '[{,"\\' * 400_000
    assert parse_json(json.dumps({"content": content}).encode()) == {"content": content}


ATTRIBUTION = "x-anthropic-billing-header: cc_version=2.1.240; cc_entrypoint=cli;"


def system_of(*blocks: dict[str, Any]) -> list[str]:
    return [block.text for block in parse_request(body(system=list(blocks))).conversation.system]


def test_the_attribution_line_of_claude_code_is_left_out() -> None:
    assert system_of(text(ATTRIBUTION), text("Be brief.")) == ["Be brief."]
    assert system_of(text(ATTRIBUTION)) == []
    assert system_of(text(f"{ATTRIBUTION}\n\nBe brief.")) == ["Be brief."]


def test_the_same_words_elsewhere_stay() -> None:
    assert system_of(text("Be brief."), text(ATTRIBUTION)) == ["Be brief.", ATTRIBUTION]
    request = parse_request(messages(("user", ATTRIBUTION)))
    assert text_of(request.conversation.turns[0].content) == ATTRIBUTION


def test_the_attribution_line_is_not_counted_either() -> None:
    blocks = [text(ATTRIBUTION), text("Be brief.")]
    counted = parse_count_request(body(system=blocks, max_tokens=...))
    assert counted.conversation == parse_request(body(system=blocks)).conversation


@pytest.mark.parametrize("kind", [{"type": "enabled", "budget_tokens": 9}, {"type": "adaptive"}])
def test_a_display_of_updates_shows_the_thought(kind: dict[str, Any]) -> None:
    request = parse_request(body(thinking={**kind, "display": "updates"}))
    assert request.thinking.display == "summarized"
