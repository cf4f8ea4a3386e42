"""The parser: streamed equals whole, characters arrive whole, stop sequences are found and hidden."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.content import (
    Block,
    Conversation,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
    Turn,
    text_turn,
)
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    Event,
    InputJsonDelta,
    TextDelta,
    ThinkingDelta,
)
from caesura.messages.fold import MessageFold
from caesura.tokens import BlockParser, Opening
from caesura.tokens.layout import Layout
from caesura.tokens.tool_text import call_text
from tests.tokens.conversations import any_text, call_inputs, chat_format
from tests.tokens.first_match import first_match

FORMAT = chat_format()
TOKENS = FORMAT.phase_tokens


def _events(parser: BlockParser, ids: list[int]) -> list[Event]:
    return [event for token in ids for event in parser.feed(token)] + parser.finish()


def _text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def _thought(events: list[Event]) -> str:
    return "".join(event.thinking for event in events if isinstance(event, ThinkingDelta))


@given(any_text | st.just(""), any_text, st.sampled_from(["think", "choose"]))
def test_a_thought_and_an_answer_come_back_as_two_blocks(thought: str, text: str, opening: Opening) -> None:
    encode = FORMAT.tokenizer.encode
    opener = [TOKENS.think] if opening == "choose" else []
    ids = [*opener, *encode(thought), TOKENS.end_think, *encode(text), *TOKENS.end]
    events = _events(FORMAT.parser(opening), ids)
    assert (_thought(events), _text(events)) == (thought, text)
    starts = [event.block for event in events if isinstance(event, BlockStart)]
    assert starts == [ThinkingBlock(thinking=""), TextBlock(text="")]
    assert [event.index for event in events if isinstance(event, BlockStop)] == [0, 1]
    counted = sum(event.num_tokens for event in events if isinstance(event, ThinkingDelta))
    assert counted == len(encode(thought))


@given(any_text, st.sampled_from(["answer", "choose"]))
def test_an_answer_at_once_is_one_block(text: str, opening: Opening) -> None:
    opener = [TOKENS.end_think] if opening == "choose" else []
    events = _events(FORMAT.parser(opening), [*opener, *FORMAT.tokenizer.encode(text), *TOKENS.end])
    assert _text(events) == text
    assert [type(event) for event in events if isinstance(event, BlockStart | BlockStop)] == [
        BlockStart,
        BlockStop,
    ]


def test_no_block_opens_when_nothing_is_said() -> None:
    assert _events(FORMAT.parser("answer"), list(TOKENS.end)) == []


def test_a_thought_that_the_prompt_opened_is_a_block_even_if_nothing_comes() -> None:
    events = _events(FORMAT.parser("think"), [])
    assert events == [BlockStart(index=0, block=ThinkingBlock(thinking="")), BlockStop(index=0)]


@given(any_text | st.just(""), any_text, st.sampled_from(["think", "answer", "choose"]), st.booleans())
def test_a_reply_that_is_sent_back_renders_to_the_ids_that_were_sampled(
    thought: str, text: str, opening: Opening, thinks: bool
) -> None:
    encode = FORMAT.tokenizer.encode
    if opening == "choose":
        opener = [TOKENS.think, *encode(thought), TOKENS.end_think] if thinks else [TOKENS.end_think]
    else:
        opener = [*encode(thought), TOKENS.end_think] if opening == "think" else []
    sampled = [*opener, *encode(text), *TOKENS.end]
    reply = MessageFold()
    for event in _events(FORMAT.parser(opening), sampled):
        reply.add(event)
    asked = text_turn("user", "hi")
    prompt = FORMAT.render(Conversation(turns=(asked,)), opening=opening).ids
    replied = Conversation(turns=(asked, Turn(role="assistant", content=reply.content)))
    assert FORMAT.render(replied, opening=None).ids == (*prompt, *sampled)


def test_a_character_arrives_whole_even_if_its_bytes_come_one_by_one() -> None:
    ids = [
        next(i for i, each in enumerate(FORMAT.tokenizer.token_bytes) if each == bytes([b]))
        for b in "é🙂".encode()
    ]
    deltas = [event.text for event in _events(FORMAT.parser("answer"), ids) if isinstance(event, TextDelta)]
    assert deltas == ["é", "🙂"]


def test_a_cut_character_becomes_a_replacement() -> None:
    token = FORMAT.tokenizer.token_bytes.index(b"\xf0")
    assert _text(_events(FORMAT.parser("answer"), [token])) == "\N{REPLACEMENT CHARACTER}"


@given(any_text, st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=3))
def test_a_stop_sequence_hides_itself_and_what_follows(text: str, stops: list[str]) -> None:
    parser = FORMAT.parser("answer", stop_sequences=stops)
    shown = _text(_events(parser, FORMAT.tokenizer.encode(text)))
    assert (shown, parser.stop_sequence) == first_match(text, stops)


def test_a_stop_sequence_inside_a_thought_is_ignored() -> None:
    encode = FORMAT.tokenizer.encode
    parser = FORMAT.parser("think", stop_sequences=["42"])
    events = _events(parser, [*encode("is it 42?"), TOKENS.end_think, *encode("yes")])
    assert (_thought(events), _text(events), parser.stop_sequence) == ("is it 42?", "yes", None)


def _encode(text: str) -> list[int]:
    return FORMAT.tokenizer.encode(text)


def _call(text: str) -> list[int]:
    assert TOKENS.tool_call is not None
    assert TOKENS.end_tool_call is not None
    return [TOKENS.tool_call, *_encode(text), TOKENS.end_tool_call]


def _parser(
    opening: Opening = "answer", stops: Sequence[str] = (), layout: Layout | None = None
) -> BlockParser:
    """Calls get ids in the order in which they come."""
    numbers = itertools.count()
    return BlockParser(
        FORMAT.tokenizer.token_bytes,
        TOKENS,
        opening,
        stops,
        layout or Layout(),
        call_id=lambda: f"toolu_{next(numbers)}",
    )


def _content(events: list[Event]) -> tuple[Block, ...]:
    """The blocks of a reply, whose events must be in order."""
    folded, is_open = MessageFold(), False
    for event in events:
        assert isinstance(event, BlockStart) != is_open
        is_open = not isinstance(event, BlockStop)
        folded.add(event)
    assert not is_open
    return folded.content


names = st.text("abcXYZ_-", min_size=1, max_size=8)
said = any_text.filter(str.strip)


@given(
    st.sampled_from(["think", "answer", "choose"]),
    any_text | st.just(""),
    said | st.just(""),
    st.lists(st.tuples(names, call_inputs(any_text)), min_size=1, max_size=3),
)
def test_a_reply_with_calls_that_is_sent_back_renders_to_the_ids_that_were_sampled(
    opening: Opening, thought: str, text: str, calls: list[tuple[str, dict[str, Any]]]
) -> None:
    opener = [*_encode(thought), TOKENS.end_think] if opening != "answer" else []
    thinks = [TOKENS.think] if opening == "choose" else []
    called = [token for name, given in calls for token in _call(call_text(name, given))]
    sampled = [*thinks, *opener, *_encode(text), *called, *TOKENS.end]
    parser = _parser(opening)
    content = _content(_events(parser, sampled))
    thoughts = (ThinkingBlock(thinking=thought),) if opening != "answer" else ()
    expected = [
        ToolUseBlock(id=f"toolu_{number}", name=name, input=given)
        for number, (name, given) in enumerate(calls)
    ]
    assert content == (*thoughts, *((TextBlock(text=text),) if text else ()), *expected)
    assert parser.has_calls
    asked = text_turn("user", "hi")
    prompt = FORMAT.render(Conversation(turns=(asked,)), opening=opening).ids
    replied = Conversation(turns=(asked, Turn(role="assistant", content=content)))
    assert FORMAT.render(replied, opening=None).ids == (*prompt, *sampled)


def test_a_call_opens_with_its_name_and_its_arguments_come_as_they_are_written() -> None:
    parser = _parser()
    told = '{"place": "Köln"}'
    seen: list[tuple[str, list[Event]]] = []
    written = ""
    for token in _call(f'{{"name": "look", "arguments": {told}}}'):
        written += FORMAT.tokenizer.decode([token])
        seen.append((written, parser.feed(token)))
    opened = [text for text, events in seen for event in events if isinstance(event, BlockStart)]
    assert [len(text.partition('"look"')[1]) for text in opened] == [6]
    assert '"arguments"' not in opened[0]
    deltas = [event for _, events in seen for event in events if isinstance(event, InputJsonDelta)]
    assert len(deltas) > 3
    assert all(each.index == 0 and each.partial_json for each in deltas)
    assert "".join(each.partial_json for each in deltas) == told
    assert seen[-1][1] == [BlockStop(index=0)]


def test_white_space_around_calls_is_dropped_and_text_after_them_is_not() -> None:
    call = _call('{"name": "go", "arguments": {}}')
    ids = [*_encode("\n\n"), *call, *_encode("\n"), *call, *_encode(" \n")]
    calls = tuple(ToolUseBlock(id=f"toolu_{number}", name="go", input={}) for number in range(2))
    assert _content(_events(_parser(), [*ids, *TOKENS.end])) == calls
    assert _content(_events(_parser(), [*ids, *_encode("so")])) == (*calls, TextBlock(text=" \nso"))
    assert _content(_events(_parser(), _encode("\n"))) == (TextBlock(text="\n"),)


@given(said, st.sampled_from(["", "\n", "\n\n"]))
def test_the_line_breaks_of_a_format_before_a_call_belong_to_no_text(text: str, before: str) -> None:
    layout = Layout(before_call=before)
    call = _call('{"name": "go", "arguments": {}}')
    content = _content(_events(_parser(layout=layout), [*_encode(f"{text}{before}"), *call]))
    assert content == (TextBlock(text=text), ToolUseBlock(id="toolu_0", name="go", input={}))
    alone = _content(_events(_parser(layout=layout), _encode(f"{text}{before}")))
    assert alone == (TextBlock(text=f"{text}{before}"),)


def test_a_stop_sequence_is_not_looked_for_inside_a_call() -> None:
    call = _call('{"name": "go", "arguments": {"to": "END"}}')
    parser = _parser(stops=["END", "lo go"])
    content = _content(_events(parser, [*_encode("hello"), *call, *_encode(" good by END x")]))
    called = ToolUseBlock(id="toolu_0", name="go", input={"to": "END"})
    assert content == (TextBlock(text="hello"), called, TextBlock(text=" good by "))
    assert parser.stop_sequence == "END"


@pytest.mark.parametrize(
    ("written", "input"),
    [
        ('{"na', None),
        ('{"name": "loo', None),
        ('{"name": "look", "arg', ""),
        ('{"name": "look", "arguments": {"a": [1, "b', '{"a": [1, "b'),
        ('{"name": "look", "arguments": {}', "{}"),
    ],
)
def test_a_call_that_is_cut_ends_where_it_was_cut(written: str, input: str | None) -> None:
    parser = _parser()
    events = _events(parser, [*_encode("Hm."), *_call(written)[:-1]])
    assert _text(events) == "Hm."
    assert parser.has_calls == (input is not None)
    given = "".join(event.partial_json for event in events if isinstance(event, InputJsonDelta))
    assert given == (input or "")
    assert len(_content(events)) == (1 if input is None else 2)


@pytest.mark.parametrize(
    ("written", "blocks"),
    [
        ("look up", (TextBlock(text="look up"),)),
        ('{"name": "look', (TextBlock(text='{"name": "look'),)),
        (
            '{"name": "look", "arguments": "x"} END',
            (
                ToolUseBlock(id="toolu_0", name="look", input={}),
                TextBlock(text=', "arguments": "x"} END'),
            ),
        ),
        (" ", ()),
    ],
)
def test_what_stands_in_a_calls_place_and_is_none_becomes_text(
    written: str, blocks: tuple[Block, ...]
) -> None:
    parser = _parser(stops=["END"])
    after = [*_call(written), *_encode("so")]
    assert _content(_events(parser, after)) == (*blocks, TextBlock(text="so"))
    assert parser.has_calls == any(isinstance(block, ToolUseBlock) for block in blocks)


def test_calls_get_ids_of_their_own() -> None:
    call = _call('{"name": "go", "arguments": {}}')
    content = _content(_events(FORMAT.parser("answer"), [*call, *call]))
    ids = [block.id for block in content if isinstance(block, ToolUseBlock)]
    assert len(set(ids)) == 2
    assert all(each.startswith("toolu_") and len(each) == len("toolu_") + 24 for each in ids)


def test_arguments_with_escapes_are_passed_on_as_they_are_written() -> None:
    told = json.dumps({"a": 'é"\\🙂', "b": [1.5, None]}, ensure_ascii=True, indent=2)
    events = _events(_parser(), _call(f'\n{{"name":"go" ,\t"arguments":{told} }}\n'))
    assert "".join(event.partial_json for event in events if isinstance(event, InputJsonDelta)) == told
