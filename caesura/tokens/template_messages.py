"""A conversation as the messages that chat templates take, with every text hidden behind a placeholder.

The template sees words that nobody can guess in place of what was written, and moves them where the text
belongs. So no text can be taken for a marker, or set off a test in the template. Whitespace at either end of
a text stays as it is, so a template that strips it strips the same as in the plain text. Of tools and calls,
which templates look into, only those strings are hidden that could become a marker.
Enters: a `Conversation`. Leaves: messages, and pieces once they are rendered. Read next: `foreign_format.py`.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

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
    ToolResultBlock,
    ToolUseBlock,
    Turn,
)
from caesura.tokens.call_forms import short_id
from caesura.tokens.foreign_tokenizer import Piece
from caesura.tokens.jinja_template import Message
from caesura.tokens.layout import Layout
from caesura.tokens.template_tools import call_form, function_form
from caesura.tokens.tool_text import check_speakers, in_order_of_calls, no_images, result_texts

# "field": the template reads `reasoning_content`; "inline": it finds the thought in the content.
ThoughtPlace = Literal["field", "inline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStyle:
    """How messages have to be made for a template.

    thoughts: where it looks for a thought; None: thoughts are not shown to the model.
    has_system: whether it shows a system message at the beginning; if not, its text joins the first user's.
    has_later_system: the same for one between turns, whose text joins the user turn before it.
    layout: used for thoughts inside the content.
    has_short_ids: whether it takes no ids of calls but such of nine letters and digits.
    """

    thoughts: ThoughtPlace | None
    has_system: bool
    has_later_system: bool
    layout: Layout
    has_short_ids: bool = False

    def number(self, call_id: str) -> str:
        """A call's id as the template takes it."""
        return short_id(call_id) if self.has_short_ids else call_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """A text behind its placeholder.

    text: without the whitespace at its ends.
    where: what it is, for errors.
    is_optional: the template may leave it out: a thought, or a part of a tool or a call.
    control: the cache breakpoint after it, if any.
    """

    text: str
    where: str
    is_optional: bool
    control: CacheControl | None


class TextNotShownError(ValueError):
    """A template has left out a text that it has to show."""


class Placeholders:
    """The placeholders of one conversation.

    hidden: what they stand for, in the order of the messages.
    """

    def __init__(self, could_make_marker: Callable[[str], bool] = lambda text: False) -> None:
        """could_make_marker: says which strings inside JSON have to be hidden."""
        self._could_make_marker = could_make_marker
        self._key = secrets.token_hex(16)
        # The quote in a string's placeholder comes out with a backslash where the string is written as JSON.
        self._pattern = re.compile(rf'x{self._key}((?:\\?")?n[0-9]+)x')
        self.hidden: list[Hidden] = []

    def hide(
        self,
        text: str,
        where: str,
        *,
        is_optional: bool = False,
        control: CacheControl | None = None,
        may_be_json: bool = False,
    ) -> str:
        """What to show the template in place of a text. may_be_json: the template may write it as JSON."""
        core = text.strip()
        if not core:
            return text
        start = text.index(core)
        hidden = Hidden(text=core, where=where, is_optional=is_optional, control=control)
        shown = self._put(hidden, '"' if may_be_json else "")
        return f"{text[:start]}{shown}{text[start + len(core) :]}"

    def hide_in(self, value: Any) -> Any:
        """What to show the template in place of a JSON value."""
        match value:
            case str() if self._could_make_marker(value):
                return self._put(Hidden(text=value, where="", is_optional=True, control=None), '"')
            case dict():
                pairs = cast("Mapping[str, Any]", value).items()
                return {self.hide_in(name): self.hide_in(inner) for name, inner in pairs}
            case list():
                return [self.hide_in(inner) for inner in cast("list[Any]", value)]
            case _:
                return value

    def reveal(self, rendered: str) -> tuple[list[Piece], list[int | None]]:
        """The rendered text in pieces, and for each the number of the hidden text that it is.

        Raises TextNotShownError if a text that has to be shown did not come through.
        """
        # Split by a pattern with a group, the odd parts are the group's matches.
        parts = self._pattern.split(rendered)
        numbers = [int(part.rpartition("n")[2]) if index % 2 else None for index, part in enumerate(parts)]
        shown = {number for number in numbers if number is not None}
        for number, hidden in enumerate(self.hidden):
            if number not in shown and not hidden.is_optional:
                raise TextNotShownError(
                    f"the model's chat template does not show {hidden.where} in such a conversation"
                )
        pieces = [
            Piece(part, is_template=True) if number is None else Piece(self._revealed(number, part), False)
            for part, number in zip(parts, numbers, strict=True)
        ]
        return pieces, numbers

    def _put(self, hidden: Hidden, quote: str = "") -> str:
        self.hidden.append(hidden)
        return f"x{self._key}{quote}n{len(self.hidden) - 1}x"

    def _revealed(self, number: int, part: str) -> str:
        text = self.hidden[number].text
        return json.dumps(text, ensure_ascii=False)[1:-1] if part.startswith("\\") else text


def template_tools(told: Conversation, texts: Placeholders) -> list[dict[str, Any]]:
    """The tools of a conversation."""
    return [function_form(tool, texts.hide_in) for tool in told.listed_tools]


def template_messages(told: Conversation, style: MessageStyle, texts: Placeholders) -> list[Message]:
    """The messages of a conversation. Raises ValueError for redacted thinking, pictures, and blocks in the
    turn of someone who cannot say them.
    """
    messages: list[Message] = []
    asked: Sequence[Block] = ()
    for role, blocks, where in _turns(told, style):
        check_speakers(role, blocks)
        names = {call.id: call.name for call in asked if isinstance(call, ToolUseBlock)}
        blocks, asked = in_order_of_calls(blocks, asked), blocks
        results = [block for block in blocks if isinstance(block, ToolResultBlock)]
        messages += (
            _result(block, names.get(block.tool_use_id, ""), where, style, texts) for block in results
        )
        if len(results) < len(blocks) or not results:
            messages.append(_message(role, blocks[len(results) :], where, style, texts))
    return messages


_Part = tuple[Role, Sequence[Block], str]


def _turns(told: Conversation, style: MessageStyle) -> Iterator[_Part]:
    """Turns with the system's text where the template shows it."""
    turns = [(turn, f"the text of turn {index}") for index, turn in enumerate(told.turns)]
    if told.system:
        turns.insert(0, (Turn(role="system", content=told.system), "the system prompt"))
    waiting: _Part | None = None
    for index, (turn, where) in enumerate(turns):
        is_first = index == 0
        role: Role = turn.role
        if role == "system" and not (style.has_system if is_first else style.has_later_system):
            role = "user"
        if waiting is not None and waiting[0] == role == "user":
            # The empty text makes it a blank line that comes between.
            waiting = ("user", (*waiting[1], TextBlock(text=""), *turn.content), waiting[2])
            continue
        if waiting is not None:
            yield waiting
        waiting = (role, turn.content, where)
    if waiting is not None:
        yield waiting


def _message(
    role: Role, blocks: Sequence[Block], where: str, style: MessageStyle, texts: Placeholders
) -> Message:
    _check_readable(blocks)
    thoughts = [block for block in blocks if isinstance(block, ThinkingBlock)]
    if thoughts and role != "assistant":
        raise ValueError(f"thinking belongs to the assistant, not to the {role}")
    thought = ""
    if style.thoughts is not None:
        thought = "\n".join(texts.hide(block.thinking, where, is_optional=True) for block in thoughts)
    # A reply is one text, however it was cut; what users and systems send are texts of their own.
    content = ("" if role == "assistant" else "\n").join(
        texts.hide(block.text, where, control=block.cache_control)
        for block in blocks
        if isinstance(block, TextBlock)
    )
    calls = [
        call_form(block, texts.hide_in, style.number(block.id))
        for block in blocks
        if isinstance(block, ToolUseBlock)
    ]
    more = {"tool_calls": calls} if calls else {}
    if not thought:
        return {"role": role, "content": content, **more}
    if style.thoughts == "field":
        return {"role": role, "content": content, "reasoning_content": thought, **more}
    layout = style.layout
    opened = f"<think>{layout.before_thought}{thought}{layout.after_thought}</think>"
    return {"role": role, "content": f"{opened}{layout.before_answer}{content}", **more}


def _result(
    block: ToolResultBlock, name: str, where: str, style: MessageStyle, texts: Placeholders
) -> Message:
    # Between the blocks of a result a template has no border that a tool could not write as well.
    content = texts.hide("\n".join(result_texts(block)), where, may_be_json=True)
    return {"role": "tool", "tool_call_id": style.number(block.tool_use_id), "name": name, "content": content}


def _check_readable(blocks: Sequence[Block]) -> None:
    if any(isinstance(block, RedactedThinkingBlock) for block in blocks):
        raise ValueError("redacted thinking must be unsealed before it is rendered")
    if any(isinstance(block, CompactionBlock) for block in blocks):
        raise ValueError("a summary must take its place before it is rendered")
    if any(isinstance(block, ImageBlock) for block in blocks):
        raise no_images()
