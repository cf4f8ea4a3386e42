"""Calls and their results belong together."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.content import (
    CacheControl,
    ImageBlock,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from caesura.messages.errors import InvalidRequestError
from caesura.messages.request import MessagesRequest
from caesura.messages.validation import parse_request
from tests.messages.pictures import image, png

EPHEMERAL = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
THOUGHT = {"type": "thinking", "thinking": "a", "signature": "b"}
REDACTED = {"type": "redacted_thinking", "data": "b"}
BUDGET = {"type": "enabled", "budget_tokens": 5}


def call(identity: str = "t1", **fields: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": identity, "name": "f", "input": {"x": 1}, **fields}


def result(identity: str = "t1", content: Any = "ok", **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": identity, "content": content, **fields}


def text(value: str = "well", **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **fields}


def talk(*contents: Any, **fields: Any) -> dict[str, Any]:
    """A body in which user and assistant speak in turn; a role may be given as (role, content)."""
    roles = ("user", "assistant")
    messages = [
        {"role": content[0], "content": content[1]}
        if isinstance(content, tuple)
        else {"role": roles[index % 2], "content": content}
        for index, content in enumerate(contents)
    ]
    return {"model": "m", "max_tokens": 9, "messages": messages, **fields}


def parsed(*contents: Any, **fields: Any) -> MessagesRequest:
    return parse_request(talk(*contents, **fields))


def test_a_call_and_its_result_are_read() -> None:
    turns = parsed(
        "hi", [text(), call(cache_control=HOUR)], [result(cache_control=EPHEMERAL)]
    ).conversation.turns
    assert turns[1].content[1] == ToolUseBlock(
        id="t1", name="f", input={"x": 1}, cache_control=CacheControl(ttl="1h")
    )
    assert turns[2].content == (
        ToolResultBlock(tool_use_id="t1", content=(TextBlock(text="ok"),), cache_control=CacheControl()),
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, ()),
        ("", ()),
        ([], ()),
        (" \n", (TextBlock(text=" \n"),)),
        ([text("a"), text("b")], (TextBlock(text="a"), TextBlock(text="b"))),
        (
            [text("a"), image(png(2, 2))],
            (TextBlock(text="a"), ImageBlock(media_type="image/png", data=png(2, 2))),
        ),
    ],
)
def test_a_result_holds_text_and_pictures_or_nothing(content: Any, expected: tuple[Any, ...]) -> None:
    block = parsed("hi", [call()], [result(content=content)]).conversation.turns[2].content[0]
    assert isinstance(block, ToolResultBlock)
    assert block.content == expected


def test_a_result_may_be_left_out_and_may_be_an_error() -> None:
    bare = {"type": "tool_result", "tool_use_id": "t1", "is_error": True}
    assert parsed("hi", [call()], [bare]).conversation.turns[2].content == (
        ToolResultBlock(tool_use_id="t1", is_error=True),
    )


def test_a_breakpoint_inside_a_result_stands_after_it() -> None:
    inner = [text("a", cache_control=HOUR), image(png(2, 2), cache_control=EPHEMERAL)]
    block = parsed("hi", [call()], [result(content=inner)]).conversation.turns[2].content[0]
    assert isinstance(block, ToolResultBlock)
    assert block.cache_control == CacheControl(ttl="1h")
    assert [each.cache_control for each in block.content] == [None, None]


def test_breakpoints_inside_results_count() -> None:
    marked = [text("a", cache_control=EPHEMERAL)] * 5
    with pytest.raises(InvalidRequestError, match=r"Found 5\.$"):
        parsed("hi", [call()], [result(content=marked)])


@pytest.mark.parametrize(
    "contents",
    [
        ("hi", [call("a"), call("b")], [result("a"), result("b")]),
        ("hi", [call("a"), call("b")], [result("b"), result("a"), text()]),
        ("hi", [call("a")], [result("a")], [call("b")], [result("b")], "done"),
        ("hi", [call("a"), text()], [result("a")]),
        ("hi", ("assistant", [call("a")]), ("assistant", [call("b")]), ("user", [result("a"), result("b")])),
        ("hi", ("assistant", [call("a"), call("b")]), ("user", [result("a")]), ("user", [result("b")])),
        ("hi", [call("a")], [result("a")], ("system", "Be brief.")),
        ("hi", [THOUGHT, call("a")], [result("a")]),
        ("hi", [call("A-z_09")], [result("A-z_09")]),
    ],
)
@pytest.mark.parametrize("tools", [None, [{"name": "other", "input_schema": {"type": "object"}}]])
def test_calls_with_results_are_accepted_whether_or_not_the_tool_is_there(
    contents: tuple[Any, ...], tools: list[Any] | None
) -> None:
    assert parsed(*contents, tools=tools).conversation.turns[0].content == (TextBlock(text="hi"),)


LONELY = (
    "`tool_use` ids were found without `tool_result` blocks immediately after: %s. Each `tool_use` block must"
    " have a corresponding `tool_result` block in the next message."
)
UNASKED = (
    "unexpected `tool_use_id` found in `tool_result` blocks: %s. Each `tool_result` block must have a"
    " corresponding `tool_use` block in the previous message."
)
BAD: list[tuple[dict[str, Any], str]] = [
    (talk("hi", [call()]), f"messages.1: {LONELY % 't1'}"),
    (talk("hi", [call(), text()]), f"messages.1: {LONELY % 't1'}"),
    (talk("hi", [call()], "well?"), f"messages.1: {LONELY % 't1'}"),
    (talk("hi", [call("a"), call("b"), call("c")], [result("b")]), f"messages.1: {LONELY % 'a, c'}"),
    (talk("hi", [call()], [text(), result()]), f"messages.1: {LONELY % 't1'}"),
    (talk("hi", [call("a"), call("b")], [result("a"), text(), result("b")]), f"messages.1: {LONELY % 'b'}"),
    (
        talk("hi", [call()], "well?", "hm", [result()]),
        f"messages.1: {LONELY % 't1'}",
    ),
    (talk([result()]), f"messages.0.content.0: {UNASKED % 't1'}"),
    (talk("hi", "hm", [result()]), f"messages.2.content.0: {UNASKED % 't1'}"),
    (talk("hi", [call()], [result(), result("t2")]), f"messages.2.content.1: {UNASKED % 't2'}"),
    (
        talk("hi", [call()], [result()], "hm", [result()]),
        f"messages.4.content.0: {UNASKED % 't1'}",
    ),
    (
        talk("hi", [call()], [result(), result()]),
        "messages.2.content.1: each tool_use must have a single result. Found multiple `tool_result` blocks"
        " with id: t1",
    ),
    (
        talk("hi", [call(), call()], [result()]),
        "messages.1.content.1: `tool_use` ids must be unique",
    ),
    (
        talk("hi", [call()], [result()], [text(), call()], [result()]),
        "messages.3.content.1: `tool_use` ids must be unique",
    ),
    (
        talk("hi", [call()], ("system", "x"), ("user", [result()])),
        'messages.2.role: a "system" message must follow a "user" message',
    ),
    (talk([call()]), "messages.0.content.0.type: `tool_use` blocks are only allowed in `assistant` messages"),
    (
        talk("hi", [result()]),
        "messages.1.content.0.type: `tool_result` blocks are only allowed in `user` messages",
    ),
    (
        talk("hi", [call("a b")]),
        "messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
    ),
    (
        talk("hi", [call("x" * 257)]),
        "messages.1.content.0.tool_use.id: String should have at most 256 characters",
    ),
    (
        talk("hi", [call(name="a b")]),
        "messages.1.content.0.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{1,200}$'",
    ),
    (
        talk("hi", [call(input="{}")]),
        "messages.1.content.0.tool_use.input: Input should be a valid dictionary",
    ),
    (
        talk("hi", [call(input={"x": [float("inf")]})], [result()]),
        "messages.1.content.0.tool_use.input: a number is out of range",
    ),
    (
        talk("hi", [call()], [result(content=7)]),
        "messages.2.content.0.tool_result.content: Input should be a valid list",
    ),
    (
        talk("hi", [call()], [result(content=[text("")])]),
        "messages.2.content.0.tool_result.content.0.text: text content blocks must be non-empty",
    ),
    (
        talk("hi", [call()], [result(content=[{"type": "browser_state"}])]),
        "messages.2.content.0.tool_result.content.0.type: `browser_state` blocks are not supported by this"
        " server",
    ),
    (
        talk("hi", [call()], [result(content=[call("t2")])]),
        "messages.2.content.0.tool_result.content.0.type: Input tag 'tool_use' found using 'type' does not"
        " match any of the expected tags: 'text', 'image', 'document', 'search_result', 'tool_reference'",
    ),
    (
        talk("hi", [call()], [result(is_error="yes")]),
        "messages.2.content.0.tool_result.is_error: Input should be a valid boolean",
    ),
    (
        talk("hi", [call()], [result(content=[text("a")] * 100_000)]),
        "messages: 100002 content blocks > 100000 maximum; shorten the conversation",
    ),
]


@pytest.mark.parametrize(("bad", "message"), BAD, ids=[f"{i}" for i in range(len(BAD))])
def test_calls_and_results_that_do_not_fit_are_refused_by_name(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_request(bad)
    assert refused.value.message == message


EXPECTED = r"^messages\.%s\.type: Expected `thinking` or `redacted_thinking`, but found `%s`\. When"


@pytest.mark.parametrize(
    ("contents", "place", "kind"),
    [
        (("hi", [call()], [result()]), "1.content.0", "tool_use"),
        (("hi", [text(), THOUGHT, call()], [result()]), "1.content.0", "text"),
        (
            ("a", "b", "c", [call()], [result()], [THOUGHT, call("t2")], [result("t2")]),
            "3.content.0",
            "tool_use",
        ),
        (("hi", [call()], [result()], ("system", "Be brief.")), "1.content.0", "tool_use"),
    ],
)
def test_a_budget_wants_the_thought_before_the_calls_that_are_going_on(
    contents: tuple[Any, ...], place: str, kind: str
) -> None:
    with pytest.raises(InvalidRequestError, match=EXPECTED % (place.replace(".", r"\."), kind)):
        parsed(*contents, thinking=BUDGET)
    assert parsed(*contents, thinking={"type": "adaptive"}).thinking.mode == "adaptive"


@pytest.mark.parametrize(
    "contents",
    [
        ("hi", [THOUGHT, call()], [result()]),
        ("hi", [REDACTED, call()], [result()]),
        ("hi", [THOUGHT, call()], [result()], [call("t2")], [result("t2")]),
        ("hi", [call()], [result()], "done", "and now?"),
        ("hi", "hm", "well?"),
    ],
)
def test_thoughts_of_calls_that_are_done_are_not_missed(contents: tuple[Any, ...]) -> None:
    assert parsed(*contents, thinking=BUDGET).thinking.mode == "enabled"


SUMMARY = {"type": "compaction", "content": "so far"}


@pytest.mark.parametrize(
    "contents",
    [
        ("hi", [THOUGHT, text(), SUMMARY, call()], [result()]),
        ("hi", [THOUGHT, text(), SUMMARY, call()], [result()], [call("t2")], [result("t2")]),
        ("hi", [THOUGHT, text()], ("assistant", [SUMMARY, call()]), ("user", [result()])),
        ("hi", [SUMMARY, THOUGHT, call()], [result()]),
    ],
)
def test_a_turn_that_a_summary_split_has_its_thought_in_the_summary(contents: tuple[Any, ...]) -> None:
    assert parsed(*contents, thinking=BUDGET).thinking.mode == "enabled"


def test_a_summary_has_no_thoughts_of_later_turns() -> None:
    with pytest.raises(InvalidRequestError, match=EXPECTED % (r"3\.content\.0", "tool_use")):
        parsed("hi", [THOUGHT, text(), SUMMARY], "and?", [call()], [result()], thinking=BUDGET)


def test_a_turn_that_begins_with_a_summary_begins_with_a_thought_behind_it() -> None:
    with pytest.raises(InvalidRequestError, match=EXPECTED % (r"1\.content\.1", "tool_use")):
        parsed("hi", [SUMMARY, call()], [result()], thinking=BUDGET)


def test_the_automatic_breakpoint_may_stand_after_a_result() -> None:
    block = parsed("hi", [call()], [result()], cache_control=HOUR).conversation.turns[2].content[0]
    assert isinstance(block, ToolResultBlock)
    assert block.cache_control == CacheControl(ttl="1h")


IDS = st.sampled_from(["a", "b", "c"])
BLOCKS = st.one_of(st.builds(call, IDS), st.builds(result, IDS), st.just(text()), st.just(THOUGHT))
CONTENTS = st.tuples(
    st.sampled_from(["user", "assistant", "system"]), st.lists(BLOCKS, min_size=1, max_size=4)
)


@given(st.lists(CONTENTS, min_size=1, max_size=6), st.sampled_from([None, BUDGET]))
def test_what_is_accepted_has_one_result_for_each_call_directly_after_it(
    contents: list[tuple[str, list[Any]]], thinking: dict[str, Any] | None
) -> None:
    try:
        turns = parsed(("user", "hi"), *contents, thinking=thinking).conversation.turns
    except InvalidRequestError:
        return
    for index, turn in enumerate(turns):
        calls = [block.id for block in turn.content if isinstance(block, ToolUseBlock)]
        after = turns[index + 1].content[: len(calls)] if calls else ()
        answered = [block.tool_use_id for block in after if isinstance(block, ToolResultBlock)]
        assert sorted(answered) == sorted(calls)
    results = [block for turn in turns for block in turn.content if isinstance(block, ToolResultBlock)]
    calls = [block for turn in turns for block in turn.content if isinstance(block, ToolUseBlock)]
    assert len(results) == len(calls) == len({block.id for block in calls})
