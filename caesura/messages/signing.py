"""A Client that signs the thinking that leaves and verifies the thinking that comes back.

What leaves gets its signature, is emptied where the request says `display: omitted`, and is sent as
`redacted_thinking` where the prompt holds the API's documented test phrase. What comes back is restored, so
that the Client inside only ever sees plain thinking. Thinking in the latest assistant turn must be what was
sent, in the type of block that it was sent in. An empty text beside a signature means "as signed": an
omitted thought has the signature of the same thought shown, so the two cannot be told apart, and either way
the sealed text is what the model reads; nothing else can be put in its place. Older thinking that cannot be
verified is left out, and the reply says so.

Enters: a Client and a `Sealer`. Leaves: a Client. Read next: `sealing.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Literal

from caesura.messages.background import Background
from caesura.messages.checking import check
from caesura.messages.client import Client
from caesura.messages.closing import closing
from caesura.messages.content import (
    Block,
    Conversation,
    RedactedThinkingBlock,
    ThinkingBlock,
    Turn,
    merge_turns,
    text_of,
)
from caesura.messages.errors import InvalidRequestError
from caesura.messages.events import (
    BlockStart,
    BlockStop,
    Event,
    MessageStart,
    SignatureDelta,
    ThinkingDelta,
)
from caesura.messages.request import MessagesRequest
from caesura.messages.response import DropReason, InputTransformation, ModelInfo
from caesura.messages.sealing import BrokenSealError, Kind, Sealer, Thought

REDACTION_TRIGGER = (
    "ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING_"
    "46C9A13E193C177646C7398A98432ECCCE4C1253D5E2D82641AC0E52CC2876CB"
)

Appearance = Literal["shown", "omitted", "redacted"]
SealedBlock = ThinkingBlock | RedactedThinkingBlock


class _RefusedError(Exception):
    """Why a block cannot be restored."""

    def __init__(self, reason: DropReason) -> None:
        super().__init__(reason)
        self.reason: DropReason = reason


def _restored(block: SealedBlock, *, model: str, sealer: Sealer) -> ThinkingBlock:
    """The thought as this server wrote it; raises _RefusedError."""
    try:
        seal = block.signature if isinstance(block, ThinkingBlock) else block.data
        thought = sealer.open(seal)
    except BrokenSealError as error:
        raise _RefusedError("organization_binding_mismatch") from error
    if thought.model != model:
        raise _RefusedError("model_binding_mismatch")
    kind = "thinking" if isinstance(block, ThinkingBlock) else "redacted_thinking"
    shown = block.thinking if isinstance(block, ThinkingBlock) else ""
    if thought.kind != kind or shown not in ("", thought.thinking):
        raise _RefusedError("prefix_binding_mismatch")
    return ThinkingBlock(thinking=thought.thinking, signature=seal, path=block.path)


def _error(block: SealedBlock, path: str, reason: DropReason) -> InvalidRequestError:
    if reason == "prefix_binding_mismatch" or isinstance(block, RedactedThinkingBlock):
        return InvalidRequestError(
            f"{path}: `thinking` or `redacted_thinking` blocks in the latest assistant message"
            " cannot be modified. These blocks must remain as they were in the original response."
        )
    return InvalidRequestError(f"{path}: Invalid `signature` in `thinking` block")


class _Restoration:
    """One pass over a request's turns: restores, refuses, drops and reports."""

    def __init__(self, *, model: str, sealer: Sealer) -> None:
        self._model = model
        self._sealer = sealer
        self.dropped: list[InputTransformation] = []

    def conversation(self, conversation: Conversation) -> Conversation:
        turns = conversation.turns
        latest = max((index for index, turn in enumerate(turns) if turn.role == "assistant"), default=-1)
        restored = [self._turn(turn, index, is_latest=index == latest) for index, turn in enumerate(turns)]
        # A turn that was nothing but dropped thinking goes too, and its neighbours become one.
        return replace(conversation, turns=merge_turns(turn for turn in restored if turn.content))

    def _turn(self, turn: Turn, index: int, *, is_latest: bool) -> Turn:
        blocks = [
            self._block(block, f"messages.{index}.content.{position}", is_latest=is_latest)
            for position, block in enumerate(turn.content)
        ]
        return replace(turn, content=tuple(block for block in blocks if block is not None))

    def _block(self, block: Block, place: str, *, is_latest: bool) -> Block | None:
        if not isinstance(block, SealedBlock):
            return block
        path = block.path or place
        try:
            return _restored(block, model=self._model, sealer=self._sealer)
        except _RefusedError as refusal:
            # Another model's thought is of no use, but no forgery either.
            if is_latest and refusal.reason != "model_binding_mismatch":
                raise _error(block, path, refusal.reason) from refusal
            self.dropped.append(InputTransformation(path=path, reason=refusal.reason))
            return None


def restore_thinking(
    request: MessagesRequest, sealer: Sealer
) -> tuple[MessagesRequest, tuple[InputTransformation, ...]]:
    """The request with every thought in plain sight, and what was left out of it.

    Raises InvalidRequestError when thinking in the latest assistant turn is not what was sent.
    """
    restoration = _Restoration(model=request.model, sealer=sealer)
    conversation = restoration.conversation(request.conversation)
    thinking = replace(request.thinking, display="summarized")
    return replace(request, conversation=conversation, thinking=thinking), tuple(restoration.dropped)


def _appearance(request: MessagesRequest) -> Appearance:
    last_user = next((turn for turn in reversed(request.conversation.turns) if turn.role == "user"), None)
    if last_user is not None and REDACTION_TRIGGER in text_of(last_user.content):
        return "redacted"
    return "omitted" if request.thinking.display == "omitted" else "shown"


class _ThinkingSealer:
    """One reply's thinking on its way out, block by block."""

    def __init__(self, *, model: str, sealer: Sealer, appearance: Appearance) -> None:
        self._model = model
        self._sealer = sealer
        self._appearance = appearance
        self._pieces: list[str] | None = None

    def replace(self, event: Event) -> tuple[Event, ...]:
        """What is sent in the place of an event."""
        match event:
            case ThinkingDelta() if self._pieces is not None:
                self._pieces.append(event.thinking)
                return (event,) if self._appearance == "shown" else ()
            case BlockStart(block=ThinkingBlock(thinking=opening)):
                self._pieces = [opening]
                return () if self._appearance == "redacted" else (event,)
            case BlockStop() if self._pieces is not None:
                return self._closed(event)
            case SignatureDelta():
                return ()
            case _:
                return (event,)

    def _closed(self, event: BlockStop) -> tuple[Event, ...]:
        is_redacted = self._appearance == "redacted"
        kind: Kind = "redacted_thinking" if is_redacted else "thinking"
        thought = Thought(model=self._model, thinking="".join(self._pieces or ()), kind=kind)
        self._pieces = None
        seal = self._sealer.seal(thought)
        if is_redacted:
            return (BlockStart(index=event.index, block=RedactedThinkingBlock(data=seal)), event)
        return (SignatureDelta(index=event.index, signature=seal), event)


class SigningClient:
    """Any Client, with its thinking signed on the way out and verified on the way in."""

    def __init__(self, client: Client, sealer: Sealer) -> None:
        self._client = client
        self._sealer = sealer
        self._background = Background()

    async def stream(self, request: MessagesRequest) -> AsyncIterator[Event]:
        restored, dropped = await self._restored(request)
        appearance = _appearance(request)
        outgoing = _ThinkingSealer(model=request.model, sealer=self._sealer, appearance=appearance)
        async with closing(self._client.stream(restored)) as events:
            async for event in events:
                if isinstance(event, MessageStart):
                    event = replace(event, input_transformations=event.input_transformations + dropped)
                for sent in outgoing.replace(event):
                    yield sent

    async def count_tokens(self, request: MessagesRequest) -> int:
        restored, _ = await self._restored(request)
        return await self._client.count_tokens(restored)

    async def check(self, request: MessagesRequest) -> None:
        restored, _ = await self._restored(request)
        await check(self._client, restored)

    async def models(self) -> Sequence[ModelInfo]:
        return await self._client.models()

    async def _restored(
        self, request: MessagesRequest
    ) -> tuple[MessagesRequest, tuple[InputTransformation, ...]]:
        size = _sealed_size(request.conversation)
        return await self._background.run(size, restore_thinking, request, self._sealer)


def _sealed_size(conversation: Conversation) -> int:
    """How many characters of thinking and of seals there are to verify."""
    blocks = [block for turn in conversation.turns for block in turn.content]
    sizes = [
        len(block.thinking) + len(block.signature) if isinstance(block, ThinkingBlock) else len(block.data)
        for block in blocks
        if isinstance(block, SealedBlock)
    ]
    return sum(sizes)
