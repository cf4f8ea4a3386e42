"""Chats of OpenAI's form as Messages bodies."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.messages.errors import InvalidRequestError
from caesura.messages.validation import Dialect, parse_request
from caesura.server.openai_reading import messages_body, with_places_of
from caesura.server.openai_shapes import ChatBody, TextBody, read_shape

HI = {"role": "user", "content": "hi"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
TOOL = {
    "type": "function",
    "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object"}, "strict": True},
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def body_of(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    chat = read_shape(ChatBody, {"model": "m", "messages": messages or (HI,), **fields} | _as_lists(messages))
    return messages_body(chat, max_tokens=99)


def _as_lists(messages: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    return {"messages": list(messages or (HI,))}


def text(words: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": words}]


def test_instructions_before_the_first_message_become_the_system() -> None:
    body = body_of(
        {"role": "system", "content": "be brief"}, {"role": "developer", "content": text("and kind")}, HI
    )
    assert body["system"] == [*text("be brief"), *text("and kind")]
    assert body["messages"] == [{"role": "user", "content": text("hi")}]


def test_later_instructions_stay_in_their_place() -> None:
    body = body_of(HI, {"role": "system", "content": "now in French"})
    assert "system" not in body
    assert body["messages"][1] == {"role": "system", "content": text("now in French")}


def test_calls_and_results_become_blocks() -> None:
    body = body_of(
        HI,
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "2"},
        {"role": "user", "content": "thanks"},
        tools=[TOOL],
    )
    _, call, result, thanks = body["messages"]
    assert call == {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "call_1", "name": "add", "input": {"a": 1}}],
    }
    block = {"type": "tool_result", "tool_use_id": "call_1", "content": text("2")}
    assert result == {"role": "user", "content": [block]}
    assert thanks["content"] == text("thanks")
    parsed = parse_request(body)
    assert [turn.role for turn in parsed.conversation.turns] == ["user", "assistant", "user"]


def test_empty_words_beside_a_call_are_left_out() -> None:
    body = body_of(HI, {"role": "assistant", "content": "", "tool_calls": [CALL]})
    assert [block["type"] for block in body["messages"][1]["content"]] == ["tool_use"]


def test_pictures_in_a_url_of_their_own_are_read() -> None:
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}}
    body = body_of({"role": "user", "content": [*text("what?"), url]})
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    assert body["messages"][0]["content"][1] == {"type": "image", "source": source}


def test_tools_become_tools() -> None:
    body = body_of(tools=[TOOL, {"type": "function", "function": {"name": "now"}}])
    assert body["tools"] == [
        {"name": "add", "description": "Adds.", "input_schema": {"type": "object"}, "strict": True},
        {"name": "now", "input_schema": {"type": "object", "properties": {}}},
    ]
    assert body["tool_choice"] == {"type": "auto"}


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "add"}}},
            {"type": "tool", "name": "add"},
        ),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"parallel_tool_calls": True}, {"type": "auto"}),
    ],
)
def test_the_choice_of_a_tool_is_carried_over(fields: dict[str, Any], choice: dict[str, Any]) -> None:
    assert body_of(tools=[TOOL], **fields)["tool_choice"] == choice


def test_limits_and_drawing_are_carried_over() -> None:
    body = body_of(
        max_tokens=7, temperature=0.5, top_p=0.9, top_k=3, seed=5, stop="\n", user="u", stream=True
    )
    assert (body["max_tokens"], body["temperature"], body["top_p"], body["top_k"]) == (7, 0.5, 0.9, 3)
    assert (body["seed"], body["stop_sequences"]) == (5, ["\n"])
    assert (body["metadata"], body["stream"]) == ({"user_id": "u"}, True)


def test_what_is_left_out_stays_out() -> None:
    assert body_of() == {
        "model": "m",
        "max_tokens": 99,
        "messages": [{"role": "user", "content": text("hi")}],
        "stream": False,
    }
    nothing = dict.fromkeys(set(ChatBody.model_fields) - {"model", "messages"})
    assert body_of(**nothing) == body_of()


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_either_name_of_the_limit_will_do(name: str) -> None:
    assert body_of(**{name: 7})["max_tokens"] == 7


def test_two_limits_that_differ_are_refused() -> None:
    assert body_of(max_tokens=7, max_completion_tokens=7)["max_tokens"] == 7
    with pytest.raises(InvalidRequestError, match="max_tokens: `max_completion_tokens` says something else"):
        body_of(max_tokens=7, max_completion_tokens=8)


@pytest.mark.parametrize(
    ("seed", "drawn_with"), [(-1, 2**63 - 1), (0, 0), (2**63 - 1, 2**63 - 1), (-(2**63), 0)]
)
def test_any_seed_is_a_seed(seed: int, drawn_with: int) -> None:
    assert body_of(seed=seed)["seed"] == drawn_with


@pytest.mark.parametrize(
    ("effort", "asked"),
    [
        ("none", {}),
        ("minimal", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        ("high", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        ("xhigh", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}}),
    ],
)
def test_reasoning_effort_is_adaptive_thinking(effort: str, asked: dict[str, Any]) -> None:
    body = body_of(reasoning_effort=effort)
    assert {name: body[name] for name in ("thinking", "output_config") if name in body} == asked


def test_thinking_may_be_asked_for_exactly() -> None:
    thinking = {"type": "enabled", "budget_tokens": 5}
    assert body_of(thinking=thinking)["thinking"] == thinking
    with pytest.raises(InvalidRequestError, match="thinking: `reasoning_effort`"):
        body_of(thinking=thinking, reasoning_effort="low")


@pytest.mark.parametrize(
    ("wanted", "schema"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "object"}),
        (
            {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": {"type": "array"}, "strict": True},
            },
            {"type": "array"},
        ),
    ],
)
def test_the_answers_form_is_carried_over(wanted: dict[str, Any], schema: dict[str, Any] | None) -> None:
    body = body_of(response_format=wanted, reasoning_effort="low")
    expected = {"effort": "low"} | ({"format": {"type": "json_schema", "schema": schema}} if schema else {})
    assert body["output_config"] == expected


REFUSED: dict[str, Any] = {
    "n": 2,
    "presence_penalty": 0.5,
    "frequency_penalty": -1,
    "logit_bias": {"5": 1},
    "logprobs": True,
    "top_logprobs": 3,
    "modalities": ["text", "audio"],
    "audio": {"voice": "x"},
    "prediction": {"type": "content"},
    "web_search_options": {},
    "functions": [],
    "function_call": "auto",
    "moderation": {},
    "guided_json": {},
    "min_p": 0.1,
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_honoured_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"^{name}: this field is not supported by this server"):
        body_of(**{name: REFUSED[name]})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 1),
        ("presence_penalty", 0),
        ("frequency_penalty", 0.0),
        ("logit_bias", {}),
        ("logprobs", False),
        ("top_logprobs", 0),
        ("modalities", ["text"]),
        ("store", True),
        ("metadata", {"a": "b"}),
    ],
)
def test_what_is_the_case_anyway_may_be_said(name: str, value: object) -> None:
    assert body_of(**{name: value}) == body_of()


@pytest.mark.parametrize(("name", "value"), [("n", True), ("presence_penalty", False), ("logprobs", 0)])
def test_a_truth_is_no_number(name: str, value: object) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{name}: "):
        body_of(**{name: value})


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ({"role": "function", "name": "f", "content": "x"}, "messages.0"),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}, "messages.0.content.0"),
        ({"role": "assistant", "content": "x", "refusal": "no"}, "messages.0.refusal"),
        ({"role": "assistant", "function_call": {"name": "f"}}, "messages.0.function_call"),
        ({"role": "tool", "content": "x"}, "messages.0.tool_call_id"),
    ],
)
def test_a_message_that_cannot_be_read_is_named(message: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        body_of(message)
    assert caught.value.message.startswith(f"{path}: ")


@pytest.mark.parametrize("arguments", ["{", "[]", "7", "[" * 100_000])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    call = {**CALL, "function": {"name": "add", "arguments": arguments}}
    with pytest.raises(InvalidRequestError, match=r"^messages\.1\.tool_calls\.function\.arguments: "):
        body_of(HI, {"role": "assistant", "tool_calls": [call]})


def test_an_error_names_the_place_in_the_chat() -> None:
    messages = [{"role": "system", "content": "x"}, HI, {"role": "user", "content": " "}]
    chat = read_shape(ChatBody, {"model": "m", "messages": messages})
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(messages_body(chat, max_tokens=9))
    assert caught.value.message.startswith("messages.1.content.0.text: ")
    assert with_places_of(chat, caught.value).message.startswith("messages.2.content.0.text: ")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(sorted(ChatBody.model_fields))


@settings(deadline=None)
@given(st.dictionaries(FIELDS, JSON, max_size=4), st.booleans())
def test_whatever_is_sent_is_read_or_refused(fields: dict[str, Any], is_chat: bool) -> None:
    body = {"model": "m", "messages": [HI], **fields} if is_chat else {"model": "m", "prompt": "x", **fields}
    with suppress(InvalidRequestError):
        if is_chat:
            parse_request(messages_body(read_shape(ChatBody, body), max_tokens=9), Dialect())
        else:
            read_shape(TextBody, body)


@pytest.mark.parametrize("body", [None, [], 7, "x"])
def test_a_body_is_an_object(body: object) -> None:
    with pytest.raises(InvalidRequestError, match="must be a JSON object"):
        read_shape(ChatBody, body)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"stop": ["x"] * 65}, "stop"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools.0.function.name"),
    ],
)
def test_an_error_is_told_in_openais_words(fields: dict[str, Any], path: str) -> None:
    chat = read_shape(ChatBody, {"model": "m", "messages": [HI], **fields})
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(messages_body(chat, max_tokens=9))
    assert with_places_of(chat, caught.value).message.startswith(f"{path}: ")
