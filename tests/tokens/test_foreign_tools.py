"""Tools in foreign formats: transformers' ids, calls parsed back, what a template cannot say refused."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import transformers
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from caesura.messages.content import (
    Block,
    CacheControl,
    Conversation,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    merge_turns,
    text_turn,
)
from caesura.messages.fold import MessageFold
from caesura.tokens.foreign_format import ForeignFormat
from caesura.tokens.foreign_tokenizer import Piece
from caesura.tokens.jinja_template import ChatTemplate
from tests.tokens.conversations import call_inputs, calling_conversations, plain_text
from tests.tokens.foreign_folders import FAMILIES, QWEN3, foreign_tokenizer, write_tokenizer
from tests.tokens.test_foreign_tokenizer import hostile_text
from tests.tokens.tool_templates import LLAMA31, MISTRAL_MARKED, MISTRAL_NEMO

CALL = ToolUseBlock(id="toolu_a", name="look", input={"place": "Köln", "depth": [1, {"<b>": None}]})
ANSWER = ToolResultBlock(tool_use_id="toolu_a", content=(TextBlock(text="sun"), TextBlock(text="wind")))
TOOLS = (
    Tool(name="look", description="Looks.\nTwice.", input_schema={"type": "object", "properties": {}}),
    Tool(name="go", input_schema={"type": "object"}),
)
TALK = Conversation(
    turns=(
        text_turn("user", "What is it like?"),
        Turn(role="assistant", content=(TextBlock(text="Let me see."), CALL, replace(CALL, id="toolu_b"))),
        Turn(
            role="user",
            content=(
                ToolResultBlock(tool_use_id="toolu_b", content=(TextBlock(text="no net"),), is_error=True),
                ANSWER,
                TextBlock(text="Well?"),
            ),
        ),
    ),
    system=(TextBlock(text="Be kind."),),
    tools=TOOLS,
)


@cache
def foreign(name: str, template: str | None = None) -> ForeignFormat:
    family = FAMILIES[name]
    special = {"bos_token": family.bos or "", "eos_token": family.eos}
    return ForeignFormat(foreign_tokenizer(name), ChatTemplate(template or family.template, special))


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("qwen")
    write_tokenizer("qwen3", folder)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    # Compiled now, or the first example would wait for it.
    theirs.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False)
    foreign("qwen3").render(TALK, opening="answer")
    return theirs


def _functions(told: Conversation) -> list[dict[str, Any]]:
    return [
        {
            "type": "function",
            "function": {"name": tool.name}
            | ({"description": tool.description} if tool.description else {})
            | {"parameters": tool.input_schema},
        }
        for tool in told.tools
    ]


def _messages(told: Conversation) -> list[dict[str, Any]]:
    """As whoever uses transformers writes them; results stand in the order of the calls."""
    messages: list[dict[str, Any]] = []
    if told.system:
        messages.append({"role": "system", "content": _text(told.system, "\n")})
    for turn in told.turns:
        results = [block for block in turn.content if isinstance(block, ToolResultBlock)]
        for block in results:
            content = ("Error: " if block.is_error else "") + _text(block.content, "\n")
            messages.append({"role": "tool", "content": content})
        calls = [
            {"type": "function", "function": {"name": block.name, "arguments": block.input}}
            for block in turn.content
            if isinstance(block, ToolUseBlock)
        ]
        thoughts = [block.thinking for block in turn.content if isinstance(block, ThinkingBlock)]
        if len(results) == len(turn.content):
            continue
        content = _text(turn.content, "" if turn.role == "assistant" else "\n")
        message = {"role": turn.role, "content": content}
        extra = {"tool_calls": calls} if calls else {}
        messages.append(message | extra | ({"reasoning_content": thoughts[0]} if thoughts else {}))
    return messages


def _text(blocks: tuple[Block, ...], join: str) -> str:
    return join.join(block.text for block in blocks if isinstance(block, TextBlock))


def _names(format_: ForeignFormat, ids: tuple[int, ...]) -> str:
    """The ids as text in which markers show by name."""
    names = {token: name.encode() for name, token in format_.tokenizer.markers.items()}
    pieces = format_.tokenizer.token_bytes
    return b"".join(names.get(token) or pieces[token] for token in ids).decode()


# Without line breaks at its ends even where the template strips no more than those.
ordinary = plain_text.filter(lambda text: text.strip() == text and not set(text) & set("<>|"))


@settings(max_examples=60)
@given(told=calling_conversations(ordinary))
def test_conversations_with_tools_get_the_ids_that_transformers_gives_them(
    qwen: Any, told: Conversation
) -> None:
    told = replace(told, turns=merge_turns(told.turns))
    ids = qwen.apply_chat_template(
        _messages(told), tools=_functions(told), add_generation_prompt=True, return_dict=False
    )
    assert list(foreign("qwen3").render(told, opening="choose").ids) == ids


def test_angle_brackets_in_tools_get_the_ids_that_transformers_gives_them(qwen: Any) -> None:
    schema = {"type": "object", "properties": {"<a>": {"const": "1 < 2\n\"quoted\" 'too' \\"}}}
    tools = (Tool(name="look", description='a <b> "c"\n', input_schema=schema),)
    told = replace(TALK, turns=TALK.turns[:1], tools=tools)
    ids = qwen.apply_chat_template(_messages(told), tools=_functions(told), return_dict=False)
    assert list(foreign("qwen3").render(told, opening=None).ids) == ids


def test_how_calls_and_results_are_written() -> None:
    format_ = foreign("qwen3")
    told = '{"name": "look", "arguments": {"place": "Köln", "depth": [1, {"<b>": null}]}}'
    call = f"<tool_call>\n{told}\n</tool_call>"
    text = _names(format_, format_.render(TALK, opening="choose").ids)
    assert text.endswith(
        f"<|im_start|>assistant\nLet me see.\n{call}\n{call}<|im_end|>\n"
        "<|im_start|>user\n<tool_response>\nsun\nwind\n</tool_response>"
        "\n<tool_response>\nError: no net\n</tool_response><|im_end|>\n"
        "<|im_start|>user\nWell?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert text.count('{"type": "function", "function": {"name": ') == 2


@settings(max_examples=60)
@given(texts=st.lists(hostile_text.filter(str.strip), min_size=6, max_size=6))
def test_no_text_of_a_tool_a_call_or_a_result_becomes_a_marker(texts: list[str]) -> None:
    format_ = foreign("qwen3")
    markers = set(format_.tokenizer.markers.values())

    def structure(texts: list[str]) -> list[int]:
        ids = format_.render(_saying(*texts), opening="answer").ids
        return [token for token in ids if token in markers]

    assert structure(texts) == structure(list("abcdef"))


def _saying(key: str, value: str, described: str, argument: str, given: str, result: str) -> Conversation:
    """A conversation with these words in a tool, a call and a result."""
    schema = {"type": "object", "properties": {key: {"enum": [value, {value: [value]}]}}}
    tool = Tool(name="look", description=described, input_schema=schema)
    call = replace(CALL, input={argument: [given, {given: given}]})
    answer = replace(ANSWER, content=(TextBlock(text=result), TextBlock(text=result)))
    turns = (
        TALK.turns[0],
        Turn(role="assistant", content=(call,)),
        Turn(role="user", content=(answer,)),
    )
    return Conversation(turns=turns, tools=(tool,))


@settings(max_examples=60)
@given(
    text=plain_text.filter(str.strip) | st.just(""),
    calls=st.lists(
        st.tuples(st.sampled_from(["look", "go"]), call_inputs(plain_text)), min_size=1, max_size=3
    ),
)
def test_a_reply_with_calls_comes_back_as_the_template_would_write_it(
    text: str, calls: list[tuple[str, dict[str, Any]]]
) -> None:
    format_ = foreign("qwen3")
    # The template strips what is said before a call, and a vocabulary may normalise letters.
    assume(
        text == text.strip()
        and all(format_.tokenizer.decode(_ids(each)) == each for each in _strings(calls, text))
    )
    content = (
        *((TextBlock(text=text),) if text else ()),
        *(ToolUseBlock(id=f"toolu_{at}", name=name, input=given) for at, (name, given) in enumerate(calls)),
    )
    asked = Conversation(turns=(text_turn("user", "hi"),), tools=TOOLS)
    prompt = format_.render(asked, opening="answer").ids
    replied = replace(asked, turns=(*asked.turns, Turn(role="assistant", content=content)))
    whole = format_.render(replied, opening=None).ids
    # The template closes an empty thought for the last reply, as the prompt does.
    assert whole[: len(prompt)] == prompt
    parser, folded = format_.parser("answer"), MessageFold()
    for event in [event for token in whole[len(prompt) :] for event in parser.feed(token)]:
        folded.add(event)
    told = [
        replace(each, id=f"toolu_{at - len(content) + len(calls)}")
        if isinstance(each, ToolUseBlock)
        else each
        for at, each in enumerate(folded.content)
    ]
    assert tuple(told) == content


def _strings(calls: list[tuple[str, dict[str, Any]]], text: str) -> list[str]:
    return [text, *(str(given) for _, given in calls)]


def _ids(text: str) -> list[int]:
    return foreign_tokenizer("qwen3").encode([Piece(text, is_template=False)]).ids


def test_what_the_phase_machine_goes_by_is_found() -> None:
    format_ = foreign("qwen3")
    tokens, markers = format_.phase_tokens, format_.tokenizer.markers
    assert (tokens.tool_call, tokens.end_tool_call) == (markers["<tool_call>"], markers["</tool_call>"])
    assert tokens.between_calls == tuple(_ids("\n"))
    for name in ("qwen2", "always_thinks", "llama2", "llama3", "mistral"):
        others = foreign(name).phase_tokens
        assert (others.tool_call, others.end_tool_call, others.between_calls) == (None, None, ())


@pytest.mark.parametrize(
    ("name", "template", "words"),
    [
        ("llama2", None, "its chat template knows none"),
        ("qwen2", None, "does not write them as JSON between <tool_call> and </tool_call>"),
        ("llama3", None, "does not write them as a reply that is one JSON object"),
        ("mistral", None, r"does not write them as a JSON list behind \[TOOL_CALLS\], or as "),
        ("mistral", MISTRAL_MARKED, r"does not write them as a JSON list behind \[TOOL_CALLS\], or as "),
        ("mistral_nemo", MISTRAL_NEMO.replace("+ eos_token if", "+ '.' if"), "does not write them as"),
        ("llama31", LLAMA31.replace('\'{"name"', '\'Call: {"name"'), "in a form that is not known"),
        ("llama3", QWEN3, "its tokenizer does not hold <tool_call> and </tool_call> as tokens"),
        ("qwen3", QWEN3.replace('{"name": "', '{"tool": "'), "does not write them as JSON"),
    ],
)
@pytest.mark.parametrize("told", [replace(TALK, turns=TALK.turns[:1]), replace(TALK, tools=())])
def test_tools_that_a_model_cannot_use_are_refused(
    name: str, template: str | None, words: str, told: Conversation
) -> None:
    with pytest.raises(ValueError, match=f"this model cannot call tools: .*{words}"):
        foreign(name, template).render(told, opening="answer")


@pytest.mark.parametrize("is_inside", [False, True])
def test_pictures_are_refused(is_inside: bool) -> None:
    picture = ImageBlock(media_type="image/png", data=b"")
    result = replace(ANSWER, content=(picture,))
    turns = (*TALK.turns[:2], Turn(role="user", content=(result if is_inside else picture,)))
    with pytest.raises(ValueError, match="reads no images"):
        foreign("qwen3").render(replace(TALK, turns=turns), opening="answer")


def test_breakpoints_lie_behind_tools_calls_and_results() -> None:
    format_, control = foreign("qwen3"), CacheControl()
    first, second = (replace(tool, cache_control=control) for tool in TOOLS)
    called = Turn(role="assistant", content=(replace(CALL, cache_control=control),))
    results = Turn(role="user", content=(replace(ANSWER, cache_control=control), TextBlock(text="Well?")))
    told = replace(TALK, turns=(TALK.turns[0], called, results), tools=(first, second))
    prompt = format_.render(told, opening="answer")
    ends = ['"properties": {}}}}', '{"type": "object"}}}', "</tool_call>", "wind\n</tool_response>"]
    assert len(prompt.breakpoints) == len(ends)
    for mark, end in zip(prompt.breakpoints, ends, strict=True):
        assert _names(format_, prompt.ids[: mark.position]).rstrip("\n").endswith(end)
