"""What a conversation is made of: content blocks, turns, and the conversation itself.

Enters: nothing. Leaves: plain immutable values, in the Messages API's own words, that every other
room passes around. Read next: `response.py` (what comes back) and `request.py` (the wire).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import Any, Literal

from caesura.messages.citations import Citation

Role = Literal["user", "assistant", "system"]
MediaType = Literal["image/png", "image/jpeg", "image/gif", "image/webp"]
Shown = Literal["at_start", "in_result", "nowhere"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheControl:
    """A marker that asks for the prompt up to this block to be kept.

    ttl: how long, "5m" or "1h".
    """

    ttl: Literal["5m", "1h"] = "5m"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBlock:
    """Plain text.

    text: the text itself, never empty in a valid request.
    cache_control: a cache breakpoint after this block, if any.
    citations: where an assistant's text comes from, if it says so.
    is_continuation: whether it goes on within the text before it, as a reply does within its prefill; no
        part of the wire.
    """

    text: str
    cache_control: CacheControl | None = None
    citations: tuple[Citation, ...] = ()
    is_continuation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingBlock:
    """What the model thought before it answered.

    thinking: the thought in full (the server restores it when `display` was "omitted").
    signature: proof that this server wrote it; empty for rows that were never served.
    path: where a request's body held it (`messages.1.content.0`), for errors; no part of its identity.
    """

    thinking: str
    signature: str = ""
    path: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactedThinkingBlock:
    """A thought that the client may carry but not read.

    data: opaque to the client, byte for byte what the server sent.
    path: where a request's body held it, for errors; no part of its identity.
    """

    data: str
    path: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBlock:
    """A picture. What its file's head says of its size has been checked, its pixels have not.

    media_type: the kind of file that `data` is.
    data: the file, as it was sent.
    cache_control: a cache breakpoint after this block, if any; never inside a tool's result.
    """

    media_type: MediaType
    data: bytes = field(repr=False)
    cache_control: CacheControl | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainText:
    """A document that is one text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfPages:
    """A document that is a PDF.

    data: the file, as it was sent. pages: the text of each page; empty for one that holds none.
    """

    data: bytes = field(repr=False)
    pages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentParts:
    """A document in parts that its sender has cut: each is cited as a whole, pictures never."""

    content: tuple[TextBlock | ImageBlock, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentBlock:
    """Something to read. Of a PDF the text alone is read.

    source: what it says.
    title, context: said of it; the model reads them, and they are never cited.
    is_citable: whether the answer is to say where in it things come from.
    file_id: of the file that it came in, if it did.
    cache_control: a cache breakpoint after this block, if any; never inside a tool's result.
    """

    source: PlainText | PdfPages | ContentParts
    title: str | None = None
    context: str | None = None
    is_citable: bool = False
    file_id: str | None = None
    cache_control: CacheControl | None = None

    @property
    def is_cleared(self) -> bool:
        """Whether only its place is left, see `cleared_sources.py`."""
        return isinstance(self.source, ContentParts) and not self.source.content


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResultBlock:
    """Something that was found: a document in parts, each of which is cited as a whole.

    source: where it was found, often a URL; title: what it is called there.
    content: its parts. is_citable, cache_control: see `DocumentBlock`.
    """

    source: str
    title: str
    content: tuple[TextBlock, ...]
    is_citable: bool = False
    cache_control: CacheControl | None = None

    @property
    def is_cleared(self) -> bool:
        """Whether only its place is left, see `cleared_sources.py`."""
        return not self.content


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUseBlock:
    """The model calls a tool.

    id: toolu_...; unique in a conversation.
    name: of the tool, which a replayed call need not have in common with the tools at hand.
    input: the arguments; empty in a stream's `BlockStart`, whose deltas then spell them.
    cache_control: a cache breakpoint after this block, if any.
    is_server_run: whether the server carries it out; only in replies.
    """

    id: str
    name: str
    input: Mapping[str, Any] = field(hash=False)
    cache_control: CacheControl | None = None
    is_server_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResultBlock:
    """What came of a call: said by the user's side, first in the turn that follows the call.

    tool_use_id: the id of the call.
    content: what the tool gave back; may be empty. Its blocks have no breakpoints of their own.
    is_error: whether the call failed.
    cache_control: a cache breakpoint after this block, if any.
    is_server_run: whether the server carried the call out; only in replies, which then hold the result too.
    """

    tool_use_id: str
    content: tuple[ResultPart, ...] = ()
    is_error: bool = False
    cache_control: CacheControl | None = None
    is_server_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionBlock:
    """A summary that stands for all that came before it; only in replies, and first there.

    A request that holds one is read as if the conversation began with the summary, see `compaction.py`.

    content: the summary; None where none could be written, and nothing was left out.
    """

    content: str | None


ResultPart = TextBlock | ImageBlock | DocumentBlock | SearchResultBlock
Block = ResultPart | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock | ToolResultBlock | CompactionBlock


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Something that the model may call, and the client carries out.

    name: what calls say.
    input_schema: JSON Schema of the arguments, an object's; the built-in one for a typed tool.
    description: what the tool does and when to use it; the built-in one for a typed tool.
    strict: whether the caller insists that calls match the schema (they do here either way).
    cache_control: a cache breakpoint after this tool's definition, if any.
    kind: "custom", or a dated type such as "bash_20250124".
    settings: the further fields that a typed tool was given, such as `display_width_px`.
    shown: where the model reads of it; one that it reads of nowhere cannot be called yet.
    """

    name: str
    input_schema: Mapping[str, Any] = field(hash=False)
    description: str = ""
    strict: bool = False
    cache_control: CacheControl | None = None
    kind: str = "custom"
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    shown: Shown = "at_start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of a conversation.

    role: who speaks; "system" only for instructions in the middle of a conversation.
    content: its blocks in order, at least one.
    """

    role: Role
    content: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Everything that the model reads.

    turns: the messages in order.
    system: the instructions before the first message.
    tools: what the model may call, in the order given, and what it may not call yet.
    """

    turns: tuple[Turn, ...]
    system: tuple[TextBlock, ...] = ()
    tools: tuple[Tool, ...] = ()

    @property
    def listed_tools(self) -> tuple[Tool, ...]:
        """Those that a prompt holds before the system's text."""
        return tuple(tool for tool in self.tools if tool.shown == "at_start")

    @property
    def is_prefilled(self) -> bool:
        """Whether the last turn is the assistant's, to be continued from where it ends."""
        return bool(self.turns) and self.turns[-1].role == "assistant"


def text_turn(role: Role, text: str) -> Turn:
    """A turn that is one text block."""
    return Turn(role=role, content=(TextBlock(text=text),))


def conversation(*turns: tuple[Role, str], system: str = "") -> Conversation:
    """A conversation from (role, text) pairs: what tests and tasks mostly need."""
    blocks = (TextBlock(text=system),) if system else ()
    return Conversation(turns=tuple(text_turn(role, text) for role, text in turns), system=blocks)


def merge_turns(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """The same conversation with consecutive turns of one role made one."""
    runs = [list(run) for _, run in groupby(turns, key=lambda turn: turn.role)]
    return tuple(
        Turn(role=run[0].role, content=tuple(chain.from_iterable(turn.content for turn in run)))
        for run in runs
    )


def text_of(blocks: Sequence[Block]) -> str:
    """The concatenated text blocks, thinking left out."""
    return "".join(block.text for block in blocks if isinstance(block, TextBlock))


def thinking_of(blocks: Sequence[Block]) -> str:
    """The concatenated thinking blocks."""
    return "".join(block.thinking for block in blocks if isinstance(block, ThinkingBlock))
