"""Documents in prompts: how they read, append-only, with breakpoints, as the folder's template has them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.messages.cited_events import CitedEvents
from caesura.messages.content import (
    Block,
    CacheControl,
    ContentParts,
    Conversation,
    DocumentBlock,
    ImageBlock,
    PdfPages,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    text_turn,
)
from caesura.messages.events import BlockStart, BlockStop, Event, TextDelta
from caesura.messages.fold import MessageFold
from caesura.messages.wire import block_json
from caesura.tokens.document_text import CITING_HINT, without_documents
from caesura.tokens.foreign_format import ForeignFormat
from tests.messages.pictures import png
from tests.messages.reading import answers, asked, conversations, found, in_parts, paged, plain
from tests.tokens.conversations import chat_format
from tests.tokens.foreign_folders import write_tokenizer

FORMAT = chat_format()
CALL = ToolUseBlock(id="toolu_a", name="look", input={})


def shown(told: Conversation) -> list[str]:
    """The texts of the first turn."""
    content = without_documents(told).conversation.turns[0].content
    return [block.text for block in content if isinstance(block, TextBlock)]


def test_what_can_be_cited_is_numbered() -> None:
    told = asked(
        plain("Grass is green. Sky is blue.", title="Colours", context="from a book"),
        paged("One. Two.", " ", "Three."),
        found("a", "b\nc"),
    )
    assert shown(told) == [
        f"{CITING_HINT}\n\nDocument 0: Colours\nContext: from a book\n"
        "[0:0] Grass is green.\n[0:1] Sky is blue.",
        "Document 1\nPage 1:\n[1:0] One.\n[1:1] Two.\nPage 2:\nThis page holds no text that can be read.\n"
        "Page 3:\n[1:2] Three.",
        "Search result 2: Found\nSource: https://example.org\n[2:0] a\n[2:1] b\nc",
        "What colour?",
    ]


def test_what_cannot_be_cited_reads_as_it_is() -> None:
    told = asked(
        plain("Grass is green.", is_citable=False, title="Colours"),
        paged("One.", "", is_citable=False),
        in_parts("a", "b", is_citable=False),
    )
    assert shown(told)[:3] == [
        "Document: Colours\n\nGrass is green.",
        "Document\n\nPage 1:\nOne.\nPage 2:\nThis page holds no text that can be read.",
        "Document\n\na\nb",
    ]
    assert without_documents(told).sources == ()


def test_results_of_tools_hold_documents_too() -> None:
    result = ToolResultBlock(tool_use_id="toolu_a", content=(TextBlock(text="see"), found("a"), plain()))
    turns = (
        text_turn("user", "hi"),
        Turn(role="assistant", content=(CALL,)),
        Turn(role="user", content=(result,)),
    )
    told = without_documents(Conversation(turns=turns))
    assert [source.number for source in told.sources] == [0, 1]
    inner = told.conversation.turns[2].content[0]
    assert isinstance(inner, ToolResultBlock)
    assert [type(part) for part in inner.content] == [TextBlock] * 3
    assert FORMAT.render(Conversation(turns=turns), opening="answer").sources == told.sources


def test_a_picture_in_a_document_is_refused() -> None:
    parts = ContentParts(content=(ImageBlock(media_type="image/png", data=png(1, 1)),))
    for is_citable in (True, False):
        with pytest.raises(ValueError, match="reads no images"):
            FORMAT.render(asked(DocumentBlock(source=parts, is_citable=is_citable)), opening="answer")


def test_a_breakpoint_lies_behind_its_document() -> None:
    told = asked(plain(cache_control=CacheControl(ttl="1h")), plain("Another."))
    prompt = FORMAT.render(told, opening="answer")
    (mark,) = prompt.breakpoints
    behind = replace(told, turns=(replace(told.turns[0], content=told.turns[0].content[:1]),))
    assert prompt.ids[: mark.position] == FORMAT.render(behind, opening=None).ids[: mark.position]
    assert mark.position == len(FORMAT.render(behind, opening=None).ids) - 1
    assert mark.control.ttl == "1h"


def answered(told: Conversation, text: str) -> tuple[Block, ...]:
    """The blocks that a model's text becomes."""
    stage, folding = CitedEvents(FORMAT.render(told, opening="answer").sources), MessageFold()
    events: list[Event] = [
        BlockStart(index=0, block=TextBlock(text="")),
        TextDelta(index=0, text=text),
        BlockStop(index=0),
    ]
    for event in [*stage.feed(events), *stage.finish()]:
        folding.add(event)
    return folding.content


@pytest.mark.parametrize(
    "text",
    [
        "Green.",
        "It is <cite 0:0>green</cite>.",
        "<cite 0:0>a</cite> <cite 0:1+1,0:0>b</cite>\n\n<cite 0:2>c</cite>",
        " \n<cite 0:0>a < b <\\cite</cite> and <\\/cite> 1 < 2 ",
    ],
)
def test_a_cited_reply_is_rendered_as_it_was_generated(text: str) -> None:
    told = asked(plain())
    blocks = answered(told, text)
    replied = replace(told, turns=(*told.turns, Turn(role="assistant", content=blocks)))
    later = replace(replied, turns=(*replied.turns, text_turn("user", "and now?")))
    prompt = FORMAT.render(told, opening="answer").ids
    generated = (*prompt, *FORMAT.tokenizer.encode(text))
    assert FORMAT.render(later, opening="answer").ids[: len(generated)] == generated


@given(conversations, answers, conversations)
@settings(max_examples=50)
def test_a_conversation_that_goes_on_keeps_its_ids(told: Conversation, text: str, more: Conversation) -> None:
    prompt = FORMAT.render(told, opening="answer").ids
    reply = Turn(role="assistant", content=answered(told, text) or (TextBlock(text="x"),))
    replied = replace(told, turns=(*told.turns, reply))
    finished = FORMAT.render(replied, opening=None).ids
    later = FORMAT.render(replace(replied, turns=(*replied.turns, *more.turns)), opening="answer")
    assert finished[: len(prompt)] == prompt
    assert later.ids[: len(finished)] == finished


def test_an_earlier_answer_stays_as_it_is_when_a_document_follows() -> None:
    reply = Turn(role="assistant", content=(TextBlock(text="write <cite 0:0>x</cite>"), TextBlock(text="so")))
    told = Conversation(turns=(text_turn("user", "hi"), reply))
    later = replace(told, turns=(*told.turns, *asked(plain()).turns))
    finished = FORMAT.render(told, opening=None).ids
    assert FORMAT.render(later, opening="answer").ids[: len(finished)] == finished


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("twin")
    FORMAT.tokenizer.save(folder, max_positions=512)
    twin = transformers.AutoTokenizer.from_pretrained(folder)
    # Compiled now, or the first example would wait for it.
    twin.apply_chat_template([{"role": "user", "content": [block_json(plain())]}], tokenize=False)
    return twin


_TEXT_ONLY = conversations.map(
    lambda told: replace(
        told,
        turns=tuple(
            replace(
                turn,
                content=tuple(
                    block
                    for block in turn.content
                    if not (isinstance(block, DocumentBlock) and isinstance(block.source, PdfPages))
                ),
            )
            for turn in told.turns
        ),
    )
)


@given(_TEXT_ONLY, st.booleans())
@settings(max_examples=100)
def test_the_folders_template_writes_the_same_documents(
    twin: Any, told: Conversation, is_citing: bool
) -> None:
    turns = tuple(
        replace(
            turn,
            content=tuple(
                block if isinstance(block, TextBlock) else replace(block, is_citable=is_citing)  # type: ignore[call-arg]
                for block in turn.content
            ),
        )
        for turn in told.turns
    )
    told = Conversation(turns=turns)
    messages = [
        {"role": turn.role, "content": [block_json(block) for block in turn.content]} for turn in turns
    ]
    # What would read as a marker is broken up by the template, for it has no other way to tell them apart.
    marked = ("\x1f", "\\x1f", "<|", "think>", "tool_call>")
    if any(mark in str(messages) for mark in marked):
        return
    text = twin.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids = twin(text, add_special_tokens=False)["input_ids"]
    assert tuple(ids) == FORMAT.render(told, opening="answer").ids


def test_the_folders_template_takes_documents_in_results(twin: Any) -> None:
    result = ToolResultBlock(tool_use_id="toolu_a", content=(found("a"), plain(), TextBlock(text="x")))
    turns = (
        text_turn("user", "hi"),
        Turn(role="assistant", content=(CALL,)),
        Turn(role="user", content=(result, in_parts("p", "q"))),
    )
    messages = [
        {"role": turn.role, "content": [block_json(block) for block in turn.content]} for turn in turns
    ]
    text = twin.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids = twin(text, add_special_tokens=False)["input_ids"]
    assert tuple(ids) == FORMAT.render(Conversation(turns=turns), opening="answer").ids


def test_the_folders_template_reads_no_pdf(twin: Any) -> None:
    messages = [{"role": "user", "content": [block_json(paged("a"))]}]
    with pytest.raises(Exception, match="reads no such document: base64"):
        twin.apply_chat_template(messages, tokenize=False)


def test_other_makers_templates_are_shown_documents_as_text(tmp_path: Path) -> None:
    write_tokenizer("qwen3", tmp_path)
    foreign = ForeignFormat.load(tmp_path)
    told = asked(plain("Grass is green.", title="Colours"), question="Which?")
    prompt = foreign.render(told, opening="answer")
    text = foreign.tokenizer.decode(prompt.ids)
    assert "Document 0: Colours\n[0:0] Grass is green.\nWhich?" in text
    assert len(prompt.sources) == 1


def test_a_text_that_goes_on_still_does_beside_documents() -> None:
    begun = (TextBlock(text="Well,"), TextBlock(text=" I look.", is_continuation=True))
    told = Conversation(turns=(*asked(plain()).turns, Turn(role="assistant", content=begun)))
    read = without_documents(told).conversation.turns[-1].content
    assert [block.is_continuation for block in read if isinstance(block, TextBlock)] == [False, True]
