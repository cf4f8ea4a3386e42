"""Our Client as a model of inspect-ai, so that its tasks, logs and viewer work with whatever answers.

Enters: inspect's messages and settings, and a `Client` that is handed in (or a base URL, when `inspect eval`
itself is run). Leaves: inspect's output: thoughts as `ContentReasoning`, the usage, and in the metadata what
inspect has no field for. Thinking is asked for so: `reasoning_tokens` N is a budget of N, `reasoning_effort`
leaves the choice to the model, neither (or 0) answers at once. Read next: `reasoning.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Literal, cast, get_args

from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    Content,
    ContentReasoning,
    ContentText,
    GenerateConfig,
    Model,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    StopReason,
    get_model,
    modelapi,
)
from inspect_ai.tool import ToolChoice, ToolInfo
from tenacity import wait_random_exponential
from tenacity.wait import WaitBaseT

from caesura.messages import response
from caesura.messages.client import Client
from caesura.messages.closing import closing
from caesura.messages.content import Block, Conversation, TextBlock, ThinkingBlock, Turn
from caesura.messages.errors import ApiError
from caesura.messages.events import Event, ThinkingDelta
from caesura.messages.fold import MessageFold
from caesura.messages.remote import RemoteClient
from caesura.messages.request import Effort, MessagesRequest, Sampling, Thinking

DEFAULT_MAX_TOKENS = 2048

_STOP_REASONS: dict[response.StopReason, StopReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "model_length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def client_model(client: Client, name: str, on_reply: Callable[[], None] = lambda: None) -> Model:
    """An inspect model that asks `client` for the model `name`; `on_reply` is told of each reply."""
    return get_model(f"caesura/{name}", memoize=False, client=client, on_reply=on_reply)


@modelapi("caesura")
class ClientModel(ModelAPI):
    """inspect's side of the seam."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008 (inspect's own signature)
        *,
        client: Client | None = None,
        on_reply: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config)
        if client is None and base_url is None:
            raise ValueError("the provider `caesura` needs a server: give --model-base-url")
        self._client: Client = client or RemoteClient(base_url or "", api_key)
        self._on_reply = on_reply

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        if tools:
            raise ValueError(f"{self.model_name} cannot use tools, and was given {len(tools)}")
        output = await _reply(self._client.stream(request_of(self.model_name, input, config)))
        self._on_reply()
        return output

    def should_retry(self, ex: BaseException) -> bool:
        return isinstance(ex, ApiError) and ex.type in ("overloaded_error", "rate_limit_error")

    def retry_wait(self) -> WaitBaseT:
        # An engine's queue empties within seconds; inspect's own waits are made for rate limits of minutes.
        return wait_random_exponential(multiplier=0.5, max=10)

    def collapse_user_messages(self) -> bool:
        return True

    def auto_reasoning_history(self) -> Literal["none", "all", "last"]:
        return "all"

    def emulate_reasoning_history(self) -> bool:
        # A thought is a block of its own here; written out as text, it would be read as an answer.
        return False


def request_of(model: str, messages: Sequence[ChatMessage], config: GenerateConfig) -> MessagesRequest:
    """inspect's words to ours. Raises ValueError for what we have no word for."""
    return MessagesRequest(
        model=model,
        conversation=Conversation(turns=tuple(map(_turn, messages))),
        max_tokens=config.max_tokens or DEFAULT_MAX_TOKENS,
        sampling=Sampling(
            temperature=1.0 if config.temperature is None else config.temperature,
            top_p=1.0 if config.top_p is None else config.top_p,
            top_k=config.top_k,
            seed=config.seed,
        ),
        thinking=_thinking(config),
        effort=_effort(config),
        stop_sequences=tuple(config.stop_seqs or ()),
    )


def _thinking(config: GenerateConfig) -> Thinking:
    if config.reasoning_tokens:
        return Thinking(mode="enabled", budget_tokens=config.reasoning_tokens)
    return Thinking(mode="adaptive" if config.reasoning_effort not in (None, "none") else "disabled")


def _effort(config: GenerateConfig) -> Effort:
    effort = config.reasoning_effort
    return cast(Effort, effort) if effort in get_args(Effort) else "high"


def _turn(message: ChatMessage) -> Turn:
    if not isinstance(message, ChatMessageSystem | ChatMessageUser | ChatMessageAssistant):
        raise ValueError(f"a message of role {message.role} cannot be sent to this model")
    content = [ContentText(text=message.content)] if isinstance(message.content, str) else message.content
    return Turn(role=message.role, content=tuple(map(_block, content)))


def _block(content: Content) -> Block:
    match content:
        case ContentText():
            return TextBlock(text=content.text)
        case ContentReasoning():
            return ThinkingBlock(thinking=content.reasoning, signature=content.signature or "")
        case _:
            raise ValueError(f"content of type {content.type} cannot be sent to this model")


async def _reply(stream: AsyncIterator[Event]) -> ModelOutput:
    """The whole reply in inspect's words, the streamed thinking tokens counted on the way."""
    folding, num_streamed = MessageFold(), 0
    async with closing(stream) as events:
        async for event in events:
            folding.add(event)
            num_streamed += event.num_tokens if isinstance(event, ThinkingDelta) else 0
    message = folding.message()
    usage = message.usage
    choice = ChatCompletionChoice(
        message=ChatMessageAssistant(
            content=_contents(message.content), model=message.model, source="generate"
        ),
        stop_reason=_STOP_REASONS.get(message.stop_reason, "unknown"),
    )
    return ModelOutput(
        model=message.model,
        choices=[choice],
        usage=ModelUsage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            total_tokens=usage.prompt_tokens + usage.output_tokens,
            input_tokens_cache_read=usage.cache_read_input_tokens,
            input_tokens_cache_write=usage.cache_creation_input_tokens,
            reasoning_tokens=usage.thinking_tokens,
        ),
        metadata={
            "prompt_tokens": usage.prompt_tokens,
            "output_tokens": usage.output_tokens,
            "thinking_tokens": usage.thinking_tokens,
            "streamed_thinking_tokens": num_streamed,
            "stop_reason": message.stop_reason,
        },
    )


def _contents(blocks: Sequence[Block]) -> list[Content]:
    contents: list[Content] = []
    for block in blocks:
        if isinstance(block, TextBlock):
            contents.append(ContentText(text=block.text))
        elif isinstance(block, ThinkingBlock):
            contents.append(ContentReasoning(reasoning=block.thinking, signature=block.signature or None))
    return contents


def reply_facts(output: ModelOutput) -> dict[str, Any]:
    """What `ClientModel` put into the metadata. Raises ValueError for another provider's output."""
    if output.metadata is None or "thinking_tokens" not in output.metadata:
        raise ValueError("this reply does not come from the provider `caesura`")
    return output.metadata
