"""The chat format: invertible, append-only, unforgeable, and equal to its Jinja twin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.messages.content import (
    CacheControl,
    Conversation,
    RedactedThinkingBlock,
    TextBlock,
    ThinkingBlock,
    Turn,
    conversation,
    text_turn,
)
from caesura.tokens import CLOSING_TEXT, parse_conversation
from caesura.tokens.markers import MARKERS
from tests.tokens.conversations import any_text, chat_format, conversations

FORMAT = chat_format()


@given(conversations())
def test_parsing_is_the_inverse_of_rendering(told: Conversation) -> None:
    ids = FORMAT.render(told, opening=None).ids
    assert parse_conversation(FORMAT.tokenizer, ids) == told


@given(conversations())
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


@given(conversations(), st.sampled_from(["think", "answer", "choose"]), any_text, any_text)
def test_the_ids_of_a_turn_are_a_prefix_of_the_next(
    told: Conversation, opening: Any, thought: str, text: str
) -> None:
    if told.is_prefilled:
        told = Conversation(turns=(*told.turns, text_turn("user", "go on")), system=told.system)
    prompt = FORMAT.render(told, opening=opening).ids
    thoughts = (ThinkingBlock(thinking=thought),) if opening == "think" else ()
    reply = Turn(role="assistant", content=(*thoughts, TextBlock(text=text)))
    turns = (*told.turns, reply, text_turn("user", "and now?"))
    later = FORMAT.render(Conversation(turns=turns, system=told.system), opening=opening).ids
    assert later[: len(prompt)] == prompt


def test_a_prefilled_turn_is_left_open() -> None:
    told = conversation(("user", "hi"), ("assistant", "The answer"))
    prompt = FORMAT.render(told, opening="answer")
    assert FORMAT.tokenizer.decode(prompt.ids).endswith("The answer")
    assert prompt.ids[-1] not in FORMAT.phase_tokens.end


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
    return transformers.AutoTokenizer.from_pretrained(folder)


def _messages(told: Conversation) -> list[dict[str, Any]]:
    def block(each: Any) -> dict[str, Any]:
        if isinstance(each, ThinkingBlock):
            return {"type": "thinking", "thinking": each.thinking}
        return {"type": "text", "text": each.text}

    system = [Turn(role="system", content=told.system)] if told.system else []
    return [{"role": t.role, "content": [block(b) for b in t.content]} for t in (*system, *told.turns)]


_unmarked = any_text.filter(lambda text: not any(mark in text for mark in ("<|", "think>", "tool_call>")))


@settings(max_examples=60)
@given(told=conversations(_unmarked), opening=st.sampled_from([None, "think", "answer", "choose"]))
def test_the_jinja_twin_renders_the_same_ids(twin: Any, told: Conversation, opening: Any) -> None:
    if told.is_prefilled and opening is not None:
        told = Conversation(turns=(*told.turns, text_turn("user", "go on")), system=told.system)
    thinking = {"think": True, "answer": False, "choose": "adaptive"}.get(str(opening), False)
    text = twin.apply_chat_template(
        _messages(told), tokenize=False, add_generation_prompt=opening is not None, enable_thinking=thinking
    )
    ids = twin(text, add_special_tokens=False)["input_ids"]
    assert tuple(ids) == FORMAT.render(told, opening=opening).ids


@given(told=conversations())
def test_the_jinja_twin_lets_no_text_become_a_marker(twin: Any, told: Conversation) -> None:
    text = twin.apply_chat_template(_messages(told), tokenize=False)
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


def test_the_folder_names_its_special_tokens(tmp_path: Path) -> None:
    FORMAT.tokenizer.save(tmp_path, max_positions=77)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert (config["bos_token"], config["eos_token"], config["model_max_length"]) == (
        "<|begin|>",
        "<|end|>",
        77,
    )
