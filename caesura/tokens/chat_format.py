"""Our chat format: a conversation to ids with role spans.

A turn is a role marker, its blocks, and `<|end|>`. An assistant turn begins with exactly one of
`<think>` (a thought follows, up to `</think>`) and `</think>` (no pause: the answer follows), so one
token decides between the two modes, and the phase machine can force it or leave it to the model.
The format is append-only: the ids of a conversation are a prefix of those of its continuation.

Tools open the system turn: a heading, a line of JSON for each, then `<|next|>` and the instructions. A call
is `<tool_call>{"name": "...", "arguments": {...}}</tool_call>`. Its result opens the user turn that follows:
`<|tool_result|>` and what the tool said, with `<|next|>` between its blocks; if the user adds something of
their own, they begin anew with `<|user|>`, so that what a tool says never passes for what a user says.

Enters: a `Conversation`. Leaves: a `Prompt`. Read next: `prompt_writer.py`, and `parser.py`, the inverse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from caesura.messages.content import Conversation
from caesura.tokens import markers
from caesura.tokens.document_text import without_documents
from caesura.tokens.parser import BlockParser
from caesura.tokens.phase_tokens import Opening, PhaseTokens
from caesura.tokens.prompt import Prompt
from caesura.tokens.prompt_writer import Encode, PromptWriter
from caesura.tokens.text_memory import TenantTexts
from caesura.tokens.tokenizer import Tokenizer

CLOSING_TEXT = "\nTime is up."


class ChatFormat(Protocol):
    """How a model's conversations become ids, and its ids become blocks."""

    @property
    def phase_tokens(self) -> PhaseTokens:
        """The ids that the phase machine goes by."""
        ...

    @property
    def can_think(self) -> bool:
        """Whether a reply can open with a thought."""
        ...

    @property
    def is_append_only(self) -> bool:
        """Whether a prompt with its reply is the beginning of the next prompt. Where it is not, earlier
        thoughts are left out, and what follows them has to be computed again.
        """
        ...

    def render(
        self, conversation: Conversation, *, opening: Opening | None, texts: TenantTexts | None = None
    ) -> Prompt:
        """The ids to continue from; `opening` None renders a finished conversation.

        texts: whose ids are known already, and where those of others are kept.
        """
        ...

    def parser(
        self,
        opening: Opening,
        *,
        stop_sequences: Sequence[str] = (),
        is_continued: bool = False,
        is_verbatim: bool = False,
        may_call: bool = False,
    ) -> BlockParser:
        """A parser for what follows a prompt rendered with `opening`.

        is_continued: whether that prompt ends within the reply's own text (a prefill).
        is_verbatim: a grammar holds for the answer, so none of its whitespace is the format's own.
        may_call: tools are offered, so where calls have no marker, an answer can turn out to be one.
        """
        ...


class CaesuraFormat:
    """The format that our own models are trained on."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._ids = {name: tokenizer.marker(name) for name in markers.MARKERS}
        structural = set(self._ids.values()) - {self._ids[markers.END], self._ids[markers.END_THINK]}
        self._phase_tokens = PhaseTokens(
            think=self._ids[markers.THINK],
            end_think=self._ids[markers.END_THINK],
            end=(self._ids[markers.END],),
            closing=tuple(tokenizer.encode(CLOSING_TEXT)),
            never=tuple(sorted(structural)),
            blank=tokenizer.blank_ids,
            tool_call=self._ids[markers.TOOL_CALL],
            end_tool_call=self._ids[markers.END_TOOL_CALL],
        )

    @property
    def phase_tokens(self) -> PhaseTokens:
        return self._phase_tokens

    @property
    def can_think(self) -> bool:
        return True

    @property
    def is_append_only(self) -> bool:
        return True

    def render(
        self,
        conversation: Conversation,
        *,
        opening: Opening | None,
        texts: TenantTexts | None = None,
        is_cut: bool = False,
    ) -> Prompt:
        """The ids of a conversation.

        opening: how the reply starts: "think", "answer" or "choose" (the model decides). A final
            assistant turn is left open (prefill) and takes only "answer". None: every turn is closed.
        texts: see `ChatFormat.render`.
        is_cut: the last turn's thought ran out of budget, so it ends as the engine would end it. Only
            training asks for this.
        Raises ValueError for redacted thinking (the server unseals it first), for thinking and calls in a
            turn that is not the assistant's, for results in one that is not the user's, and for pictures.
        """
        conversation, sources = without_documents(conversation)
        if conversation.is_prefilled and opening not in (None, "answer"):
            raise ValueError("a final assistant turn can only be continued without thinking")
        writer = PromptWriter(self._encoder(texts), self._ids, self._phase_tokens.closing)
        writer.system(conversation.listed_tools, conversation.system)
        last = len(conversation.turns) - 1
        for index, turn in enumerate(conversation.turns):
            is_prefill = index == last and opening is not None and turn.role == "assistant"
            writer.turn(turn, is_open=is_prefill, is_cut=is_cut and index == last)
        if opening is not None and not conversation.is_prefilled:
            writer.open_reply(opening)
        return replace(writer.prompt(), sources=sources)

    def parser(
        self,
        opening: Opening,
        *,
        stop_sequences: Sequence[str] = (),
        is_continued: bool = False,
        is_verbatim: bool = False,
        may_call: bool = False,
    ) -> BlockParser:
        """See `ChatFormat.parser`. Here a reply begins like any other text, and all whitespace is its own."""
        return BlockParser(self.tokenizer.token_bytes, self._phase_tokens, opening, stop_sequences)

    def _encoder(self, texts: TenantTexts | None) -> Encode:
        if texts is None:
            return self.tokenizer.encode
        return lambda text: texts.ids(text, self.tokenizer.encode)
