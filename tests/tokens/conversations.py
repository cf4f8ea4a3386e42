"""Generated conversations, hostile text included, for the property tests of the tokens room."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import strategies as st

from caesura.messages.content import (
    Block,
    Conversation,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
)
from caesura.tokens import CaesuraFormat, Tokenizer
from caesura.tokens.markers import MARKERS

_PROSE = "The answer is 42. Take 3 apples, add 8 more; what is left?\nStep 1: 7+5=12. naïve café 日本語 🙂\n"


@cache
def chat_format() -> CaesuraFormat:
    """Our format over a byte-level vocabulary with a few hundred merges."""
    return CaesuraFormat(Tokenizer.train([_PROSE * 20, " ".join(MARKERS) * 20], vocab_size=420))


plain_text = st.text(
    alphabet=st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40
) | st.sampled_from(["The answer is 42.", "Step 1: 7+5=12.\nStep 2", "  two  spaces ", "\r\n\t", "日本語🙂"])
hostile_text = st.lists(st.sampled_from(MARKERS) | plain_text, min_size=1, max_size=5).map("".join)
any_text = plain_text | hostile_text
text_blocks = st.builds(TextBlock, text=any_text)
thinking_blocks = st.builds(ThinkingBlock, thinking=any_text | st.just(""))


def _turns(
    text: st.SearchStrategy[TextBlock], thinking: st.SearchStrategy[ThinkingBlock]
) -> st.SearchStrategy[tuple[Turn, ...]]:
    plain = st.lists(text, min_size=1, max_size=3).map(tuple)
    blocks: st.SearchStrategy[Block] = text | thinking
    reply = st.lists(blocks, min_size=1, max_size=4).map(tuple)
    user = st.builds(Turn, role=st.just("user"), content=plain)
    system = st.builds(Turn, role=st.just("system"), content=plain)
    assistant = st.builds(Turn, role=st.just("assistant"), content=reply)
    # A system turn that comes first is the system prompt itself, so a user turn opens.
    rest = st.lists(user | assistant | system, max_size=5)
    return st.builds(lambda first, more: (first, *more), user, rest)


def conversations(text: st.SearchStrategy[str] = any_text) -> st.SearchStrategy[Conversation]:
    """Conversations whose text comes from `text`."""
    blocks = st.builds(TextBlock, text=text)
    thoughts = st.builds(ThinkingBlock, thinking=text)
    system = st.lists(blocks, max_size=2).map(tuple)
    return st.builds(Conversation, turns=_turns(blocks, thoughts), system=system)


def call_inputs(text: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments of calls, as JSON knows them."""
    leaves = (
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
    )
    values = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2),
        max_leaves=5,
    )
    return st.dictionaries(text, values, max_size=3)


def tools(text: st.SearchStrategy[str] = any_text) -> st.SearchStrategy[tuple[Tool, ...]]:
    """Tools that hold `text` wherever tools hold text."""
    schemas = call_inputs(text).map(lambda properties: {"type": "object", "properties": properties})
    tool = st.builds(Tool, name=_names, description=text | st.just(""), input_schema=schemas)
    return st.lists(tool, max_size=2).map(tuple)


_names = st.text("abcXYZ019_-", min_size=1, max_size=8)


def _calling(text: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[Turn, Turn]]:
    """A turn that calls tools and the one with the results; what the user adds may be missing."""
    calls = st.lists(
        st.builds(ToolUseBlock, id=st.just(""), name=_names, input=call_inputs(text)), min_size=1
    )
    texts = st.lists(st.builds(TextBlock, text=text), max_size=2).map(tuple)
    thought = st.lists(st.builds(ThinkingBlock, thinking=text), max_size=1).map(tuple)

    def turns(
        opening: tuple[Block, ...], calls: list[ToolUseBlock], results: list[Any], added: tuple[Block, ...]
    ) -> tuple[Turn, Turn]:
        told = tuple(
            ToolResultBlock(tool_use_id="", content=content, is_error=is_error)
            for (content, is_error), _ in zip(itertools.cycle(results), calls, strict=False)
        )
        called = Turn(role="assistant", content=(*opening, *calls))
        return called, Turn(role="user", content=(*told, *added))

    result = st.tuples(texts, st.booleans())
    opening = st.tuples(thought, texts).map(lambda pair: pair[0] + pair[1])
    return st.builds(turns, opening, calls, st.lists(result, min_size=1, max_size=3), texts)


def numbered(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """The turns with the calls' ids as `parse_conversation` gives them, and each result under its call's."""
    numbers = itertools.count()
    told: list[Turn] = []
    asked: list[str] = []
    for turn in turns:
        answered, blocks = iter(asked), list[Block]()
        asked = []
        for block in turn.content:
            if isinstance(block, ToolUseBlock):
                asked.append(f"toolu_{next(numbers)}")
                blocks.append(replace(block, id=asked[-1]))
            elif isinstance(block, ToolResultBlock):
                blocks.append(replace(block, tool_use_id=next(answered)))
            else:
                blocks.append(block)
        told.append(replace(turn, content=tuple(blocks)))
    return tuple(told)


def calling_conversations(text: st.SearchStrategy[str] = any_text) -> st.SearchStrategy[Conversation]:
    """Conversations with tools, calls and results, every text of them from `text`."""
    said = text.filter(lambda each: not each.startswith("Error: "))
    asked = st.builds(TextBlock, text=said).map(lambda block: (Turn(role="user", content=(block,)),))
    rounds = st.lists(_calling(said) | asked, max_size=3)
    turns = st.builds(lambda first, more: numbered((*first, *itertools.chain(*more))), asked, rounds)
    system = st.lists(st.builds(TextBlock, text=text), max_size=2).map(tuple)
    return st.builds(Conversation, turns=turns, system=system, tools=tools(text))
