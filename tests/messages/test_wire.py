"""What is written as JSON reads back as the same value, and looks as the API says."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from caesura.messages.content import (
    CacheControl,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from caesura.messages.errors import HTTP_STATUS, ApiError, OverloadedError
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    Event,
    InputJsonDelta,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)
from caesura.messages.response import CacheMiss, InputTransformation, Message, Usage
from caesura.messages.scripted import SCRIPTED_MODEL
from caesura.messages.wire import block_json, error_json, event_json, message_json, model_json
from caesura.messages.wire_reading import parse_error, parse_event, parse_message, parse_model

USAGE = Usage(
    input_tokens=5,
    output_tokens=9,
    thinking_tokens=4,
    cache_read_input_tokens=2,
    cache_creation_input_tokens=3,
    cache_creation_1h_input_tokens=1,
)
MISSED = CacheMiss(reason="system_changed", num_missed_tokens=70)
DROPPED = InputTransformation(path="messages.1.content.0", reason="model_binding_mismatch")
EVENTS: list[Event] = [
    MessageStart(id="msg_1", model="m", usage=Usage(input_tokens=5), input_transformations=(DROPPED,)),
    MessageStart(id="msg_1", model="m", usage=Usage(input_tokens=5)),
    MessageStart(id="msg_1", model="m", usage=Usage(input_tokens=5), cache_miss=MISSED),
    MessageStart(
        id="msg_1", model="m", usage=Usage(input_tokens=5), cache_miss=CacheMiss(reason="unavailable")
    ),
    BlockStart(index=0, block=ThinkingBlock(thinking="")),
    ThinkingDelta(index=0, thinking="hm", num_tokens=2),
    SignatureDelta(index=0, signature="s"),
    BlockStop(index=0),
    BlockStart(index=1, block=RedactedThinkingBlock(data="d")),
    BlockStart(index=2, block=TextBlock(text="")),
    TextDelta(index=2, text='"\n\u2028'),
    BlockStart(index=3, block=ToolUseBlock(id="toolu_1", name="add", input={})),
    InputJsonDelta(index=3, partial_json='{"a": "\u2028'),
    InputJsonDelta(index=3, partial_json=""),
    MessageDelta(stop_reason="tool_use", stop_sequence=None, usage=USAGE),
    MessageDelta(stop_reason="stop_sequence", stop_sequence="END", usage=USAGE),
    MessageStop(),
    Ping(),
]


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_survives_its_json(event: Event) -> None:
    assert parse_event(json.loads(json.dumps(event_json(event, with_token_counts=True)))) == event


def test_token_counts_of_thoughts_are_only_told_on_request() -> None:
    event = ThinkingDelta(index=0, thinking="hm", num_tokens=2)
    assert event_json(event)["delta"] == {"type": "thinking_delta", "thinking": "hm"}
    assert event_json(event, with_token_counts=True)["delta"]["estimated_tokens"] == 2


def test_a_message_survives_its_json() -> None:
    message = Message(
        id="msg_1",
        model="m",
        content=(ThinkingBlock(thinking="hm", signature="s"), TextBlock(text="yes")),
        stop_reason="end_turn",
        stop_sequence=None,
        usage=USAGE,
        input_transformations=(DROPPED,),
        cache_miss=MISSED,
    )
    assert parse_message(json.loads(json.dumps(message_json(message)))) == message


def test_a_final_usage_has_every_count() -> None:
    event = MessageDelta(stop_reason="end_turn", stop_sequence=None, usage=USAGE)
    assert event_json(event)["usage"] == {
        "input_tokens": 5,
        "cache_creation_input_tokens": 3,
        "cache_read_input_tokens": 2,
        "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 1},
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
        "service_tier": "standard",
        "speed": "standard",
    }


def test_a_message_starts_empty_and_without_a_reason_to_stop() -> None:
    message = event_json(EVENTS[1])["message"]
    assert message["content"] == []
    assert message["stop_reason"] is None
    assert (message["type"], message["role"]) == ("message", "assistant")
    assert "output_tokens_details" not in message["usage"]
    assert "input_transformations" not in message
    assert message["diagnostics"] is None


def test_a_cache_miss_has_the_shape_of_the_api() -> None:
    miss = {"type": "system_changed", "cache_missed_input_tokens": 70}
    assert event_json(EVENTS[2])["message"]["diagnostics"] == {"cache_miss_reason": miss}
    unknown = event_json(EVENTS[3])["message"]["diagnostics"]
    assert unknown == {"cache_miss_reason": {"type": "unavailable"}}


def test_a_comparison_that_is_not_finished_is_read_as_none() -> None:
    body = event_json(EVENTS[1])
    body["message"]["diagnostics"] = {"cache_miss_reason": None}
    assert parse_event(body) == EVENTS[1]


def test_a_thought_opens_with_an_empty_signature() -> None:
    assert event_json(BlockStart(index=0, block=ThinkingBlock(thinking="")))["content_block"] == {
        "type": "thinking",
        "thinking": "",
        "signature": "",
    }


def test_a_call_opens_with_an_empty_input() -> None:
    opening = BlockStart(index=0, block=ToolUseBlock(id="toolu_1", name="add", input={}))
    assert event_json(opening) == {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}},
    }
    assert event_json(InputJsonDelta(index=0, partial_json='{"a"')) == {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "input_json_delta", "partial_json": '{"a"'},
    }


def test_a_result_says_that_it_failed_only_if_it_did() -> None:
    good = ToolResultBlock(tool_use_id="t", content=(TextBlock(text="a"),))
    bad = ToolResultBlock(tool_use_id="t", is_error=True)
    content = [{"type": "text", "text": "a"}]
    assert block_json(good) == {"type": "tool_result", "tool_use_id": "t", "content": content}
    assert block_json(bad) == {"type": "tool_result", "tool_use_id": "t", "content": [], "is_error": True}


def test_a_call_that_comes_whole_is_read_whole() -> None:
    body = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}}
    start = {"type": "content_block_start", "index": 0, "content_block": body}
    assert parse_event(start) == BlockStart(index=0, block=ToolUseBlock(id="t", name="f", input={"a": 1}))


def test_a_cache_breakpoint_is_written_beside_its_text() -> None:
    block = TextBlock(text="a", cache_control=CacheControl(ttl="1h"))
    assert block_json(block)["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


def test_a_model_survives_its_json() -> None:
    body = model_json(SCRIPTED_MODEL)
    assert parse_model(body) == SCRIPTED_MODEL
    assert body["trained_tokens"] == 4096
    assert body["capabilities"]["thinking"]["types"]["between_tools"] == {"supported": False}
    assert body["capabilities"]["image_input"] == body["capabilities"]["structured_outputs"]
    blind = replace(SCRIPTED_MODEL, can_see=False, can_structure=False)
    assert parse_model(model_json(blind)) == blind


def test_a_model_of_a_server_that_says_little_is_read() -> None:
    info = parse_model({"id": "other", "type": "model"})
    assert (info.display_name, info.max_input_tokens, info.can_think) == ("other", 0, False)


@pytest.mark.parametrize("error_type", HTTP_STATUS)
def test_an_error_survives_its_envelope(error_type: str) -> None:
    error = parse_error(error_json(error_type, "why", "req_1"))
    assert (error.type, error.message) == (error_type, "why")


def test_an_error_may_have_a_code_of_its_own() -> None:
    body = error_json("invalid_request_error", "no", None, "file_expired")
    assert body["error"]["details"] == {"error_code": "file_expired"}
    assert parse_error(body).error_code == "file_expired"
    bare = error_json("invalid_request_error", "no", None)
    assert "details" not in bare["error"]
    assert parse_error(bare).error_code is None


def test_an_error_has_the_class_of_its_type() -> None:
    assert isinstance(parse_error(error_json("overloaded_error", "full", None)), OverloadedError)
    assert parse_error(error_json("new_error", "?", None)).type == "api_error"


def test_an_error_event_is_raised() -> None:
    with pytest.raises(OverloadedError, match="full"):
        parse_event(error_json("overloaded_error", "full", "req_1"))


@pytest.mark.parametrize(
    "body",
    [
        {"type": "news"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "news_delta"}},
    ],
)
def test_events_that_are_not_known_are_passed_over(body: dict[str, object]) -> None:
    assert parse_event(body) is None


def test_a_block_that_is_not_known_is_an_error() -> None:
    with pytest.raises(ApiError, match="`server_tool_use` block"):
        parse_event({"type": "content_block_start", "index": 0, "content_block": {"type": "server_tool_use"}})
