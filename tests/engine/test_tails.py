"""What is certain of the next prompt once a reply has ended."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from caesura.engine.sequence import SequenceRequest
from caesura.engine.tails import EndedReply, Tail, next_tail
from caesura.messages.content import (
    Block,
    Conversation,
    TextBlock,
    ThinkingBlock,
    Turn,
    conversation,
    text_turn,
)
from caesura.tokens.foreign_format import ForeignFormat
from caesura.tokens.jinja_template import ChatTemplate
from caesura.tokens.phase_tokens import Opening
from caesura.tokens.text_memory import TextMemory
from tests.tokens.foreign_folders import FAMILIES, foreign_tokenizer

TALK = conversation(
    ("user", "The answer is what?"), ("assistant", "42."), ("user", "And 7+5?"), system="Be kind."
)
ANSWER = (TextBlock(text="Take 3 apples, add 8 more."),)
THOUGHT = (ThinkingBlock(thinking="Okay, so I think."), *ANSWER)
REWRITERS = ["qwen3", "always_thinks", "mistral", "llama2"]


@cache
def foreign(name: str) -> ForeignFormat:
    family = FAMILIES[name]
    named = {"bos_token": family.bos or "", "eos_token": family.eos}
    return ForeignFormat(foreign_tokenizer(name), ChatTemplate(family.template, named))


def tail_of(
    name: str,
    content: tuple[Block, ...],
    talk: Conversation = TALK,
    opening: Opening = "answer",
    max_tokens: int = 4096,
) -> Tail | None:
    format_ = foreign(name)
    request = SequenceRequest(
        prompt=format_.render(talk, opening=opening).ids, max_tokens=50, opening=opening, tenant="me"
    )
    reply = EndedReply(conversation=talk, content=content, request=request)
    texts = TextMemory(format_.tokenizer.vocab_size).of("me")
    return next_tail(reply, format_, texts, max_tokens=max_tokens)


def next_ids(name: str, content: tuple[Block, ...], text: str) -> tuple[int, ...]:
    reply = Turn(role="assistant", content=content)
    told = replace(TALK, turns=(*TALK.turns, reply, text_turn("user", text)))
    return foreign(name).render(told, opening="answer").ids


@pytest.mark.parametrize("name", REWRITERS)
def test_a_tail_holds_the_answer_and_begins_as_the_prompt_did(name: str) -> None:
    assert not foreign(name).is_append_only
    tail = tail_of(name, ANSWER)
    assert tail is not None
    assert tail.tenant == "me"
    assert ANSWER[0].text in foreign(name).tokenizer.decode(tail.ids)
    prompt = foreign(name).render(TALK, opening="answer").ids
    assert tail.ids[: tail.num_known] == prompt[: tail.num_known]
    assert 0 < tail.num_known < len(tail.ids)
    assert tail.num_known == len(prompt) or tail.ids[tail.num_known] != prompt[tail.num_known]


@pytest.mark.parametrize("name", REWRITERS)
@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1).filter(str.strip))
@example(text="\n\nWhy?")
@example(text=" Why?")
@example(text="Why?")
def test_whatever_is_said_next_its_prompt_begins_with_the_tail(name: str, text: str) -> None:
    tail = tail_of(name, ANSWER)
    assert tail is not None
    assert next_ids(name, ANSWER, text)[: len(tail.ids)] == tail.ids


@pytest.mark.parametrize("name", ["qwen3", "always_thinks"])
def test_a_tail_leaves_the_thought_out_and_is_found_whether_or_not_it_is_sent_back(name: str) -> None:
    tail = tail_of(name, THOUGHT, opening="think")
    assert tail is not None
    assert foreign(name).phase_tokens.end_think not in tail.ids
    for content in (ANSWER, THOUGHT):
        assert next_ids(name, content, "And then?")[: len(tail.ids)] == tail.ids


def test_a_long_conversation_is_compared_to_the_last_id() -> None:
    talk = replace(TALK, system=(TextBlock(text="Step 1: 7+5=12. " * 500),))
    short, long = tail_of("qwen3", ANSWER), tail_of("qwen3", ANSWER, talk, max_tokens=10**6)
    assert short is not None
    assert long is not None
    assert long.num_known > 2048
    assert len(long.ids) - long.num_known == len(short.ids) - short.num_known


@pytest.mark.parametrize(
    "content",
    [(), (ThinkingBlock(thinking="Okay, so"),), (TextBlock(text="\n"),)],
    ids=["nothing", "a thought alone", "a line break"],
)
def test_a_reply_without_an_answer_has_no_tail(content: tuple[Block, ...]) -> None:
    assert tail_of("qwen3", content) is None


def test_a_reply_that_continues_the_clients_words_has_no_tail() -> None:
    assert tail_of("qwen3", ANSWER, conversation(("user", "Two and two?"), ("assistant", "It is"))) is None


def test_a_conversation_that_the_template_refuses_has_no_tail() -> None:
    refusing = (
        FAMILIES["qwen3"].template
        + "{%- if messages|length > 4 %}{{ raise_exception('enough') }}{%- endif %}"
    )
    format_ = ForeignFormat(foreign_tokenizer("qwen3"), ChatTemplate(refusing, {"eos_token": "<|im_end|>"}))
    prompt = format_.render(TALK, opening="answer").ids
    reply = EndedReply(
        conversation=TALK, content=ANSWER, request=SequenceRequest(prompt=prompt, max_tokens=50)
    )
    assert next_tail(reply, format_, TextMemory(999).of(""), max_tokens=4096) is None


def test_a_conversation_that_has_filled_the_window_has_no_tail() -> None:
    tail = tail_of("qwen3", ANSWER)
    assert tail is not None
    assert tail_of("qwen3", ANSWER, max_tokens=len(tail.ids)) is None
    assert tail_of("qwen3", ANSWER, max_tokens=len(tail.ids) + 1) == tail
