"""A conversation as the messages that chat templates take, with every text hidden behind a placeholder.

The template sees words that nobody can guess in place of what was written, and moves them where the text
belongs. So no text can be taken for a marker, or set off a test in the template. Whitespace at either end of
a text stays as it is, so a template that strips it strips the same as in the plain text.
Enters: a `Conversation`. Leaves: messages, and pieces once they are rendered. Read next: `foreign_format.py`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from caesura.messages.content import (
    Block,
    CacheControl,
    Conversation,
    RedactedThinkingBlock,
    Role,
    TextBlock,
    ThinkingBlock,
    Turn,
)
from caesura.tokens.foreign_tokenizer import Piece
from caesura.tokens.jinja_template import Message
from caesura.tokens.layout import Layout

# "field": the template reads `reasoning_content`; "inline": it finds the thought in the content.
ThoughtPlace = Literal["field", "inline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStyle:
    """How messages have to be made for a template.

    thoughts: where it looks for a thought; None: thoughts are not shown to the model.
    has_system: whether it shows a system message at the beginning; if not, its text joins the first user's.
    has_later_system: the same for one between turns, whose text joins the user turn before it.
    layout: used for thoughts inside the content.
    """

    thoughts: ThoughtPlace | None
    has_system: bool
    has_later_system: bool
    layout: Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """A text behind its placeholder.

    text: without the whitespace at its ends.
    where: what it is, for errors.
    is_thought: a template may leave a thought out, but nothing else.
    control: the cache breakpoint after it, if any.
    """

    text: str
    where: str
    is_thought: bool
    control: CacheControl | None


class TextNotShownError(ValueError):
    """A template has left out a text that is not a thought."""


class Placeholders:
    """The placeholders of one conversation.

    hidden: what they stand for, in the order of the messages.
    """

    def __init__(self) -> None:
        self._key = secrets.token_hex(16)
        self._pattern = re.compile(f"x{self._key}n([0-9]+)x")
        self.hidden: list[Hidden] = []

    def hide(
        self, text: str, where: str, *, is_thought: bool = False, control: CacheControl | None = None
    ) -> str:
        """What to show the template in place of a text."""
        core = text.strip()
        if not core:
            return text
        start = text.index(core)
        self.hidden.append(Hidden(text=core, where=where, is_thought=is_thought, control=control))
        return f"{text[:start]}x{self._key}n{len(self.hidden) - 1}x{text[start + len(core) :]}"

    def reveal(self, rendered: str) -> tuple[list[Piece], list[int | None]]:
        """The rendered text in pieces, and for each the number of the hidden text that it is.

        Raises TextNotShownError if a text that is not a thought did not come through.
        """
        # Split by a pattern with a group, the odd parts are the group's matches.
        parts = self._pattern.split(rendered)
        numbers = [int(part) if index % 2 else None for index, part in enumerate(parts)]
        shown = {number for number in numbers if number is not None}
        for number, hidden in enumerate(self.hidden):
            if number not in shown and not hidden.is_thought:
                raise TextNotShownError(
                    f"the model's chat template does not show {hidden.where} in such a conversation"
                )
        pieces = [
            Piece(part, is_template=True) if number is None else Piece(self.hidden[number].text, False)
            for part, number in zip(parts, numbers, strict=True)
        ]
        return pieces, numbers


def template_messages(told: Conversation, style: MessageStyle, texts: Placeholders) -> list[Message]:
    """The messages of a conversation. Raises ValueError for redacted thinking."""
    return [_message(role, blocks, where, style, texts) for role, blocks, where in _turns(told, style)]


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
    if any(isinstance(block, RedactedThinkingBlock) for block in blocks):
        raise ValueError("redacted thinking must be unsealed before it is rendered")
    thoughts = [block for block in blocks if isinstance(block, ThinkingBlock)]
    if thoughts and role != "assistant":
        raise ValueError(f"thinking belongs to the assistant, not to the {role}")
    thought = ""
    if style.thoughts is not None:
        thought = "\n".join(texts.hide(block.thinking, where, is_thought=True) for block in thoughts)
    # A reply is one text, however it was cut; what users and systems send are texts of their own.
    content = ("" if role == "assistant" else "\n").join(
        texts.hide(block.text, where, control=block.cache_control)
        for block in blocks
        if isinstance(block, TextBlock)
    )
    if not thought:
        return {"role": role, "content": content}
    if style.thoughts == "field":
        return {"role": role, "content": content, "reasoning_content": thought}
    layout = style.layout
    opened = f"<think>{layout.before_thought}{thought}{layout.after_thought}</think>"
    return {"role": role, "content": f"{opened}{layout.before_answer}{content}"}
