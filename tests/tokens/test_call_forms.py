"""Forms of calls: transformers' ids, calls parsed back, ids of nine letters for a call and its result."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from caesura.messages.content import (
    Conversation,
    TextBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    text_turn,
)
from caesura.messages.fold import MessageFold
from caesura.tokens.call_forms import short_id
from caesura.tokens.foreign_format import ForeignFormat
from caesura.tokens.foreign_tokenizer import Piece
from caesura.tokens.jinja_template import ChatTemplate
from tests.tokens.conversations import call_inputs, plain_text
from tests.tokens.foreign_folders import FAMILIES, foreign_tokenizer, write_tokenizer

LISTS = ["mistral_v3", "mistral_nemo"]
MARKED = ["mistral_marked", "mistral_numbered"]
FORMS = ["llama31", *LISTS, *MARKED]
TOOLS = (
    Tool(name="look", description="Looks twice.", input_schema={"type": "object", "properties": {}}),
    Tool(name="go", description="Goes.", input_schema={"type": "object"}),
)
ASKED = text_turn("user", "What is it like?")


@cache
def foreign(name: str) -> ForeignFormat:
    family = FAMILIES[name]
    special = {"bos_token": family.bos or "", "eos_token": family.eos}
    return ForeignFormat(foreign_tokenizer(name), ChatTemplate(family.template, special))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("forms")
    return {name: _theirs(root / name, name) for name in FORMS}


def _theirs(folder: Path, name: str) -> Any:
    write_tokenizer(name, folder)
    found = transformers.AutoTokenizer.from_pretrained(folder)
    # Compiled now, or the first example would wait for it.
    found.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False)
    return found


def _calls(inputs: list[dict[str, Any]]) -> tuple[ToolUseBlock, ...]:
    return tuple(
        ToolUseBlock(id=f"toolu_{at}", name="go" if at % 2 else "look", input=given)
        for at, given in enumerate(inputs)
    )


def _answered(calls: tuple[ToolUseBlock, ...], result: str) -> Conversation:
    results = (ToolResultBlock(tool_use_id=call.id, content=(TextBlock(text=result),)) for call in calls)
    turns = (ASKED, Turn(role="assistant", content=calls), Turn(role="user", content=tuple(results)))
    return Conversation(turns=turns, tools=TOOLS)


def _messages(told: Conversation, *, has_short_ids: bool) -> list[dict[str, Any]]:
    """As whoever uses transformers writes them."""

    def number(call_id: str) -> str:
        return short_id(call_id) if has_short_ids else call_id

    calls = [block for block in told.turns[1].content if isinstance(block, ToolUseBlock)]
    called = [
        {
            "type": "function",
            "id": number(call.id),
            "function": {"name": call.name, "arguments": call.input},
        }
        for call in calls
    ]
    results = [
        {"role": "tool", "tool_call_id": number(block.tool_use_id), "content": block.content[0].text}
        for block in told.turns[2].content
        if isinstance(block, ToolResultBlock) and isinstance(block.content[0], TextBlock)
    ]
    return [
        {"role": "user", "content": "What is it like?"},
        {"role": "assistant", "content": "", "tool_calls": called},
        *results,
    ]


ordinary = plain_text.filter(lambda text: bool(text.strip()) and text.strip() == text and "<" not in text)
inputs = st.lists(call_inputs(plain_text), min_size=1, max_size=3)


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=25, deadline=None)
@given(given_inputs=inputs, result=ordinary)
def test_calls_and_results_get_the_ids_that_transformers_gives_them(
    theirs: dict[str, Any], name: str, given_inputs: list[dict[str, Any]], result: str
) -> None:
    told = _answered(_calls(given_inputs[: 1 if name == "llama31" else None]), result)
    functions = [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.input_schema,
            },
        }
        for tool in TOOLS
    ]
    ids = theirs[name].apply_chat_template(
        _messages(told, has_short_ids=name != "llama31"),
        tools=functions,
        add_generation_prompt=True,
        return_dict=False,
    )
    assert list(foreign(name).render(told, opening="answer").ids) == ids


@pytest.mark.parametrize("name", FORMS)
@settings(max_examples=25, deadline=None)
@given(given_inputs=inputs)
def test_a_reply_with_calls_comes_back_as_the_template_would_write_it(
    name: str, given_inputs: list[dict[str, Any]]
) -> None:
    format_ = foreign(name)
    assume(all(_is_kept(name, each) for each in given_inputs))
    calls = _calls(given_inputs[: 1 if name == "llama31" else None])
    text = (TextBlock(text="Let me see."),) if name in MARKED else ()
    asked = Conversation(turns=(ASKED,), tools=TOOLS)
    replied = replace(asked, turns=(ASKED, Turn(role="assistant", content=(*text, *calls))))
    prompt, whole = format_.render(asked, opening="answer").ids, format_.render(replied, opening=None).ids
    assert whole[: len(prompt)] == prompt
    parser, folded = format_.parser("answer", may_call=True), MessageFold()
    for event in [event for token in whole[len(prompt) :] for event in parser.feed(token)] + parser.finish():
        folded.add(event)
    found = [block for block in folded.content if isinstance(block, ToolUseBlock)]
    assert [(call.name, call.input) for call in found] == [(call.name, call.input) for call in calls]
    assert tuple(block for block in folded.content if isinstance(block, TextBlock)) == text


def _is_kept(name: str, value: object) -> bool:
    """Whether a vocabulary, which may normalise letters, leaves a value as it is."""
    ids = foreign_tokenizer(name).encode([Piece(f"[{value}", is_template=False)]).ids
    return foreign_tokenizer(name).decode(ids).lstrip(" ") == f"[{value}"


@pytest.mark.parametrize("name", FORMS)
def test_where_calls_stand_and_how_they_read_is_found(name: str) -> None:
    format_ = foreign(name)
    tokens, markers = format_.phase_tokens, format_.tokenizer.markers
    calls = tokens.calls
    assert tokens.can_call
    assert tokens.end_tool_call is None
    assert tokens.tool_call == markers["<|python_tag|>" if name == "llama31" else "[TOOL_CALLS]"]
    assert calls.are_parallel == (name != "llama31")
    assert calls.follow_text == calls.reopen == (name in MARKED)
    assert calls.writing.is_list == calls.writing.has_ids == (name in LISTS)
    assert len(calls.writing.marks) == {"mistral_marked": 1, "mistral_numbered": 2}.get(name, 0)
    starts = [format_.tokenizer.token_bytes[each] for each in calls.bare_starts]
    assert set(starts) <= {b"{", b'{"'}
    assert bool(starts) == (name == "llama31")


def test_a_brace_opens_a_call_only_where_tools_are_offered_and_no_text_has_begun() -> None:
    format_ = foreign("llama31")
    called = '{"name": "go", "parameters": {}}'
    for text, may_call, has_calls in (
        (called, True, True),
        (f"\n {called}", True, True),
        (called, False, False),
        (f"So {called}", True, False),
    ):
        parser, folded = format_.parser("answer", may_call=may_call), MessageFold()
        ids = format_.tokenizer.encode([Piece(text, is_template=False)]).ids
        for event in [event for token in ids for event in parser.feed(token)] + parser.finish():
            folded.add(event)
        assert parser.has_calls == has_calls
        block = folded.content[0]
        assert isinstance(block, ToolUseBlock) if has_calls else block == TextBlock(text=text)


def test_a_stop_sequence_does_not_keep_a_brace_from_opening_a_call() -> None:
    format_ = foreign("llama31")
    parser, folded = format_.parser("answer", stop_sequences=["{", "go"], may_call=True), MessageFold()
    ids = format_.tokenizer.encode([Piece('{"name": "go", "parameters": {}}', is_template=False)]).ids
    for event in [event for token in ids for event in parser.feed(token)] + parser.finish():
        folded.add(event)
    assert [type(block) for block in folded.content] == [ToolUseBlock]
    assert parser.stop_sequence is None


def test_what_a_template_does_not_take_is_refused_in_its_own_words() -> None:
    two = _answered(_calls([{}, {}]), "sun")
    with pytest.raises(ValueError, match="only supports single tool-calls"):
        foreign("llama31").render(two, opening="answer")
    said = Turn(role="assistant", content=(TextBlock(text="So."), *_calls([{}])))
    told = replace(two, turns=(ASKED, said, _answered(_calls([{}]), "sun").turns[2]))
    for name in ("llama31", *LISTS):
        with pytest.raises(ValueError, match="does not show the text of turn 1"):
            foreign(name).render(told, opening="answer")


@given(st.text(max_size=40))
def test_short_ids_are_nine_letters_and_digits_and_stay_what_they_are(call_id: str) -> None:
    found = short_id(call_id)
    assert re.fullmatch("[0-9A-Za-z]{9}", found)
    assert short_id(found) == found == short_id(call_id)


def test_short_ids_differ() -> None:
    assert len({short_id(f"toolu_{number}") for number in range(20_000)}) == 20_000
