"""Writes a prompt in our own chat format, piece by piece.

Enters: turns, in order, and how text is encoded. Leaves: a `Prompt`. Read next: `chat_format.py`, which says
what the format is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from caesura.messages.content import (
    Block,
    CacheControl,
    CompactionBlock,
    DocumentBlock,
    ImageBlock,
    RedactedThinkingBlock,
    Role,
    SearchResultBlock,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
    Turn,
)
from caesura.messages.tool_lines import tool_line
from caesura.tokens import markers
from caesura.tokens.phase_tokens import Opening
from caesura.tokens.prompt import Breakpoint, Prompt, Span, SpanKind
from caesura.tokens.tool_text import (
    TOOLS_HEADING,
    call_text,
    check_speakers,
    in_order_of_calls,
    no_images,
    result_texts,
)

Encode = Callable[[str], Sequence[int]]


class PromptWriter:
    """Collects ids, spans and breakpoints of one prompt."""

    def __init__(self, encode: Encode, marker_ids: dict[str, int], closing: tuple[int, ...]) -> None:
        self._encode = encode
        self._marker_ids = marker_ids
        self._closing = closing
        self._ids = [marker_ids[markers.BEGIN]]
        self._spans: list[Span] = []
        self._breakpoints: list[Breakpoint] = []
        self._last: Sequence[Block] = ()

    def prompt(self) -> Prompt:
        return Prompt(ids=tuple(self._ids), spans=tuple(self._spans), breakpoints=tuple(self._breakpoints))

    def system(self, tools: Sequence[Tool], content: tuple[TextBlock, ...]) -> None:
        """The turn that comes first, if there is anything to say: what may be called, the instructions."""
        if not tools:
            if content:
                self.turn(Turn(role="system", content=content), is_open=False, is_cut=False)
            return
        self._mark("system", "header", markers.SYSTEM)
        self._add("system", "tools", self._encode(TOOLS_HEADING))
        for tool in tools:
            # A line break is always a token of its own, so the lines can be encoded one by one.
            self._add("system", "tools", self._encode(f"\n{tool_line(tool)}"))
            self._keep(tool.cache_control)
        for block in content:
            self._mark("system", "text", markers.NEXT)
            self._block("system", block, None, is_cut=False)
        self._mark("system", "end", markers.END)

    def turn(self, turn: Turn, *, is_open: bool, is_cut: bool) -> None:
        check_speakers(turn.role, turn.content)
        self._mark(turn.role, "header", f"<|{turn.role}|>")
        if turn.role == "assistant" and not isinstance(next(iter(turn.content), None), ThinkingBlock):
            self._mark(turn.role, "opening", markers.END_THINK)
        before: Block | None = None
        for block in in_order_of_calls(turn.content, self._last):
            self._block(turn.role, block, before, is_cut=is_cut and before is None)
            before = block
        self._last = turn.content
        if not is_open:
            self._mark(turn.role, "end", markers.END)

    def open_reply(self, opening: Opening) -> None:
        self._mark("assistant", "header", markers.ASSISTANT)
        if opening != "choose":
            marker = markers.THINK if opening == "think" else markers.END_THINK
            self._mark("assistant", "opening", marker)

    def _block(self, role: Role, block: Block, before: Block | None, *, is_cut: bool) -> None:
        if isinstance(before, ToolResultBlock) and not isinstance(block, ToolResultBlock):
            # No tool can write this marker, so nothing that a tool says passes for the user's own words.
            self._mark(role, "header", markers.USER)
        match block:
            case TextBlock():
                if isinstance(before, TextBlock) and not block.is_continuation:
                    self._mark(role, "text", markers.NEXT)
                self._add(role, "text", self._encode(block.text))
                self._keep(block.cache_control)
            case ThinkingBlock():
                self._thinking(role, block, is_cut=is_cut, is_first=before is None)
            case ToolUseBlock():
                self._call(role, block)
            case ToolResultBlock():
                self._result(role, block)
            case ImageBlock():
                raise no_images()
            case DocumentBlock() | SearchResultBlock():
                raise ValueError("documents must be made text before they are rendered")
            case RedactedThinkingBlock():
                raise ValueError("redacted thinking must be unsealed before it is rendered")
            case CompactionBlock():
                raise ValueError("a summary must take its place before it is rendered")

    def _thinking(self, role: Role, block: ThinkingBlock, *, is_cut: bool, is_first: bool) -> None:
        if role != "assistant":
            raise ValueError(f"thinking belongs to the assistant, not to the {role}")
        self._mark(role, "opening" if is_first else "thinking", markers.THINK)
        self._add(role, "thinking", self._encode(block.thinking))
        if is_cut:
            self._add(role, "closing", self._closing)
        self._mark(role, "closing" if is_cut else "thinking", markers.END_THINK)

    def _call(self, role: Role, block: ToolUseBlock) -> None:
        self._mark(role, "call", markers.TOOL_CALL)
        self._add(role, "call", self._encode(call_text(block.name, block.input)))
        self._mark(role, "call", markers.END_TOOL_CALL)
        self._keep(block.cache_control)

    def _result(self, role: Role, block: ToolResultBlock) -> None:
        self._mark(role, "result", markers.TOOL_RESULT)
        for number, text in enumerate(result_texts(block)):
            if number:
                self._mark(role, "result", markers.NEXT)
            self._add(role, "result", self._encode(text))
        self._keep(block.cache_control)

    def _keep(self, control: CacheControl | None) -> None:
        if control is not None:
            self._breakpoints.append(Breakpoint(position=len(self._ids), control=control))

    def _mark(self, role: Role, kind: SpanKind, marker: str) -> None:
        self._add(role, kind, (self._marker_ids[marker],))

    def _add(self, role: Role, kind: SpanKind, ids: Sequence[int]) -> None:
        start = len(self._ids)
        self._ids.extend(ids)
        if self._spans and self._spans[-1][:2] == (role, kind):
            start = self._spans.pop().start
        if len(self._ids) > start:
            self._spans.append(Span(role, kind, start, len(self._ids)))
