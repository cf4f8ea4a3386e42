"""A reply as far as it has come: what a reader is shown while events still arrive.

Enters: the event stream, one event at a time. Leaves: immutable `Reply` values, and the `Exchange`s
that make up a chat; the page and the terminal chat share both. Read next: `follow.py` (which drives a
`ReplyReader`) and `show.py` (which draws a `Reply`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from caesura.messages.content import (
    Block,
    CompactionBlock,
    DocumentBlock,
    ImageBlock,
    RedactedThinkingBlock,
    SearchResultBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
    text_of,
    text_turn,
)
from caesura.messages.events import Event, MessageDelta, MessageStart, ThinkingDelta
from caesura.messages.fold import MessageFold
from caesura.messages.response import StopReason, Usage

Outcome = Literal["running", "done", "stopped", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply as far as it has come.

    budget_tokens: the thinking budget it was asked with, if it was given one.
    blocks: its content so far; the last one may still grow.
    thinking_tokens: the sum over the deltas while it runs, the server's exact count at the end.
    usage: input counts from the start, output counts at the end; None before the start.
    elapsed_s: from the start of the reply to the latest event, the reading of the prompt included.
    outcome: whether it still runs, and if not, how it ended.
    stop_reason: the server's word for why it ended.
    error: in plain words, what went wrong; set exactly when the outcome is "failed".
    """

    budget_tokens: int | None = None
    blocks: tuple[Block, ...] = ()
    thinking_tokens: int = 0
    usage: Usage | None = None
    elapsed_s: float = 0.0
    outcome: Outcome = "running"
    stop_reason: StopReason | None = None
    error: str = ""

    @property
    def is_thinking(self) -> bool:
        """Whether the thought is what grows right now."""
        return self.outcome == "running" and bool(self.blocks) and isinstance(self.blocks[-1], ThinkingBlock)

    @property
    def answer_tokens(self) -> int:
        """Output tokens that were not thought; 0 until the server has counted them."""
        return self.usage.output_tokens - self.usage.thinking_tokens if self.usage else 0

    @property
    def tokens_per_s(self) -> float | None:
        """Output tokens over the whole time; None until both are known."""
        if self.usage is None or not self.usage.output_tokens or not self.elapsed_s:
            return None
        return self.usage.output_tokens / self.elapsed_s

    def as_turn(self) -> Turn | None:
        """What the next request carries of it; None where there was no answer to carry.

        A thought that was cut short has no signature yet, and a server could not tell it from a forged
        one, so it stays behind.
        """
        kept = tuple(block for block in self.blocks if _can_be_sent(block))
        return Turn(role="assistant", content=kept) if text_of(kept) else None


def _can_be_sent(block: Block) -> bool:
    """A call could be sent only with its result, and here is nothing that carries it out; the server does so
    with those of its memory.
    """
    match block:
        case TextBlock():
            return bool(block.text.strip())
        case ThinkingBlock():
            return bool(block.signature)
        case RedactedThinkingBlock() | CompactionBlock():
            return True
        case ToolUseBlock() | ToolResultBlock():
            return block.is_server_run
        case ImageBlock() | DocumentBlock() | SearchResultBlock():
            return False


class ReplyReader:
    """A reply under construction: `take` each event, ask for a `snapshot` when someone looks."""

    def __init__(self, budget_tokens: int | None) -> None:
        self._budget_tokens = budget_tokens
        self._fold = MessageFold()
        self._streamed_thinking_tokens = 0
        self._usage: Usage | None = None
        self._stop_reason: StopReason | None = None
        self._start_s: float | None = None
        self._latest_s = 0.0

    def take(self, event: Event, now_s: float) -> None:
        """The next event, which arrived at `now_s` on any steady clock."""
        self._fold.add(event)
        self._latest_s = now_s
        match event:
            case MessageStart():
                self._usage, self._start_s = event.usage, now_s
            case ThinkingDelta():
                self._streamed_thinking_tokens += event.num_tokens
            case MessageDelta():
                self._usage, self._stop_reason = event.usage, event.stop_reason
            case _:
                pass

    @property
    def is_complete(self) -> bool:
        """Whether the stream has come to its proper end."""
        return self._fold.is_complete

    def snapshot(self, outcome: Outcome, error: str = "") -> Reply:
        """The reply as far as it has come."""
        exact = self._usage.thinking_tokens if self._usage else 0
        return Reply(
            budget_tokens=self._budget_tokens,
            blocks=self._fold.content,
            thinking_tokens=exact or self._streamed_thinking_tokens,
            usage=self._usage,
            elapsed_s=0.0 if self._start_s is None else self._latest_s - self._start_s,
            outcome=outcome,
            stop_reason=self._stop_reason,
            error=error,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One question and the reply to it.

    question: the user's text.
    reply: what came back, so far.
    """

    question: str
    reply: Reply


def turns_of(exchanges: tuple[Exchange, ...]) -> tuple[Turn, ...]:
    """The finished exchanges as turns; a question that got no answer is left out with its reply."""
    turns: list[Turn] = []
    for exchange in exchanges:
        answer = exchange.reply.as_turn()
        if answer is not None:
            turns += [text_turn("user", exchange.question), answer]
    return tuple(turns)
