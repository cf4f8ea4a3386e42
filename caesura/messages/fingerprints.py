"""What was asked before, in hashes: where a prompt parts from an earlier one.

Of a request that wants diagnostics its blocks' hashes are kept under the id of its reply, for its tenant
only. A later request names that id, and is told the first part that differs. Requests are compared, not
caches: what was found in the cache is in `usage`.
Enters: requests and their ids. Leaves: a `CacheMiss`, or None. Read next: `caesura/engine/local_client.py`.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate

from caesura.messages.content import (
    Block,
    CompactionBlock,
    ContentParts,
    Conversation,
    DocumentBlock,
    ImageBlock,
    PdfPages,
    PlainText,
    RedactedThinkingBlock,
    SearchResultBlock,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
)
from caesura.messages.recent import Recent
from caesura.messages.request import MessagesRequest
from caesura.messages.response import CacheMiss, MissReason

_HASH_BYTES = 8
# How a prompt ends depends on how the reply is to open, and no part of the request has changed when that has.
# No format's opening is longer.
_OPENING_TOKENS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """A request in hashes.

    model: its name.
    tools: for each a hash of its definition.
    system, messages: for each block a hash of its role, kind and content.
    sizes: how many characters come before the end of each part: the tools, the system's blocks, the
        messages' blocks.
    num_tokens: of the prompt.
    num_leading: how many tokens `leading` is a hash of: all but the end of the prompt.
    """

    model: str
    tools: tuple[bytes, ...]
    system: tuple[bytes, ...]
    messages: tuple[bytes, ...]
    sizes: tuple[int, ...]
    num_tokens: int
    num_leading: int
    leading: bytes

    @property
    def num_bytes(self) -> int:
        """About how much it takes to keep."""
        return 96 * len(self.sizes) + len(self.model)


def fingerprint(request: MessagesRequest, ids: Sequence[int]) -> Fingerprint:
    """The request's. ids: of its prompt."""
    num_leading = max(0, len(ids) - _OPENING_TOKENS)
    conversation = request.conversation
    return Fingerprint(
        model=request.model,
        tools=tuple(_hash("tool", Tool.__name__, _tool_text(tool)) for tool in conversation.listed_tools),
        system=tuple(_hash_block("system", block) for block in conversation.system),
        messages=tuple(
            _hash_block(turn.role, block) for turn in conversation.turns for block in turn.content
        ),
        sizes=_sizes(conversation),
        num_tokens=len(ids),
        num_leading=num_leading,
        leading=_hash_ids(ids[:num_leading]),
    )


def compare(earlier: Fingerprint, later: Fingerprint, ids: Sequence[int]) -> CacheMiss | None:
    """Where the later request parts from the earlier one; None if one goes on as the other began.

    ids: of the later prompt.
    """
    if earlier.model != later.model:
        return CacheMiss(reason="model_changed", num_missed_tokens=earlier.num_tokens)
    num_same = _num_same(earlier.tools, later.tools)
    if num_same < max(len(earlier.tools), len(later.tools)):
        return _changed("tools_changed", earlier, num_same)
    num_same = _num_same(earlier.system, later.system)
    if num_same < max(len(earlier.system), len(later.system)):
        return _changed("system_changed", earlier, len(earlier.tools) + num_same)
    num_same = _num_same(earlier.messages, later.messages)
    if num_same < min(len(earlier.messages), len(later.messages)):
        return _changed("messages_changed", earlier, len(earlier.tools) + len(earlier.system) + num_same)
    is_longer = len(ids) >= earlier.num_leading
    if is_longer and _hash_ids(ids[: earlier.num_leading]) != earlier.leading:
        # Other settings have their say in how some models' prompts are written.
        return CacheMiss(reason="unavailable")
    return None


class Fingerprints:
    """The most recent ones, by tenant and message id. Safe on several threads."""

    def __init__(self, max_bytes: int = 16_000_000) -> None:
        self._recent: Recent[tuple[str, str], Fingerprint] = Recent(max_bytes)

    def diagnose(self, request: MessagesRequest, ids: Sequence[int], message_id: str) -> CacheMiss | None:
        """Compare a request with the earlier one that it names, if any, and keep it under its reply's id."""
        if request.diagnostics is None:
            return None
        own, name = fingerprint(request, ids), request.diagnostics.previous_message_id
        earlier = None if name is None else self._recent.get((request.tenant, name))
        self._recent.put((request.tenant, message_id), own, own.num_bytes)
        if name is None:
            return None
        if earlier is None:
            return CacheMiss(reason="previous_message_not_found")
        return compare(earlier, own, ids)


def _changed(reason: MissReason, earlier: Fingerprint, num_same: int) -> CacheMiss:
    """Only the first `num_same` blocks are alike; the others' tokens are reckoned from their characters."""
    same = earlier.sizes[num_same - 1] if num_same else 0
    total = earlier.sizes[-1]
    missed = round(earlier.num_tokens * (total - same) / total) if total else 0
    return CacheMiss(reason=reason, num_missed_tokens=max(1, missed))


def _num_same(first: Sequence[bytes], second: Sequence[bytes]) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(first), len(second)))


def _sizes(conversation: Conversation) -> tuple[int, ...]:
    blocks: Iterable[Block] = (
        *conversation.system,
        *(block for turn in conversation.turns for block in turn.content),
    )
    lengths = (*map(len, map(_tool_text, conversation.listed_tools)), *map(len, map(_text, blocks)))
    return tuple(accumulate(lengths))


def _tool_text(tool: Tool) -> str:
    return f"{tool.kind}\0{tool.name}\0{tool.description}\0{json.dumps(dict(tool.input_schema))}"


def _text(block: Block) -> str:
    match block:
        case TextBlock():
            return block.text
        case ThinkingBlock():
            return block.thinking
        case RedactedThinkingBlock():
            return block.data
        case ImageBlock():
            return blake2b(block.data, digest_size=_HASH_BYTES).hexdigest()
        case DocumentBlock():
            return f"{block.title}\0{block.context}\0{block.is_citable}\0{_document_text(block)}"
        case SearchResultBlock():
            parts = "\0".join(part.text for part in block.content)
            return f"{block.title}\0{block.source}\0{block.is_citable}\0{parts}"
        case ToolUseBlock():
            return f"{block.name}\0{json.dumps(dict(block.input))}"
        case ToolResultBlock():
            inner = "\0".join(f"{type(each).__name__}\0{_text(each)}" for each in block.content)
            return f"{block.is_error}\0{inner}"
        case CompactionBlock():
            return block.content or ""


def _document_text(block: DocumentBlock) -> str:
    match block.source:
        case PlainText(text=text):
            return text
        case PdfPages(pages=pages):
            return "\f".join(pages)
        case ContentParts(content=content):
            return "\0".join(map(_text, content))


def _hash_block(role: str, block: Block) -> bytes:
    return _hash(role, type(block).__name__, _text(block))


def _hash(*parts: str) -> bytes:
    named = "\0".join(parts)
    return blake2b(named.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).digest()


def _hash_ids(ids: Sequence[int]) -> bytes:
    return blake2b(array("I", ids), digest_size=_HASH_BYTES).digest()
