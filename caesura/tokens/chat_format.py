"""Our chat format: a conversation to ids with role spans.

A turn is a role marker, its blocks, and `<|end|>`. An assistant turn begins with exactly one of
`<think>` (a thought follows, up to `</think>`) and `</think>` (no pause: the answer follows), so one
token decides between the two modes, and the phase machine can force it or leave it to the model.
The format is append-only: the ids of a conversation are a prefix of those of its continuation.

Enters: a `Conversation`. Leaves: a `Prompt`. Read next: `parser.py`, the inverse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

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
from caesura.tokens import markers
from caesura.tokens.parser import BlockParser
from caesura.tokens.phase_tokens import Opening, PhaseTokens
from caesura.tokens.text_memory import TenantTexts
from caesura.tokens.tokenizer import Tokenizer

Encode = Callable[[str], Sequence[int]]
SpanKind = Literal["header", "opening", "thinking", "closing", "text", "end"]

CLOSING_TEXT = "\nTime is up."


class Span(NamedTuple):
    """A run of ids with one meaning.

    role: whose turn it is in.
    kind: "header" (role marker), "opening" (the token that decides whether to think), "thinking" (with
        its `</think>`), "closing" (the forced end of a cut thought, with its `</think>`), "text", "end".
    start, stop: positions in the prompt, stop exclusive.
    """

    role: Role
    kind: SpanKind
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakpoint:
    """A place up to which the prompt is to be kept.

    position: how many ids lie before it.
    control: what was asked for.
    """

    position: int
    control: CacheControl


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A rendered conversation.

    ids: what the network reads.
    spans: what each run of ids is, in order and without gaps after `<|begin|>`.
    breakpoints: the cache breakpoints, in order.
    """

    ids: tuple[int, ...]
    spans: tuple[Span, ...]
    breakpoints: tuple[Breakpoint, ...] = ()


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
        self, opening: Opening, *, stop_sequences: Sequence[str] = (), is_continued: bool = False
    ) -> BlockParser:
        """A parser for what follows a prompt rendered with `opening`.

        is_continued: whether that prompt ends within the reply's own text (a prefill).
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
        Raises ValueError for redacted thinking (the server unseals it first) and for thinking in a
        turn that is not the assistant's.
        """
        if conversation.is_prefilled and opening not in (None, "answer"):
            raise ValueError("a final assistant turn can only be continued without thinking")
        writer = _Writer(self._encoder(texts), self._ids, self._phase_tokens.closing)
        if conversation.system:
            writer.turn(Turn(role="system", content=conversation.system), is_open=False, is_cut=False)
        last = len(conversation.turns) - 1
        for index, turn in enumerate(conversation.turns):
            is_prefill = index == last and opening is not None and turn.role == "assistant"
            writer.turn(turn, is_open=is_prefill, is_cut=is_cut and index == last)
        if opening is not None and not conversation.is_prefilled:
            writer.open_reply(opening)
        return writer.prompt()

    def parser(
        self, opening: Opening, *, stop_sequences: Sequence[str] = (), is_continued: bool = False
    ) -> BlockParser:
        """See `ChatFormat.parser`. Here a reply begins like any other text, whatever `is_continued` says."""
        return BlockParser(self.tokenizer.token_bytes, self._phase_tokens, opening, stop_sequences)

    def _encoder(self, texts: TenantTexts | None) -> Encode:
        if texts is None:
            return self.tokenizer.encode
        return lambda text: texts.ids(text, self.tokenizer.encode)


class _Writer:
    """Collects ids, spans and breakpoints of one prompt."""

    def __init__(self, encode: Encode, marker_ids: dict[str, int], closing: tuple[int, ...]) -> None:
        self._encode = encode
        self._marker_ids = marker_ids
        self._closing = closing
        self._ids = [marker_ids[markers.BEGIN]]
        self._spans: list[Span] = []
        self._breakpoints: list[Breakpoint] = []

    def prompt(self) -> Prompt:
        return Prompt(ids=tuple(self._ids), spans=tuple(self._spans), breakpoints=tuple(self._breakpoints))

    def turn(self, turn: Turn, *, is_open: bool, is_cut: bool) -> None:
        self._mark(turn.role, "header", f"<|{turn.role}|>")
        if turn.role == "assistant" and not isinstance(next(iter(turn.content), None), ThinkingBlock):
            self._mark(turn.role, "opening", markers.END_THINK)
        before: Block | None = None
        for block in turn.content:
            self._block(turn.role, block, before, is_cut=is_cut and before is None)
            before = block
        if not is_open:
            self._mark(turn.role, "end", markers.END)

    def open_reply(self, opening: Opening) -> None:
        self._mark("assistant", "header", markers.ASSISTANT)
        if opening != "choose":
            marker = markers.THINK if opening == "think" else markers.END_THINK
            self._mark("assistant", "opening", marker)

    def _block(self, role: Role, block: Block, before: Block | None, *, is_cut: bool) -> None:
        match block:
            case TextBlock():
                if isinstance(before, TextBlock):
                    self._mark(role, "text", markers.NEXT)
                self._add(role, "text", self._encode(block.text))
                if block.cache_control is not None:
                    position = len(self._ids)
                    self._breakpoints.append(Breakpoint(position=position, control=block.cache_control))
            case ThinkingBlock():
                self._thinking(role, block, is_cut=is_cut, is_first=before is None)
            case RedactedThinkingBlock():
                raise ValueError("redacted thinking must be unsealed before it is rendered")

    def _thinking(self, role: Role, block: ThinkingBlock, *, is_cut: bool, is_first: bool) -> None:
        if role != "assistant":
            raise ValueError(f"thinking belongs to the assistant, not to the {role}")
        self._mark(role, "opening" if is_first else "thinking", markers.THINK)
        self._add(role, "thinking", self._encode(block.thinking))
        if is_cut:
            self._add(role, "closing", self._closing)
        self._mark(role, "closing" if is_cut else "thinking", markers.END_THINK)

    def _mark(self, role: Role, kind: SpanKind, marker: str) -> None:
        self._add(role, kind, (self._marker_ids[marker],))

    def _add(self, role: Role, kind: SpanKind, ids: Sequence[int]) -> None:
        start = len(self._ids)
        self._ids.extend(ids)
        if self._spans and self._spans[-1][:2] == (role, kind):
            start = self._spans.pop().start
        if len(self._ids) > start:
            self._spans.append(Span(role, kind, start, len(self._ids)))
