from __future__ import annotations

from hypothesis import given
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
    Ping,
    TextDelta,
    ThinkingDelta,
    merge_deltas,
)
from caesura.messages.fold import fold
from caesura.messages.response import Usage

PIECES = st.lists(st.tuples(st.text(max_size=3), st.integers(0, 3)))


def reply(thoughts: list[tuple[str, int]], texts: list[tuple[str, int]]) -> list[Event]:
    return [
        MessageStart(id="msg_1", model="m", usage=Usage(input_tokens=1)),
        BlockStart(index=0, block=ThinkingBlock(thinking="")),
        *(ThinkingDelta(index=0, thinking=text, num_tokens=count) for text, count in thoughts),
        BlockStop(index=0),
        BlockStart(index=1, block=TextBlock(text="")),
        *(TextDelta(index=1, text=text) for text, _ in texts),
        BlockStop(index=1),
        BlockStart(index=2, block=ToolUseBlock(id="t", name="f", input={})),
        *(InputJsonDelta(index=2, partial_json=piece) for piece in ('{"a"', ": 1", "}")),
        BlockStop(index=2),
        MessageDelta(stop_reason="tool_use", stop_sequence=None, usage=Usage(input_tokens=1)),
        MessageStop(),
    ]


@given(PIECES, PIECES)
def test_a_merged_stream_folds_to_the_same_reply_with_the_same_counts(
    thoughts: list[tuple[str, int]], texts: list[tuple[str, int]]
) -> None:
    merged = merge_deltas(reply(thoughts, texts))
    assert fold(merged) == fold(reply(thoughts, texts))
    deltas = [each for each in merged if isinstance(each, ThinkingDelta)]
    assert sum(each.num_tokens for each in deltas) == sum(count for _, count in thoughts)
    assert len(merged) == 10 + bool(thoughts) + bool(texts)
    assert merge_deltas(merged) == merged


def test_deltas_are_not_merged_over_anything_else() -> None:
    a, b = TextDelta(index=0, text="a"), TextDelta(index=1, text="b")
    thought = ThinkingDelta(index=0, thinking="c", num_tokens=1)
    call, other = InputJsonDelta(index=0, partial_json="{"), InputJsonDelta(index=1, partial_json="{")
    stream = [a, Ping(), a, b, thought, a, "not an event", a, call, other, a]
    assert merge_deltas(stream) == stream
