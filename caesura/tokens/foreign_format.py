"""The chat format of a model that others made: its own tokenizer and its own Jinja template.

The template renders placeholders (`template_messages.py`); what it wrote around them is encoded with its
markers, what they stand for without any (`foreign_tokenizer.py`). Thinking is offered where the tokenizer
holds `<think>` and `</think>` as tokens and the template knows them; tools where the template writes calls in
one of the forms of `call_forms.py`, and the tokenizer holds its markers.
Enters: a `Conversation`. Leaves: a `Prompt`, without spans, which only training asks for and for our own
format. Read next: `template_traits.py`, which finds out what a template does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from caesura.messages.content import (
    CacheControl,
    Conversation,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    text_of,
    text_turn,
)
from caesura.tokens.call_forms import CallForm
from caesura.tokens.call_writing import CallHabits
from caesura.tokens.chat_format import CLOSING_TEXT
from caesura.tokens.document_text import without_documents
from caesura.tokens.foreign_tokenizer import ForeignTokenizer, Piece
from caesura.tokens.jinja_template import ChatTemplate
from caesura.tokens.parser import BlockParser
from caesura.tokens.phase_tokens import Opening, PhaseTokens
from caesura.tokens.prompt import Breakpoint, Prompt
from caesura.tokens.template_calls import between_ids, call_habits, why_no_calls
from caesura.tokens.template_messages import (
    MessageStyle,
    Placeholders,
    TextNotShownError,
    template_messages,
    template_tools,
)
from caesura.tokens.template_tools import Fork, forks, num_common
from caesura.tokens.template_traits import END_THINK, THINK, find_traits
from caesura.tokens.text_memory import TenantTexts
from caesura.tokens.tokenizer import TokenizerError

# How a template can leave the beginning of a reply: with a thought open, with one closed, with an empty one.
_OPEN = re.compile(rf"{THINK}\s*\Z")
_CLOSED = re.compile(rf"{END_THINK}\s*\Z")
_EMPTY = re.compile(rf"{THINK}\s*{END_THINK}\s*\Z")

# No UTF-8 text holds this byte.
_NO_TEXT = b"\xff"


class _Written(NamedTuple):
    """A rendered conversation in pieces, and the breakpoints after them, by their number."""

    pieces: list[Piece]
    controls: dict[int, CacheControl]


class ForeignFormat:
    """A `ChatFormat` made of a tokenizer and a template.

    call_form: the form in which the template writes calls of tools; None where the model cannot call any.
    """

    def __init__(
        self, tokenizer: ForeignTokenizer, template: ChatTemplate, *, end: Sequence[int] = ()
    ) -> None:
        """end: the ids that end a turn, besides those that the template and the tokenizer name.

        Raises ValueError where the template does not show a question and an answer, or nothing ends a turn.
        """
        self.tokenizer = tokenizer
        self._template = template
        self._traits = find_traits(template, tokenizer)
        # Now, or the first request would wait for it.
        self._first_bytes = tokenizer.first_bytes
        self._phase_tokens = self._find_phase_tokens(end)
        openings: tuple[Opening, ...] = ("think", "answer") if self.can_think else ("answer",)
        self._is_append_only = not self._traits.tail and all(map(self._keeps, openings))

    @classmethod
    def load(cls, folder: Path) -> ForeignFormat:
        """Read a folder. Raises TokenizerError naming the file and what is wrong with it."""
        tokenizer, template = ForeignTokenizer.load(folder), ChatTemplate.load(folder)
        try:
            return cls(tokenizer, template, end=_generation_ends(folder))
        except ValueError as error:
            raise TokenizerError(f"{folder}: {error}") from error

    @property
    def phase_tokens(self) -> PhaseTokens:
        return self._phase_tokens

    @property
    def can_think(self) -> bool:
        return self._traits.can_think

    @property
    def call_form(self) -> CallForm | None:
        return None if self._traits.calls is None else self._traits.calls.form

    @property
    def is_append_only(self) -> bool:
        return self._is_append_only

    def render(
        self, conversation: Conversation, *, opening: Opening | None, texts: TenantTexts | None = None
    ) -> Prompt:
        """The ids of a conversation.

        texts: see `ChatFormat.render`.
        Raises ValueError for thinking or tools that the model does not offer, redacted thinking, pictures,
            and whatever the template refuses or does not show.
        """
        conversation, sources = without_documents(conversation)
        self._check(conversation, opening)
        prompt = self._render(conversation, opening, texts)
        marks = [*prompt.breakpoints]
        for fork in forks(conversation):
            ids = self._fork_ids(fork, opening, texts)
            marks.append(Breakpoint(position=num_common(prompt.ids, ids), control=fork.control))
        ordered = sorted(marks, key=lambda mark: mark.position)
        return replace(prompt, breakpoints=tuple(ordered), sources=sources)

    def parser(
        self,
        opening: Opening,
        *,
        stop_sequences: Sequence[str] = (),
        is_continued: bool = False,
        is_verbatim: bool = False,
        may_call: bool = False,
    ) -> BlockParser:
        layout = self._traits.style.layout
        return BlockParser(
            self.tokenizer.token_bytes,
            self._phase_tokens,
            opening,
            stop_sequences,
            replace(layout, before_answer="", before_call="") if is_verbatim else layout,
            None if is_continued or is_verbatim else self._first_bytes,
            may_call=may_call,
        )

    def _fork_ids(self, fork: Fork, opening: Opening | None, texts: TenantTexts | None) -> tuple[int, ...]:
        try:
            return self._render(fork.told, opening, texts).ids
        except ValueError:
            if fork.ended is None:
                raise
            return self._render(fork.ended, None, texts).ids

    def _check(self, conversation: Conversation, opening: Opening | None) -> None:
        if conversation.is_prefilled and opening is not None:
            if opening != "answer":
                raise ValueError("a final assistant turn can only be continued without thinking")
            if not text_of(conversation.turns[-1].content).strip():
                raise ValueError("a final assistant turn needs some text to be continued; it has none")
        if opening in ("think", "choose") and not self.can_think:
            raise ValueError(
                f"this model cannot think: its tokenizer or its chat template does not know {THINK} and "
                f"{END_THINK}; disable thinking"
            )
        if self._traits.calls is None and _has_tools(conversation):
            raise ValueError(f"this model cannot call tools: {why_no_calls(self._template, self.tokenizer)}")

    def _render(
        self, conversation: Conversation, opening: Opening | None, texts: TenantTexts | None
    ) -> Prompt:
        style = self._traits.style
        try:
            written = self._write(conversation, style, opening)
        except TextNotShownError:
            # Some templates show the system's text only where a user has the last word.
            folded = replace(style, has_system=False, has_later_system=False)
            written = self._write(conversation, folded, opening)
        encoded = self.tokenizer.encode(written.pieces, ends=written.controls, texts=texts)
        breakpoints = [
            Breakpoint(position=encoded.positions[index], control=control)
            for index, control in written.controls.items()
        ]
        return Prompt(ids=tuple(encoded.ids), spans=(), breakpoints=tuple(breakpoints))

    def _write(self, conversation: Conversation, style: MessageStyle, opening: Opening | None) -> _Written:
        texts = Placeholders(self.tokenizer.could_make_marker)
        # Before the messages: what is hidden last is what a prefilled turn ends with.
        tools = template_tools(conversation, texts)
        is_prefill = conversation.is_prefilled and opening is not None
        rendered = self._template.render(
            template_messages(conversation, style, texts),
            has_reply=opening is not None and not is_prefill,
            is_thinking=opening != "answer" if opening is not None and self.can_think else None,
            tools=tools,
        )
        pieces, numbers = texts.reveal(rendered)
        if is_prefill:
            # The last text is to be continued, so nothing comes after it.
            at = len(numbers) - numbers[::-1].index(len(texts.hidden) - 1)
            pieces, numbers = pieces[:at], numbers[:at]
        elif opening is not None and self.can_think:
            pieces[-1] = Piece(self._open_reply(pieces[-1].text, opening), is_template=True)
        controls = {
            index: control
            for index, number in enumerate(numbers)
            if number is not None and (control := texts.hidden[number].control) is not None
        }
        return _Written(pieces, controls)

    def _open_reply(self, text: str, opening: Opening) -> str:
        """The template's last words, changed where they do not open the reply as wanted."""
        layout = self._traits.style.layout
        bare = _OPEN.sub("", _EMPTY.sub("", text))
        if opening == "choose":
            return bare
        opened = f"{THINK}{layout.before_thought}"
        if opening == "think":
            return text if _OPEN.search(text) else bare + opened
        is_settled = _CLOSED.search(text) or (self._traits.has_switch and not _OPEN.search(text))
        closed = f"{layout.after_thought}{END_THINK}{layout.before_answer}"
        return text if is_settled else bare + opened + closed

    def _keeps(self, opening: Opening) -> bool:
        """Whether a prompt with its reply is the beginning of the next prompt."""
        thought = (ThinkingBlock(thinking="a thought"),) if opening == "think" else ()
        reply = Turn(role="assistant", content=(*thought, TextBlock(text="an answer")))
        asked = (text_turn("user", "a question"),)
        system = (TextBlock(text="an order"),)
        first = Conversation(turns=asked, system=system)
        replied = Conversation(turns=(*asked, reply), system=system)
        later = Conversation(turns=(*asked, reply, text_turn("user", "more")), system=system)
        prompt = self.render(first, opening=opening).ids
        told, grown = (self.render(each, opening=None).ids for each in (replied, later))
        return told[: len(prompt)] == prompt and grown[: len(told)] == told

    def _find_phase_tokens(self, end: Sequence[int]) -> PhaseTokens:
        tokenizer = self.tokenizer
        markers = tokenizer.markers
        calls = self._traits.calls
        named = [markers.get(self._template.special_tokens.get("eos_token", "")), self._traits.end]
        named += [calls.end] if calls else []
        ends = tuple(dict.fromkeys([*end, *(token for token in named if token is not None)]))
        if not ends or not set(ends) <= set(range(tokenizer.vocab_size)):
            raise ValueError(
                f"the ids that end a turn are {list(ends)}; give `eos_token_id` of generation_config.json "
                f"one or more ids of the tokenizer, which has {tokenizer.vocab_size}"
            )
        thinking = {markers[THINK], markers[END_THINK]} if self.can_think else set[int]()
        never = sorted(tokenizer.special - thinking - set(ends)) or [tokenizer.token_bytes.index(_NO_TEXT)]
        return PhaseTokens(
            # Where there is no thinking, nothing goes by these, and they are never sampled either.
            think=markers[THINK] if self.can_think else never[0],
            end_think=markers[END_THINK] if self.can_think else never[0],
            end=ends,
            closing=self._closing() if self.can_think else (),
            never=tuple(never),
            blank=tokenizer.blank_ids,
            tool_call=markers.get(calls.form.opens or "") if calls else None,
            end_tool_call=markers.get(calls.form.closes or "") if calls else None,
            between_calls=between_ids(calls, tokenizer) if calls else (),
            calls=call_habits(calls, tokenizer) if calls else CallHabits(),
        )

    def _closing(self) -> tuple[int, ...]:
        """The closing text as it is written inside a thought, with the whitespace before `</think>`."""
        text = Piece(CLOSING_TEXT + self._traits.style.layout.after_thought, is_template=False)
        return tuple(self.tokenizer.encode([Piece(THINK, is_template=True), text]).ids[1:])


def _has_tools(conversation: Conversation) -> bool:
    blocks = (block for turn in conversation.turns for block in turn.content)
    return bool(conversation.tools) or any(
        isinstance(each, ToolUseBlock | ToolResultBlock) for each in blocks
    )


def _generation_ends(folder: Path) -> list[int]:
    """`eos_token_id` of generation_config.json, else of config.json: an id or a list of them.

    Raises TokenizerError for anything else, naming the file.
    """
    for name in ("generation_config.json", "config.json"):
        path = folder / name
        if not path.is_file():
            continue
        try:
            fields: object = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise TokenizerError(f"{path} is not valid JSON: {error}") from error
        found = cast(dict[str, Any], fields).get("eos_token_id") if isinstance(fields, dict) else None
        if found is not None:
            ends = cast(list[object], found if isinstance(found, list) else [found])
            if not all(type(each) is int for each in ends):
                raise TokenizerError(
                    f"{path}: eos_token_id {repr(found)[:100]} is neither an id nor a list of ids"
                )
            return cast(list[int], ends)
    return []
