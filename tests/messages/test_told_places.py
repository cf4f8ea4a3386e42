"""Where the body has what is refused, behind summaries and behind those that were none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.content import ThinkingBlock
from caesura.messages.errors import InvalidRequestError
from caesura.messages.validation import parse_request

EMPTY: Any = {"type": "compaction", "content": None}
SUMMARY: Any = {"type": "compaction", "content": "They talked."}
BLANK: Any = {"type": "text", "text": " "}
WORD: Any = {"type": "text", "text": "word"}
USER: Any = {"role": "user", "content": [WORD]}


def body(*messages: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 10, "messages": list(messages)}


def assistant(*blocks: Any) -> Any:
    return {"role": "assistant", "content": list(blocks)}


BLANK_USER: Any = {"role": "user", "content": [WORD, BLANK]}
LASTING: Any = {"type": "ephemeral", "ttl": "1h"}


@pytest.mark.parametrize(
    ("messages", "path"),
    [
        ([USER, assistant(EMPTY, BLANK), USER], "messages.1.content.1.text"),
        ([USER, assistant(WORD, EMPTY, EMPTY, WORD, BLANK), USER], "messages.1.content.4.text"),
        ([USER, assistant(EMPTY), BLANK_USER], "messages.2.content.1.text"),
        ([USER, assistant(EMPTY), USER, assistant(EMPTY, BLANK), USER], "messages.3.content.1.text"),
        ([USER, assistant(WORD, SUMMARY, EMPTY, BLANK), USER], "messages.1.content.3.text"),
        ([USER, assistant(SUMMARY), USER, assistant(EMPTY, BLANK), USER], "messages.3.content.1.text"),
        (
            [USER, assistant(EMPTY, WORD), USER, assistant(SUMMARY, WORD), BLANK_USER],
            "messages.4.content.1.text",
        ),
        ([USER, assistant(EMPTY, SUMMARY, BLANK), USER], "messages.1.content.2.text"),
        ([USER, assistant(EMPTY), {"role": "user", "content": []}, assistant(WORD)], "messages.2.content"),
        (
            [
                {"role": "user", "content": [WORD]},
                assistant(WORD, {**SUMMARY, "cache_control": {"type": "ephemeral"}}),
                {"role": "user", "content": [WORD, {**WORD, "cache_control": LASTING}]},
            ],
            "messages.2.content.1.cache_control.ttl",
        ),
    ],
)
def test_what_is_refused_is_named_by_its_place_in_the_body(messages: list[Any], path: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse_request(body(*messages))
    assert str(refused.value).partition(": ")[0] == path


def test_a_thought_behind_an_empty_summary_knows_its_place() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    turns = parse_request(body(USER, assistant(EMPTY, thought, WORD), USER)).conversation.turns
    (block,) = [block for turn in turns for block in turn.content if isinstance(block, ThinkingBlock)]
    assert block.path == "messages.1.content.1"


def test_a_summary_that_is_refused_is_named_by_its_own_place() -> None:
    marked = {**SUMMARY, "cache_control": LASTING}
    asked = body(USER, assistant(WORD, marked), USER)
    asked["system"] = [{**WORD, "cache_control": {"type": "ephemeral"}}]
    with pytest.raises(InvalidRequestError, match=r"^messages\.1\.content\.1\.cache_control\.ttl: "):
        parse_request(asked)


@st.composite
def _with_a_blank_block(draw: st.DrawFn) -> tuple[list[Any], str]:
    """Messages with summaries, whole and empty, and one text behind them that is refused."""
    messages: list[Any] = []
    for number in range(draw(st.integers(2, 7))):
        kinds = [WORD] if number % 2 == 0 else [WORD, EMPTY, SUMMARY]
        content = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4))
        messages.append({"role": "assistant" if number % 2 else "user", "content": content})
    messages.append({"role": "user", "content": [WORD]} if len(messages) % 2 == 0 else assistant(WORD))
    summaries = [
        (index, position)
        for index, message in enumerate(messages)
        for position, block in enumerate(message["content"])
        if block == SUMMARY
    ]
    words = [
        (index, position)
        for index, message in enumerate(messages)
        for position, block in enumerate(message["content"])
        if block == WORD and (not summaries or (index, position) > summaries[-1])
    ]
    index, position = draw(st.sampled_from(words))
    messages[index]["content"] = [*messages[index]["content"]]
    messages[index]["content"][position] = BLANK
    return messages, f"messages.{index}.content.{position}.text"


@given(_with_a_blank_block())
def test_whatever_summaries_stand_before_it_a_block_is_named_by_its_place(
    case: tuple[list[Any], str],
) -> None:
    messages, path = case
    with pytest.raises(InvalidRequestError) as refused:
        parse_request(body(*messages))
    assert str(refused.value).partition(": ")[0] == path
