"""What a reply takes and decides, read off its events.

Enters: events, one after the other. Leaves: its usage so far, how it ended, the tools it decided to use. Read
next: `metering.py`, which bills it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from caesura.messages.content import ToolUseBlock
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    Event,
    InputJsonDelta,
    MessageDelta,
    MessageStart,
    TextDelta,
    ThinkingDelta,
)
from caesura.messages.iterations import billed
from caesura.messages.response import StopReason, Usage
from caesura.server.ledger import ReplyStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call whose block is complete.

    position: of the block in the reply's content.
    id, name: as the block has them.
    arguments_sha256: see the function of that name.
    """

    position: int
    id: str
    name: str
    arguments_sha256: str


def arguments_sha256(arguments: str) -> str:
    """The SHA-256 of a call's arguments, in hexadecimal, however their JSON text was spaced and ordered.

    It is that of `json.dumps(input, sort_keys=True, separators=(",", ":"), ensure_ascii=False)` in UTF-8;
    of the text itself if that is no JSON.
    """
    try:
        value = json.loads(arguments or "{}")
        arguments = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except (ValueError, RecursionError):
        pass
    return hashlib.sha256(arguments.encode("utf-8", "surrogatepass")).hexdigest()


class Tally:
    """One reply, as far as it has come.

    status: how it ended; "failed" until it is known better.
    is_told: whether somebody has said exactly what it took.
    stop_reason: None until it is complete.
    calls: the tools that it decided to use, in order.
    """

    def __init__(self) -> None:
        self.status: ReplyStatus = "failed"
        self.is_told = False
        self.stop_reason: StopReason | None = None
        self.calls: list[ToolCall] = []
        self._usage = Usage(input_tokens=0)
        self._num_output = 0
        self._num_thinking = 0
        self._open_call: ToolUseBlock | None = None
        self._arguments: list[str] = []

    @property
    def usage(self) -> Usage:
        """What it has taken. Unless the Client has said it, each delta of text counts as a token."""
        return replace(self._usage, output_tokens=self._num_output, thinking_tokens=self._num_thinking)

    def see(self, event: Event) -> None:
        """An event passes."""
        # Deltas come by the thousand a second, so they are asked for first.
        match event:
            case TextDelta():
                self._num_output += 1
            case ThinkingDelta():
                self._num_output += event.num_tokens
                self._num_thinking += event.num_tokens
            case InputJsonDelta():
                self._num_output += 1
                self._arguments.append(event.partial_json)
            case BlockStart(block=ToolUseBlock() as block):
                self._open_call, self._arguments = block, []
            case BlockStop() if self._open_call is not None:
                self._end_call(self._open_call, event.index)
            case MessageStart():
                self._usage = event.usage
            case MessageDelta():
                self.take(event.usage)
                self.status, self.stop_reason = "complete", event.stop_reason
            case _:
                pass

    def take(self, usage: Usage) -> None:
        """What it took, exactly; summaries are charged as well."""
        usage = billed(usage)
        self.is_told = True
        self._usage = usage
        self._num_output, self._num_thinking = usage.output_tokens, usage.thinking_tokens

    def leave(self) -> None:
        """The client has left; if that was before the end, the reply was cut."""
        if self.status != "complete":
            self.status = "cut"

    def _end_call(self, block: ToolUseBlock, position: int) -> None:
        digest = arguments_sha256("".join(self._arguments))
        call = ToolCall(position=position, id=block.id, name=block.name, arguments_sha256=digest)
        self.calls.append(call)
        self._open_call = None
