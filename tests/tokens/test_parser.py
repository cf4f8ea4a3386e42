"""The parser: streamed equals whole, characters arrive whole, stop sequences are found and hidden."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.content import Conversation, TextBlock, ThinkingBlock, Turn, text_turn
from caesura.messages.events import BlockStart, BlockStop, Event, TextDelta, ThinkingDelta
from caesura.messages.fold import MessageFold
from caesura.tokens import BlockParser, Opening
from tests.tokens.conversations import any_text, chat_format
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
