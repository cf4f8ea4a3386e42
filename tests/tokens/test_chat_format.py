"""The chat format: invertible, append-only, unforgeable, and equal to its Jinja twin."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.messages.content import (
    Block,
    CacheControl,
    CompactionBlock,
    Conversation,
    ImageBlock,
    RedactedThinkingBlock,
    Role,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    conversation,
    merge_turns,
    text_of,
    text_turn,
)
from caesura.messages.replayed import continued
from caesura.tokens import CLOSING_TEXT, parse_conversation
from caesura.tokens.markers import MARKERS
from tests.tokens.conversations import any_text, calling_conversations, chat_format, conversations

FORMAT = chat_format()
CALL = ToolUseBlock(id="toolu_a", name="look", input={"place": "Köln", "depth": 2})
ANSWER = ToolResultBlock(tool_use_id="toolu_a", content=(TextBlock(text="sun"),))
TOOLS = (
    Tool(name="look", description="Looks.\nTwice.", input_schema={"type": "object"}),
    Tool(name="go", input_schema={}),
)


@given(conversations() | calling_conversations())
def test_parsing_is_the_inverse_of_rendering(told: Conversation) -> None:
    ids = FORMAT.render(told, opening=None).ids
    assert parse_conversation(FORMAT.tokenizer, ids) == told


@given(conversations() | calling_conversations())
def test_spans_cover_everything_after_the_first_id_without_gaps(told: Conversation) -> None:
    prompt = FORMAT.render(told, opening=None)
    at = 1
    for span in prompt.spans:
        assert span.start == at
        assert span.stop > at
        at = span.stop
    assert at == len(prompt.ids)


@given(any_text)
def test_text_never_becomes_a_marker(text: str) -> None:
    ids = FORMAT.tokenizer.encode(text)
    assert all(token >= len(MARKERS) for token in ids)
    assert FORMAT.tokenizer.decode(ids) == text


@given(
    conversations() | calling_conversations(),
    st.sampled_from(["think", "answer", "choose"]),
    any_text,
    any_text,
    st.booleans(),
)
def test_the_ids_of_a_turn_are_a_prefix_of_the_next(
    told: Conversation, opening: Any, thought: str, text: str, calls: bool
) -> None:
    if told.is_prefilled:
        told = replace(told, turns=(*told.turns, text_turn("user", "go on")))
    prompt = FORMAT.render(told, opening=opening).ids
    thoughts = (ThinkingBlock(thinking=thought),) if opening == "think" else ()
    reply = Turn(role="assistant", content=(*thoughts, TextBlock(text=text), *([CALL] if calls else [])))
    after = Turn(role="user", content=(ANSWER,)) if calls else text_turn("user", "and now?")
    replied = replace(told, turns=(*told.turns, reply))
    finished = FORMAT.render(replied, opening=None).ids
    later = FORMAT.render(replace(replied, turns=(*replied.turns, after)), opening=opening).ids
    assert finished[: len(prompt)] == prompt
    assert later[: len(finished)] == finished


def _markers(ids: tuple[int, ...]) -> str:
    """The ids as text in which markers show by name."""
    pieces = FORMAT.tokenizer.token_bytes
    named = (MARKERS[token].encode() if token < len(MARKERS) else pieces[token] for token in ids)
    return b"".join(named).decode()


def test_how_tools_calls_and_results_are_written() -> None:
    system = (TextBlock(text="Be kind."), TextBlock(text="And brief."))
    called = Turn(
        role="assistant", content=(TextBlock(text="Let me see."), CALL, replace(CALL, id="toolu_b"))
    )
    failed = ToolResultBlock(
        tool_use_id="toolu_b", content=(TextBlock(text="no"), TextBlock(text="net")), is_error=True
    )
    results = Turn(role="user", content=(failed, ANSWER, TextBlock(text="Well?"), TextBlock(text="So?")))
    told = Conversation(turns=(text_turn("user", "hi"), called, results), system=system, tools=TOOLS)
    call = '<tool_call>{"name": "look", "arguments": {"place": "Köln", "depth": 2}}</tool_call>'
    assert _markers(FORMAT.render(told, opening="answer").ids) == (
        "<|begin|><|system|>Tools that can be called:"
        '\n{"name":"look","description":"Looks.\\nTwice.","input_schema":{"type":"object"}}'
        '\n{"name":"go","description":"","input_schema":{}}'
        "<|next|>Be kind.<|next|>And brief.<|end|><|user|>hi<|end|>"
        f"<|assistant|></think>Let me see.{call}{call}<|end|>"
        "<|user|><|tool_result|>sun<|tool_result|>Error: no<|next|>net<|user|>Well?<|next|>So?<|end|>"
        "<|assistant|></think>"
    )


def test_calls_are_learnt_apart_from_tools_and_results() -> None:
    turns = (text_turn("user", "hi"), Turn(role="assistant", content=(CALL,)))
    results = Turn(role="user", content=(ANSWER, TextBlock(text="Well?")))
    prompt = FORMAT.render(Conversation(turns=(*turns, results), tools=TOOLS), opening=None)
    system: list[tuple[Role, str]] = [("system", "header"), ("system", "tools"), ("system", "end")]
    assert [span[:2] for span in prompt.spans] == [
        *system,
        *[("user", kind) for kind in ("header", "text", "end")],
        *[("assistant", kind) for kind in ("header", "opening", "call", "end")],
        *[("user", kind) for kind in ("header", "result", "header", "text", "end")],
    ]
    call = next(span for span in prompt.spans if span.kind == "call")
    assert _markers(prompt.ids[call.start : call.stop]).startswith("<tool_call>{")
    assert prompt.ids[call.stop - 1] == FORMAT.phase_tokens.end_tool_call


def test_breakpoints_lie_behind_tools_calls_and_results() -> None:
    control = CacheControl()
    first = replace(TOOLS[0], cache_control=control)
    called = Turn(role="assistant", content=(replace(CALL, cache_control=control),))
    results = Turn(role="user", content=(replace(ANSWER, cache_control=control), TextBlock(text="Well?")))
    told = Conversation(turns=(text_turn("user", "hi"), called, results), tools=(first, TOOLS[1]))
    prompt = FORMAT.render(told, opening="answer")
    ends = ['"input_schema":{"type":"object"}}', "</tool_call>", "<|tool_result|>sun"]
    assert len(prompt.breakpoints) == len(ends)
    for mark, end in zip(prompt.breakpoints, ends, strict=True):
        assert _markers(prompt.ids[: mark.position]).endswith(end)


_PICTURE = ImageBlock(media_type="image/png", data=b"")


@pytest.mark.parametrize(
    ("role", "block", "words"),
    [
        ("user", _PICTURE, "reads no images"),
        ("user", ToolResultBlock(tool_use_id="toolu_a", content=(_PICTURE,)), "reads no images"),
        ("user", ToolUseBlock(id="toolu_a", name="look", input={}), "belong to the assistant"),
        ("assistant", ToolResultBlock(tool_use_id="toolu_a"), "belong to the user"),
    ],
)
def test_what_nobody_can_say_is_refused(role: Role, block: Block, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FORMAT.render(Conversation(turns=(Turn(role=role, content=(block,)),)), opening=None)


def test_a_prefilled_turn_is_left_open() -> None:
    told = conversation(("user", "hi"), ("assistant", "The answer"))
    prompt = FORMAT.render(told, opening="answer")
    assert FORMAT.tokenizer.decode(prompt.ids).endswith("The answer")
    assert prompt.ids[-1] not in FORMAT.phase_tokens.end


@given(any_text.filter(bool), any_text.filter(bool), st.booleans())
def test_what_the_server_goes_on_with_begins_with_what_was_prefilled_and_written(
    begun: str, written: str, calls: bool
) -> None:
    told = conversation(("user", "hi"), ("assistant", begun))
    call = replace(CALL, is_server_run=True)
    result = replace(ANSWER, is_server_run=True)
    content = (TextBlock(text=written), *((call, result) if calls else ()))
    before = FORMAT.render(told, opening="answer").ids + tuple(FORMAT.tokenizer.encode(written))
    after = FORMAT.render(continued(told, content), opening="answer").ids
    assert after[: len(before)] == before


def test_a_prefill_is_gone_on_with_behind_a_summary() -> None:
    told = conversation(("user", "hi"), ("assistant", "It"))
    content = (CompactionBlock(content="so far"), TextBlock(text=" is."))
    (summary, reply) = continued(told, content).turns
    assert "so far" in text_of(summary.content)
    assert text_of(reply.content) == "It is."


def test_a_prefilled_turn_cannot_be_thought_about() -> None:
    with pytest.raises(ValueError, match="without thinking"):
        FORMAT.render(conversation(("user", "hi"), ("assistant", "The")), opening="think")


def test_redacted_thinking_is_not_rendered() -> None:
    reply = Turn(role="assistant", content=(RedactedThinkingBlock(data="x"),))
    with pytest.raises(ValueError, match="unsealed"):
        FORMAT.render(Conversation(turns=(text_turn("user", "hi"), reply)), opening=None)


def test_a_cut_thought_ends_with_the_ids_that_the_engine_forces() -> None:
    reply = Turn(role="assistant", content=(ThinkingBlock(thinking="1:7"), TextBlock(text="9")))
    prompt = FORMAT.render(Conversation(turns=(text_turn("user", "q"), reply)), opening=None, is_cut=True)
    closing = next(span for span in prompt.spans if span.kind == "closing")
    tokens = FORMAT.phase_tokens
    assert prompt.ids[closing.start : closing.stop] == (*tokens.closing, tokens.end_think)
    assert FORMAT.tokenizer.decode(tokens.closing) == CLOSING_TEXT


def test_breakpoints_lie_behind_the_blocks_that_ask_for_them() -> None:
    block = TextBlock(text="Be kind.", cache_control=CacheControl(ttl="1h"))
    told = Conversation(turns=(text_turn("user", "hi"),), system=(block, TextBlock(text="And brief.")))
    prompt = FORMAT.render(told, opening="answer")
    (mark,) = prompt.breakpoints
    assert FORMAT.tokenizer.decode(prompt.ids[: mark.position]) == "Be kind."
    assert mark.control.ttl == "1h"


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("twin")
    FORMAT.tokenizer.save(folder, max_positions=1000)
    twin = transformers.AutoTokenizer.from_pretrained(folder)
    # Compiled now, or the first example would wait for it.
    twin.apply_chat_template(_messages(conversation(("user", "hi"))), tokenize=False)
    return twin


def _messages(told: Conversation) -> list[dict[str, Any]]:
    def block(each: Any) -> dict[str, Any]:
        match each:
            case ThinkingBlock():
                return {"type": "thinking", "thinking": each.thinking}
            case ToolUseBlock():
                return {"type": "tool_use", "id": each.id, "name": each.name, "input": each.input}
            case ToolResultBlock():
                content = [block(part) for part in each.content]
                told = {"tool_use_id": each.tool_use_id, "content": content, "is_error": each.is_error}
                return {"type": "tool_result", **told}
            case _:
                return {"type": "text", "text": each.text}

    system = [Turn(role="system", content=told.system)] if told.system else []
    return [{"role": t.role, "content": [block(b) for b in t.content]} for t in (*system, *told.turns)]


def _tools(told: Conversation) -> list[dict[str, Any]]:
    return [
        {"name": each.name, "description": each.description, "input_schema": each.input_schema}
        for each in told.tools
    ]


_unmarked = any_text.filter(lambda text: not any(mark in text for mark in ("<|", "think>", "tool_call>")))


@settings(max_examples=100)
@given(
    told=conversations(_unmarked) | calling_conversations(_unmarked),
    opening=st.sampled_from([None, "think", "answer", "choose"]),
)
def test_the_jinja_twin_renders_the_same_ids(twin: Any, told: Conversation, opening: Any) -> None:
    if told.is_prefilled and opening is not None:
        told = replace(told, turns=(*told.turns, text_turn("user", "go on")))
    thinking = {"think": True, "answer": False, "choose": "adaptive"}.get(str(opening), False)
    text = twin.apply_chat_template(
        _messages(told),
        tools=_tools(told),
        tokenize=False,
        add_generation_prompt=opening is not None,
        enable_thinking=thinking,
    )
    ids = twin(text, add_special_tokens=False)["input_ids"]
    assert tuple(ids) == FORMAT.render(told, opening=opening).ids


@given(told=conversations() | calling_conversations())
def test_the_jinja_twin_lets_no_text_become_a_marker(twin: Any, told: Conversation) -> None:
    text = twin.apply_chat_template(_messages(told), tools=_tools(told), tokenize=False)
    markers = [token for token in twin(text, add_special_tokens=False)["input_ids"] if token < len(MARKERS)]
    ours = [token for token in FORMAT.render(told, opening=None).ids if token < len(MARKERS)]
    assert markers == ours


def test_strings_and_reasoning_content_render_like_blocks(twin: Any) -> None:
    short = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello", "reasoning_content": "greet"},
    ]
    blocks = (ThinkingBlock(thinking="greet"), TextBlock(text="hello"))
    told = Conversation(turns=(text_turn("user", "hi"), Turn(role="assistant", content=blocks)))
    ids = twin(twin.apply_chat_template(short, tokenize=False), add_special_tokens=False)["input_ids"]
    assert tuple(ids) == FORMAT.render(told, opening=None).ids


def test_results_are_written_in_the_order_of_the_calls(twin: Any) -> None:
    calls = tuple(replace(CALL, id=f"toolu_{number}") for number in range(3))
    results = tuple(
        ToolResultBlock(tool_use_id=f"toolu_{number}", content=(TextBlock(text=f"result {number}"),))
        for number in (2, 0, 1)
    )
    turns = (
        text_turn("user", "hi"),
        Turn(role="assistant", content=calls),
        Turn(role="user", content=results),
    )
    told = Conversation(turns=turns)
    text = twin.apply_chat_template(_messages(told), tokenize=False)
    assert text.endswith("".join(f"<|tool_result|>result {number}" for number in range(3)) + "<|end|>")
    assert _markers(FORMAT.render(told, opening=None).ids) == text


@settings(max_examples=60)
@given(told=calling_conversations(_unmarked), is_text=st.booleans())
def test_tools_in_the_form_of_most_servers_render_alike(twin: Any, told: Conversation, is_text: bool) -> None:
    # That form has neither several blocks nor errors.
    merged = merge_turns(told.turns)
    turns = [replace(turn, content=tuple(map(_as_one_text, turn.content))) for turn in merged]
    plain = [tuple(_without_second_texts(turn.content)) for turn in turns]
    told = replace(
        told,
        turns=tuple(replace(turn, content=content) for turn, content in zip(turns, plain, strict=True)),
        system=told.system[:1],
    )
    functions = [
        {
            "type": "function",
            "function": {"name": each.name, "description": each.description, "parameters": each.input_schema},
        }
        for each in told.tools
    ]
    text = twin.apply_chat_template(_openai_messages(told, is_text=is_text), tools=functions, tokenize=False)
    ids = twin(text, add_special_tokens=False)["input_ids"]
    assert tuple(ids) == FORMAT.render(told, opening=None).ids


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _as_one_text(block: Block) -> Block:
    if not isinstance(block, ToolResultBlock):
        return block
    return replace(block, content=block.content[:1], is_error=False)


def _without_second_texts(content: tuple[Block, ...]) -> list[Block]:
    """With one text at most."""
    texts = [block for block in content if isinstance(block, TextBlock)]
    later = {id(block) for block in texts[1:]}
    return [block for block in content if id(block) not in later]


def _openai_messages(told: Conversation, *, is_text: bool) -> list[dict[str, Any]]:
    """The messages that most servers take. is_text: arguments come as text."""
    messages: list[dict[str, Any]] = []
    for turn in (*([Turn(role="system", content=told.system)] if told.system else []), *told.turns):
        texts = [block.text for block in turn.content if isinstance(block, TextBlock)]
        calls = [
            {"name": each.name, "arguments": _json(each.input) if is_text else each.input}
            for each in turn.content
            if isinstance(each, ToolUseBlock)
        ]
        thoughts = [each.thinking for each in turn.content if isinstance(each, ThinkingBlock)]
        for block in turn.content:
            if isinstance(block, ToolResultBlock):
                parts = [part.text for part in block.content if isinstance(part, TextBlock)]
                messages.append(
                    {"role": "tool", "tool_call_id": block.tool_use_id, "content": "".join(parts)}
                )
        if texts or calls or turn.role != "user":
            message = {"role": turn.role, "content": texts[0] if texts else None}
            extra = (
                {"tool_calls": [{"type": "function", "function": call} for call in calls]} if calls else {}
            )
            thought = {"reasoning_content": thoughts[0]} if thoughts else {}
            messages.append(message | extra | thought)
    return messages


def test_the_folder_names_its_special_tokens(tmp_path: Path) -> None:
    FORMAT.tokenizer.save(tmp_path, max_positions=77)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert (config["bos_token"], config["eos_token"], config["model_max_length"]) == (
        "<|begin|>",
        "<|end|>",
        77,
    )
