"""A request written as a body reads back as the same request."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.content import (
    Block,
    CacheControl,
    Conversation,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    Turn,
    conversation,
)
from caesura.messages.request import Diagnostics, Display, MessagesRequest, Sampling, Thinking
from caesura.messages.request_body import count_body, request_body
from caesura.messages.validation import parse_count_request, parse_json, parse_request

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TEXT = ANY_TEXT.filter(lambda text: bool(text.strip()))
TEXT_BLOCKS = st.builds(TextBlock, text=TEXT)
ASSISTANT_BLOCKS: st.SearchStrategy[Block] = st.one_of(
    TEXT_BLOCKS,
    st.builds(ThinkingBlock, thinking=ANY_TEXT, signature=ANY_TEXT),
    st.builds(RedactedThinkingBlock, data=ANY_TEXT),
)


@st.composite
def turns(draw: st.DrawFn) -> tuple[Turn, ...]:
    """User and assistant in turn, now and then a system turn between them; the user last."""
    made: list[Turn] = []
    for _ in range(draw(st.integers(0, 3))):
        made.append(Turn(role="user", content=tuple(draw(st.lists(TEXT_BLOCKS, min_size=1, max_size=3)))))
        if draw(st.booleans()):
            made.append(Turn(role="system", content=(draw(TEXT_BLOCKS),)))
        blocks = draw(st.lists(ASSISTANT_BLOCKS, min_size=1, max_size=3))
        made.append(Turn(role="assistant", content=tuple(blocks)))
    return (*made, Turn(role="user", content=(draw(TEXT_BLOCKS),)))


@st.composite
def requests(draw: st.DrawFn) -> MessagesRequest:
    max_tokens = draw(st.integers(2, 1000))
    displays: list[Display] = ["summarized", "omitted"]
    display = draw(st.sampled_from(displays))
    budget = draw(st.integers(1, max_tokens - 1))
    thinking = draw(
        st.sampled_from(
            [
                Thinking(),
                Thinking(mode="enabled", budget_tokens=budget, display=display),
                Thinking(mode="adaptive", display=display),
            ]
        )
    )
    unit = st.floats(0, 1)
    sampling = Sampling(
        temperature=draw(unit),
        top_p=draw(unit),
        top_k=draw(st.none() | st.integers(1, 100)),
        seed=draw(st.none() | st.integers(0, 2**63 - 1)),
    )
    return MessagesRequest(
        model=draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)),
        conversation=Conversation(turns=draw(turns()), system=tuple(draw(st.lists(TEXT_BLOCKS, max_size=2)))),
        max_tokens=max_tokens,
        sampling=Sampling(seed=sampling.seed) if thinking.mode == "enabled" else sampling,
        thinking=thinking,
        effort=draw(st.sampled_from(["low", "medium", "high", "xhigh", "max"])),
        stop_sequences=tuple(draw(st.lists(TEXT, max_size=3))),
        stream=draw(st.booleans()),
        user_id=draw(st.none() | ANY_TEXT),
        diagnostics=draw(
            st.none() | st.builds(Diagnostics, previous_message_id=st.none() | st.just("msg_1"))
        ),
    )


@given(requests())
def test_a_request_survives_its_body(request: MessagesRequest) -> None:
    assert parse_request(parse_json(json.dumps(request_body(request)).encode())) == request


@given(requests())
def test_a_request_to_count_survives_its_body(request: MessagesRequest) -> None:
    counted = parse_count_request(parse_json(json.dumps(count_body(request)).encode()))
    assert counted.conversation == request.conversation
    assert counted.thinking == request.thinking


def test_cache_breakpoints_survive() -> None:
    block = TextBlock(text="a", cache_control=CacheControl(ttl="1h"))
    request = MessagesRequest(
        model="m",
        conversation=Conversation(turns=(Turn(role="user", content=(block,)),), system=(block,)),
        max_tokens=5,
    )
    assert parse_request(request_body(request)) == request


def test_what_stands_at_its_default_is_left_out() -> None:
    request = MessagesRequest(model="m", conversation=conversation(("user", "hi")), max_tokens=5)
    assert set(request_body(request)) == {"model", "messages", "max_tokens", "stream"}
