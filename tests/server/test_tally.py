"""What is read off a reply's events."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.messages.content import TextBlock, ThinkingBlock, ToolUseBlock
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    Event,
    InputJsonDelta,
    MessageDelta,
    MessageStart,
    MessageStop,
    TextDelta,
    ThinkingDelta,
)
from caesura.messages.response import Usage
from caesura.server.tally import Tally, arguments_sha256

START = MessageStart(id="msg_1", model="m", usage=Usage(input_tokens=10, cache_read_input_tokens=4))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def tallied(*events: Event) -> Tally:
    tally = Tally()
    for event in events:
        tally.see(event)
    return tally


def call(index: int, name: str, *pieces: str) -> list[Event]:
    block = ToolUseBlock(id=f"toolu_{index}", name=name, input={})
    deltas = [InputJsonDelta(index=index, partial_json=piece) for piece in pieces]
    return [BlockStart(index=index, block=block), *deltas, BlockStop(index=index)]


def test_a_complete_reply_took_what_its_end_says() -> None:
    usage = Usage(input_tokens=9, cache_read_input_tokens=5, output_tokens=30, thinking_tokens=11)
    text = [BlockStart(index=0, block=TextBlock(text="")), TextDelta(index=0, text="a"), BlockStop(index=0)]
    tally = tallied(START, *text, MessageDelta(stop_reason="end_turn", stop_sequence=None, usage=usage))
    assert (tally.usage, tally.status, tally.stop_reason) == (usage, "complete", "end_turn")
    tally.see(MessageStop())
    tally.leave()
    assert tally.status == "complete", "it was left after its end"


def test_of_a_reply_that_was_cut_each_delta_counts_as_a_token_unless_it_is_known_better() -> None:
    thought = [
        BlockStart(index=0, block=ThinkingBlock(thinking="")),
        ThinkingDelta(index=0, thinking="hm", num_tokens=3),
        ThinkingDelta(index=0, thinking="", num_tokens=1),
    ]
    tally = tallied(START, *thought, TextDelta(index=1, text="a"), TextDelta(index=1, text="b"))
    tally.leave()
    assert tally.status == "cut"
    assert tally.usage == Usage(
        input_tokens=10, cache_read_input_tokens=4, output_tokens=6, thinking_tokens=4
    )
    exact = Usage(input_tokens=12, output_tokens=8, thinking_tokens=5)
    tally.take(exact)
    assert tally.usage == exact


def test_what_simply_stops_has_failed() -> None:
    assert tallied(START, TextDelta(index=0, text="a")).status == "failed"


def test_each_call_is_noted_once_its_block_is_complete() -> None:
    tally = tallied(START, *call(0, "search", '{"q":', ' "x"}'), *call(1, "stop"))
    tally.see(BlockStart(index=2, block=ToolUseBlock(id="toolu_2", name="never", input={})))
    tally.see(InputJsonDelta(index=2, partial_json='{"half'))
    assert [(each.position, each.id, each.name) for each in tally.calls] == [
        (0, "toolu_0", "search"),
        (1, "toolu_1", "stop"),
    ]
    assert tally.calls[0].arguments_sha256 == hashlib.sha256(b'{"q":"x"}').hexdigest()
    assert tally.calls[1].arguments_sha256 == hashlib.sha256(b"{}").hexdigest()


@settings(deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=4), st.sampled_from([None, 2]), st.booleans())
def test_the_digest_is_that_of_the_value_however_it_was_written(
    value: dict[str, Any], indent: int | None, is_ascii: bool
) -> None:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    expected = hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
    backwards = dict(reversed(value.items()))
    assert arguments_sha256(json.dumps(backwards, indent=indent, ensure_ascii=is_ascii)) == expected


@pytest.mark.parametrize("text", ['{"half', "[" * 100_000, "\ud800"])
def test_what_is_no_json_is_digested_as_it_is(text: str) -> None:
    assert arguments_sha256(text) == hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
