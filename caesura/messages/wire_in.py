"""The shape of a request body: which fields there are, and of which type and range.

Enters: parsed JSON. Leaves: pydantic models, which only `validation.py` and its rules see; a shape that
is wrong becomes an `InvalidRequestError` of the form `path: reason`. Rules that span several fields are
in `request_rules.py`. Fields declared as `Ignored` are accepted and have no effect here. Read next:
`validation.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails

from caesura.messages.blocks_in import (
    UNSUPPORTED_BLOCKS,
    Ignored,
    Shape,
    WireBlock,
    WireCacheControl,
    WireText,
    as_blocks,
)
from caesura.messages.context_in import WireContextManagement
from caesura.messages.errors import InvalidRequestError
from caesura.messages.formats_in import WireFormat
from caesura.messages.request import Effort
from caesura.messages.tools_in import UNSUPPORTED_TOOLS, WireTool, WireToolChoice

MAX_MESSAGES = 100_000
MAX_BLOCKS = 100_000
MAX_INT32 = 2**31 - 1

WireDisplay = Literal["summarized", "omitted", "updates"]


class WireMessage(Shape):
    role: Literal["user", "assistant", "system"]
    content: Annotated[
        list[WireBlock],
        Field(fail_fast=True),
        BeforeValidator(as_blocks, json_schema_input_type=str | list[WireBlock]),
    ]


class WireEnabled(Shape):
    type: Literal["enabled"]
    budget_tokens: Annotated[int, Field(ge=1, le=MAX_INT32)]
    display: WireDisplay | None = None


class WireAdaptive(Shape):
    type: Literal["adaptive"]
    display: WireDisplay | None = None


class WireDisabled(Shape):
    type: Literal["disabled"]
    display: Any = None


class WireBetweenTools(Shape):
    type: Literal["between_tools"]


WireThinkingConfig = Annotated[
    WireEnabled | WireAdaptive | WireDisabled | WireBetweenTools, Field(discriminator="type")
]


class WireOutputConfig(Shape):
    effort: Effort | None = None
    format: WireFormat | None = None
    task_budget: Any = None


class WireMetadata(Shape):
    user_id: str | None = None


class WireDiagnostics(Shape):
    previous_message_id: str | None = None


class WireCountRequest(Shape):
    """The body of `count_tokens`."""

    model: Annotated[str, Field(min_length=1)]
    messages: Annotated[list[WireMessage], Field(max_length=MAX_MESSAGES, fail_fast=True)]
    system: Annotated[
        list[WireText] | None, BeforeValidator(as_blocks, json_schema_input_type=str | list[WireText] | None)
    ] = None
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
    tools: Annotated[list[WireTool] | None, Field(fail_fast=True)] = None
    tool_choice: WireToolChoice | None = None
    output_format: WireFormat | None = None
    container: Any = None
    mcp_servers: Any = None
    compaction: Any = None
    thread: Any = None
    context_management: WireContextManagement | None = None
    inference_geo: Ignored = None
    speed: Ignored = None
    fallbacks: Ignored = None
    fallback_credit_token: Ignored = None
    billing_policy: Ignored = None

    @property
    def formats(self) -> tuple[WireFormat | None, WireFormat | None]:
        """What is asked of the answer's form, under the current name and under the older one."""
        return (self.output_config.format if self.output_config else None, self.output_format)


class WireRequest(WireCountRequest):
    """The body of `POST /v1/messages`."""

    max_tokens: Annotated[int, Field(ge=0, le=MAX_INT32)]
    stream: bool | None = None


Body = TypeVar("Body", bound=WireCountRequest)


def _reason(error: ErrorDetails) -> tuple[str, str]:
    """What to add to the path, and the reason, in the API's wording rather than the library's."""
    context = error.get("ctx", {})
    match error["type"]:
        case "union_tag_not_found":
            return ".type", "Field required"
        case "union_tag_invalid":
            part = str(error["loc"][0])
            return ".type", _unknown_tag(str(context["tag"]), context["expected_tags"], part)
        case "literal_error" if error["loc"][0] == "system" and error["loc"][-1] == "type":
            return "", _unknown_tag(str(error["input"]), str(context["expected"]), "system")
        case "model_type" | "model_attributes_type" | "dict_type":
            return "", "Input should be a valid dictionary"
        case _:
            return "", error["msg"]


def _unknown_tag(tag: str, expected_tags: str, part: str) -> str:
    """part: of the body, in which the tag stands."""
    if part == "tools" and tag.startswith(UNSUPPORTED_TOOLS):
        return f"`{tag[:100]}` tools are not supported by this server; leave them out"
    if part in ("messages", "system") and tag in UNSUPPORTED_BLOCKS:
        return f"`{tag}` blocks are not supported by this server"
    found = f"Input tag '{tag[:100]}' found using 'type'"
    return f"{found} does not match any of the expected tags: {expected_tags}"


def read_shape(shape: type[Body], body: object, *, is_strict: bool) -> Body:
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
