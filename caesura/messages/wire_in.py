"""The shape of a request body: which fields there are, and of which type and range.

Enters: parsed JSON. Leaves: pydantic models, which only `validation.py` and its rules see; a shape that
is wrong becomes an `InvalidRequestError` of the form `path: reason`. Rules that span several fields are
in `request_rules.py`. Fields declared as `Ignored` are accepted and have no effect here. Read next:
`validation.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from caesura.messages.errors import InvalidRequestError
from caesura.messages.request import Effort

MAX_MESSAGES = 100_000
MAX_BLOCKS = 100_000
MAX_INT32 = 2**31 - 1

# Blocks of the API that this server knows by name but does not read.
UNSUPPORTED_BLOCKS = frozenset(
    {
        "image",
        "document",
        "search_result",
        "tool_use",
        "tool_result",
        "tool_reference",
        "server_tool_use",
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "container_upload",
        "mcp_tool_use",
        "mcp_tool_result",
        "mcp_tool_listing",
        "compaction",
        "fallback",
        "advisor_tool_result",
        "browser_state",
        "tool_addition",
        "tool_removal",
        "mid_conv_system",
        "connector_text",
    }
)

Ignored = Any
WireDisplay = Literal["summarized", "omitted", "updates"]


def _as_blocks(value: object) -> object:
    """A string is short for one text block, an empty one for none."""
    if isinstance(value, str):
        return [{"type": "text", "text": value}] if value else []
    return value


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", protected_namespaces=())


class WireCacheControl(_Shape):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class WireText(_Shape):
    type: Literal["text"]
    text: str
    cache_control: WireCacheControl | None = None
    citations: list[Any] | None = None


class WireThinking(_Shape):
    type: Literal["thinking"]
    thinking: str
    signature: str
    cache_control: Any = None


class WireRedactedThinking(_Shape):
    type: Literal["redacted_thinking"]
    data: str
    cache_control: Any = None


WireBlock = Annotated[WireText | WireThinking | WireRedactedThinking, Field(discriminator="type")]


class WireMessage(_Shape):
    role: Literal["user", "assistant", "system"]
    content: Annotated[list[WireBlock], Field(fail_fast=True), BeforeValidator(_as_blocks)]


class WireEnabled(_Shape):
    type: Literal["enabled"]
    budget_tokens: Annotated[int, Field(ge=1, le=MAX_INT32)]
    display: WireDisplay | None = None


class WireAdaptive(_Shape):
    type: Literal["adaptive"]
    display: WireDisplay | None = None


class WireDisabled(_Shape):
    type: Literal["disabled"]
    display: Any = None


class WireBetweenTools(_Shape):
    type: Literal["between_tools"]


WireThinkingConfig = Annotated[
    WireEnabled | WireAdaptive | WireDisabled | WireBetweenTools, Field(discriminator="type")
]


class WireOutputConfig(_Shape):
    effort: Effort | None = None
    format: Any = None
    task_budget: Any = None


class WireMetadata(_Shape):
    user_id: str | None = None


class WireDiagnostics(_Shape):
    previous_message_id: str | None = None


class WireToolChoice(_Shape):
    type: Literal["auto", "any", "tool", "none"]
    name: Any = None
    disable_parallel_tool_use: Any = None


class WireCountRequest(_Shape):
    """The body of `count_tokens`."""

    model: Annotated[str, Field(min_length=1)]
    messages: Annotated[list[WireMessage], Field(max_length=MAX_MESSAGES, fail_fast=True)]
    system: Annotated[list[WireText] | None, BeforeValidator(_as_blocks)] = None
    thinking: WireThinkingConfig | None = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=MAX_INT32)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    stop_sequences: Annotated[list[str], Field(fail_fast=True)] | None = None
    output_config: WireOutputConfig | None = None
    metadata: WireMetadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    cache_control: WireCacheControl | None = None
    diagnostics: WireDiagnostics | None = None
    tools: list[Any] | None = None
    tool_choice: WireToolChoice | None = None
    output_format: Any = None
    container: Any = None
    mcp_servers: Any = None
    compaction: Any = None
    thread: Any = None
    inference_geo: Ignored = None
    speed: Ignored = None
    context_management: Ignored = None
    fallbacks: Ignored = None
    fallback_credit_token: Ignored = None
    billing_policy: Ignored = None


class WireRequest(WireCountRequest):
    """The body of `POST /v1/messages`."""

    max_tokens: Annotated[int, Field(ge=0, le=MAX_INT32)]
    stream: bool | None = None


Shape = TypeVar("Shape", bound=WireCountRequest)


def _reason(error: ErrorDetails) -> tuple[str, str]:
    """What to add to the path, and the reason, in the API's wording rather than the library's."""
    context = error.get("ctx", {})
    match error["type"]:
        case "union_tag_not_found":
            return ".type", "Field required"
        case "union_tag_invalid":
            return _unknown_tag(str(context["tag"]), context["expected_tags"])
        case "literal_error" if error["loc"][0] == "system" and error["loc"][-1] == "type":
            return "", _unknown_tag(str(error["input"]), str(context["expected"]))[1]
        case "model_type" | "model_attributes_type" | "dict_type":
            return "", "Input should be a valid dictionary"
        case _:
            return "", error["msg"]


def _unknown_tag(tag: str, expected_tags: str) -> tuple[str, str]:
    if tag in UNSUPPORTED_BLOCKS:
        return ".type", f"`{tag}` blocks are not supported by this server"
    found = f"Input tag '{tag[:100]}' found using 'type'"
    return ".type", f"{found} does not match any of the expected tags: {expected_tags}"


def read_shape(shape: type[Shape], body: object, *, is_strict: bool) -> Shape:
    """The body as a model; raises InvalidRequestError for the first thing that is wrong with it.

    is_strict: whether fields that are not known are refused rather than ignored.
    """
    try:
        return shape.model_validate(body, extra="forbid" if is_strict else "ignore")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    suffix, reason = _reason(first)
    path = ".".join(map(str, first["loc"])) + suffix
    raise InvalidRequestError(f"{path[:300]}: {reason}")
