"""The shape of a conversation's content blocks in a request body.

Enters: parsed JSON. Leaves: pydantic models, which only `wire_in.py` and what follows it see. Which block
may stand where is in `request_rules.py` and `tool_rules.py`. Fields declared as `Ignored` are accepted and
have no effect here. Read next: `wire_in.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from caesura.messages.content import MediaType

# Blocks of the API that this server knows by name but does not read.
UNSUPPORTED_BLOCKS = frozenset(
    {
        "server_tool_use",
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "container_upload",
        "mcp_tool_listing",
        "fallback",
        "advisor_tool_result",
        "browser_state",
        "tool_addition",
        "tool_removal",
        "mid_conv_system",
        "connector_text",
    }
)
MAX_TOOL_ID_CHARACTERS = 256
MAX_TITLE_CHARACTERS = 500

Ignored = Any
ToolId = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$", max_length=MAX_TOOL_ID_CHARACTERS)]


def as_blocks(value: object) -> object:
    """A string is short for one text block, an empty one for none."""
    if isinstance(value, str):
        return [{"type": "text", "text": value}] if value else []
    return value


class Shape(BaseModel):
    """What every part of a body has in common: nothing is converted, and other fields are left out."""

    model_config = ConfigDict(strict=True, extra="ignore", protected_namespaces=())


class WireCacheControl(Shape):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class WireText(Shape):
    type: Literal["text"]
    text: str
    cache_control: WireCacheControl | None = None
    citations: list[Any] | None = None


class WireThinking(Shape):
    type: Literal["thinking"]
    thinking: str
    signature: str
    cache_control: Any = None


class WireRedactedThinking(Shape):
    type: Literal["redacted_thinking"]
    data: str
    cache_control: Any = None


class WireBase64(Shape):
    type: Literal["base64"]
    media_type: MediaType
    data: str


class WireElsewhere(Shape):
    """A source that does not hold the data itself."""

    type: Literal["url", "file"]


class WireImage(Shape):
    type: Literal["image"]
    source: Annotated[WireBase64 | WireElsewhere, Field(discriminator="type")]
    cache_control: WireCacheControl | None = None
    transformations: Ignored = None


class WireToolUse(Shape):
    type: Literal["tool_use"]
    id: ToolId
    # Longer than a tool's may be: other servers put prefixes before the names of theirs.
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,200}$")]
    input: dict[str, Any]
    cache_control: WireCacheControl | None = None
    caller: Ignored = None
    toolset_name: Ignored = None


class WireToolReference(Shape):
    type: Literal["tool_reference"]
    tool_name: Annotated[str, Field(min_length=1)]
    cache_control: WireCacheControl | None = None


class WirePlainText(Shape):
    type: Literal["text"]
    media_type: Literal["text/plain"]
    data: str
    # Of the file that it was put in the place of; see `caesura/server/file_sources.py`.
    file_id: str | None = None


class WirePdf(Shape):
    type: Literal["base64"]
    media_type: Literal["application/pdf"]
    data: str
    file_id: str | None = None


class WireParts(Shape):
    type: Literal["content"]
    content: Annotated[
        list[Annotated[WireText | WireImage, Field(discriminator="type")]],
        Field(min_length=1, fail_fast=True),
        BeforeValidator(as_blocks),
    ]


class WireCitations(Shape):
    enabled: bool | None = None


class WireDocument(Shape):
    type: Literal["document"]
    source: Annotated[WirePlainText | WirePdf | WireParts | WireElsewhere, Field(discriminator="type")]
    title: Annotated[str, Field(max_length=MAX_TITLE_CHARACTERS)] | None = None
    context: str | None = None
    citations: WireCitations | None = None
    cache_control: WireCacheControl | None = None


class WireSearchResult(Shape):
    type: Literal["search_result"]
    source: str
    title: str
    content: Annotated[list[WireText], Field(min_length=1, fail_fast=True)]
    citations: WireCitations | None = None
    cache_control: WireCacheControl | None = None


WireResultBlock = Annotated[
    WireText | WireImage | WireDocument | WireSearchResult | WireToolReference, Field(discriminator="type")
]


class WireToolResult(Shape):
    type: Literal["tool_result"]
    tool_use_id: ToolId
    content: Annotated[
        list[WireResultBlock] | None,
        BeforeValidator(as_blocks, json_schema_input_type=str | list[WireResultBlock] | None),
    ] = None
    is_error: bool | None = None
    cache_control: WireCacheControl | None = None


class WireMcpToolUse(Shape):
    """A call that the server carried out: of its memory, the only tool that it has.

    The API has these blocks for tools of servers that it calls itself; the SDK knows no others that would do.
    """

    type: Literal["mcp_tool_use"]
    id: ToolId
    name: Literal["memory"]
    server_name: Literal["caesura"]
    input: dict[str, Any]
    cache_control: WireCacheControl | None = None


class WireMcpToolResult(Shape):
    type: Literal["mcp_tool_result"]
    tool_use_id: ToolId
    content: Annotated[list[WireText] | None, BeforeValidator(as_blocks)] = None
    is_error: bool | None = None
    cache_control: WireCacheControl | None = None


class WireCompaction(Shape):
    type: Literal["compaction"]
    content: Annotated[str, Field(min_length=1)] | None = None
    cache_control: WireCacheControl | None = None
    encrypted_content: Ignored = None
    signature: Ignored = None
    tool_changes: Annotated[list[Any], Field(max_length=0)] | None = None


WireBlock = Annotated[
    WireText
    | WireThinking
    | WireRedactedThinking
    | WireImage
    | WireDocument
    | WireSearchResult
    | WireToolUse
    | WireToolResult
    | WireMcpToolUse
    | WireMcpToolResult
    | WireCompaction,
    Field(discriminator="type"),
]


def marked(block: WireBlock) -> Sequence[WireCacheControl]:
    """The cache breakpoints of a block, those inside a tool's result before its own."""
    match block:
        case WireThinking() | WireRedactedThinking():
            return ()
        case WireToolResult():
            inner = [each.cache_control for each in block.content or []]
            return [each for each in (*inner, block.cache_control) if each is not None]
        case _:
            return () if block.cache_control is None else (block.cache_control,)
