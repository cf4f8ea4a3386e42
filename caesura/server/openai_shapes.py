"""The shape of what OpenAI's clients send: which fields there are, and of which type and range.

A field that would change the answer and is not honoured here may only have the value that it has when it is
left out; every other value, and every field that is not known, is refused by name. `None` is as good as
leaving a field out. Enters: parsed JSON. Leaves: pydantic models, or an `InvalidRequestError` of the form
`path: reason`. Read next: `openai_reading.py`, which makes a request of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from caesura.messages.errors import InvalidRequestError

MAX_INT32 = 2**31 - 1
MAX_LOGPROBS = 20
MAX_PROMPTS = 128
_MAX_TEMPERATURE = 2.0

Ignored = Any
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


def _only(*values: object) -> Callable[[object], object]:
    """A validator for a field that may say what is the case anyway."""

    def check(value: object) -> object:
        # 0 is not False here, and 0.0 is 0.
        if value is None or any(
            value == each and isinstance(value, bool) == isinstance(each, bool) for each in values
        ):
            return value
        allowed = "" if not values else f"; `{values[0]!r}` is as if it were left out"
        raise ValueError(f"this field is not supported by this server; leave it out{allowed}")

    return check


Refused = Annotated[Any, AfterValidator(_only())]
Zero = Annotated[Any, AfterValidator(_only(0))]
One = Annotated[Any, AfterValidator(_only(1))]
No = Annotated[Any, AfterValidator(_only(False))]
Empty = Annotated[Any, AfterValidator(_only({}, []))]
TextOnly = Annotated[Any, AfterValidator(_only(["text"]))]


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _as_parts(value: object) -> object:
    """A string is short for one text, an empty one for none."""
    if isinstance(value, str):
        return [{"type": "text", "text": value}] if value else []
    return value


def _either(value: object, read: ValidatorFunctionWrapHandler) -> object:
    try:
        return read(value)
    except ValidationError as error:
        raise ValueError("Input should be a text, a list of token ids, or a list of either") from error


class _Open(BaseModel):
    """Further fields mean nothing: clients send back what they were sent."""

    model_config = ConfigDict(strict=True, extra="ignore", protected_namespaces=())


class _Closed(BaseModel):
    """Further fields are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", protected_namespaces=())


class TextPart(_Open):
    type: Literal["text"]
    text: str


class ImageUrl(_Open):
    url: str
    detail: Ignored = None


class ImagePart(_Open):
    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]
Texts = Annotated[list[TextPart], BeforeValidator(_as_parts, json_schema_input_type=str | list[TextPart])]
Parts = Annotated[list[Part], BeforeValidator(_as_parts, json_schema_input_type=str | list[Part])]
_Prompts = str | list[str] | list[int] | list[list[int]]
Prompts = Annotated[_Prompts, WrapValidator(_either, json_schema_input_type=_Prompts)]


class CalledFunction(_Open):
    name: str
    arguments: str


class ToolCall(_Open):
    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class SystemMessage(_Open):
    role: Literal["system", "developer"]
    content: Texts


class UserMessage(_Open):
    role: Literal["user"]
    content: Parts


class AssistantMessage(_Open):
    role: Literal["assistant"]
    content: Texts | None = None
    tool_calls: list[ToolCall] | None = None
    refusal: Refused = None
    audio: Refused = None
    function_call: Refused = None


class ToolMessage(_Open):
    role: Literal["tool"]
    tool_call_id: str
    content: Texts


ChatMessage = Annotated[
    SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")
]


class Function(_Closed):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(_Closed):
    type: Literal["function"]
    function: Function


class FunctionName(_Closed):
    name: str


class NamedTool(_Closed):
    type: Literal["function"]
    function: FunctionName


class JsonSchema(_Closed):
    # `schema` is a method of every model.
    json_schema: Annotated[dict[str, Any], Field(alias="schema")]
    name: Ignored = None
    description: Ignored = None
    strict: Ignored = None


class TextFormat(_Closed):
    type: Literal["text"]


class JsonFormat(_Closed):
    type: Literal["json_object"]


class SchemaFormat(_Closed):
    type: Literal["json_schema"]
    json_schema: JsonSchema


class StreamOptions(_Closed):
    include_usage: bool | None = None
    include_obfuscation: No = None


class _Drawing(_Closed):
    """What both routes know of how tokens are drawn."""

    model: Annotated[str, Field(min_length=1)]
    temperature: Annotated[float, Field(ge=0, le=_MAX_TEMPERATURE)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=MAX_INT32)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Annotated[
        list[str] | None, BeforeValidator(_as_list, json_schema_input_type=str | list[str] | None)
    ] = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    n: One = None
    presence_penalty: Zero = None
    frequency_penalty: Zero = None
    logit_bias: Empty = None


class ChatBody(_Drawing):
    """The body of `POST /v1/chat/completions`."""

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1, le=MAX_INT32)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=MAX_INT32)] | None = None
    tools: list[FunctionTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: Annotated[TextFormat | JsonFormat | SchemaFormat, Field(discriminator="type")] | None = (
        None
    )
    reasoning_effort: Effort | None = None
    thinking: dict[str, Any] | None = None
    logprobs: No = None
    top_logprobs: Zero = None
    modalities: TextOnly = None
    audio: Refused = None
    prediction: Refused = None
    web_search_options: Refused = None
    functions: Refused = None
    function_call: Refused = None
    moderation: Refused = None
    metadata: Ignored = None
    store: Ignored = None
    service_tier: Ignored = None
    verbosity: Ignored = None
    safety_identifier: Ignored = None
    prompt_cache_key: Ignored = None
    prompt_cache_retention: Ignored = None


class TextBody(_Drawing):
    """The body of `POST /v1/completions`."""

    prompt: Prompts
    max_tokens: Annotated[int, Field(ge=0, le=MAX_INT32)] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=MAX_LOGPROBS)] | None = None
    best_of: One = None
    suffix: Annotated[Any, AfterValidator(_only(""))] = None


Shape = TypeVar("Shape", bound=BaseModel)
# What a message or a part is told by stands behind its number.
_BRANCHES: dict[type, tuple[str, ...]] = {
    int: ("system", "developer", "user", "assistant", "tool", "text", "image_url"),
    str: ("str",),
}


def _path(place: Sequence[int | str]) -> str:
    """Where a field is, without the names that the library gives to the branches of a union."""
    steps = [
        str(step)
        for before, step in zip([None, *place], place, strict=False)
        if isinstance(step, int)
        or (step.islower() and step.isidentifier() and step not in _BRANCHES.get(type(before), ()))
    ]
    return ".".join(steps)[:300]


def read_shape(shape: type[Shape], body: object) -> Shape:
    """The body as a model; raises InvalidRequestError for the first thing that is wrong with it."""
    if not isinstance(body, dict):
        raise InvalidRequestError("The request body must be a JSON object")
    try:
        return shape.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    path = _path(first["loc"])
    if first["type"] == "extra_forbidden":
        raise InvalidRequestError(f"{path}: this field is not supported by this server; leave it out")
    raise InvalidRequestError(f"{path}: {first['msg'].removeprefix('Value error, ')}")
