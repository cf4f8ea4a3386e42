"""The models on offer: which one a name means, and the pages of `/v1/models`.

Enters: what the Client offers, the default first. Leaves: one model, or a page of them as JSON. Read next:
`app.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from caesura.messages.chunks import is_citing, readings_of
from caesura.messages.content import (
    ContentParts,
    Conversation,
    DocumentBlock,
    ImageBlock,
    ToolResultBlock,
)
from caesura.messages.errors import InvalidRequestError, NotFoundError
from caesura.messages.request import MessagesRequest
from caesura.messages.response import ModelInfo
from caesura.messages.wire import model_json

DEFAULT_LIMIT = 20
MAX_LIMIT = 1000
# What Claude Code puts behind a name to ask for a long window; there is one window here.
_LONG_WINDOW_SUFFIX = "[1m]"
_LIFECYCLES = ("active", "deprecated", "retired")


def find_model(models: Sequence[ModelInfo], name: str) -> ModelInfo:
    """The model that a name means: its own, or the default for any `claude-` name.

    `[1m]` behind a name means nothing here.
    """
    by_id = {info.id: info for info in models}
    info = by_id.get(name) or by_id.get(name.removesuffix(_LONG_WINDOW_SUFFIX))
    if info is not None:
        return info
    if models and name.startswith("claude-"):
        return models[0]
    raise NotFoundError(f"model: {name[:200]}")


def check_request(request: MessagesRequest, info: ModelInfo) -> None:
    """Refuse what this model cannot do; raises InvalidRequestError."""
    if request.max_tokens > info.max_tokens:
        raise InvalidRequestError(
            f"max_tokens: {request.max_tokens} > {info.max_tokens}, which is the maximum allowed number of"
            f" output tokens for {request.model}"
        )
    # Adaptive thinking leaves it to the model, and one that cannot think decides not to.
    if request.thinking.mode == "enabled" and not info.can_think:
        raise InvalidRequestError(
            f"thinking.type: `enabled` thinking is not supported on this model ({info.id}); use `disabled`"
            " or `adaptive`"
        )
    if not info.can_cite and is_citing(request.conversation):
        raise InvalidRequestError(
            f"messages: citations are not supported on this model ({info.id}); leave `citations` out of its"
            " documents"
        )
    if not info.can_see and _has_images(request.conversation):
        raise InvalidRequestError(
            f"messages: `image` blocks are not supported on this model ({info.id}); leave the images out"
        )


def _has_images(conversation: Conversation) -> bool:
    blocks = [block for turn in conversation.turns for block in turn.content]
    inner = [one for block in blocks if isinstance(block, ToolResultBlock) for one in block.content]
    parts = [
        part
        for each in readings_of(conversation)
        if isinstance(each, DocumentBlock) and isinstance(each.source, ContentParts)
        for part in each.source.content
    ]
    return any(isinstance(block, ImageBlock) for block in (*blocks, *inner, *parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """Which models to list.

    limit: how many at most.
    after_id, before_id: list what stands directly after, or before, this model.
    lifecycles: only models in these stages; empty for all.
    """

    limit: int = DEFAULT_LIMIT
    after_id: str | None = None
    before_id: str | None = None
    lifecycles: tuple[str, ...] = ()


def page_request(
    *, limit: str | None, after_id: str | None, before_id: str | None, lifecycles: Sequence[str]
) -> PageRequest:
    """The page that query parameters ask for; raises InvalidRequestError."""
    if limit is not None and not (limit.isascii() and limit.isdecimal()):
        raise InvalidRequestError("limit: Input should be a valid integer")
    number = int(limit[:9]) if limit is not None else DEFAULT_LIMIT
    if number < 1:
        raise InvalidRequestError("limit: Input should be greater than or equal to 1")
    if number > MAX_LIMIT:
        raise InvalidRequestError(f"limit: Input should be less than or equal to {MAX_LIMIT}")
    if after_id and before_id:
        raise InvalidRequestError("after_id: only one of after_id and before_id may be given")
    for index, lifecycle in enumerate(lifecycles):
        if lifecycle not in _LIFECYCLES:
            raise InvalidRequestError(
                f"lifecycle.{index}: Input should be 'active', 'deprecated' or 'retired'"
            )
    return PageRequest(
        limit=number, after_id=after_id or None, before_id=before_id or None, lifecycles=tuple(lifecycles)
    )


def _with_alias(models: Sequence[ModelInfo]) -> Sequence[ModelInfo]:
    """The models, and the default one once more under a name by which clients that look for one find it.

    Claude Code lists only models whose names contain "claude".
    """
    if not models or "claude" in models[0].id:
        return models
    alias = f"claude-{models[0].id}"
    is_taken = any(info.id == alias for info in models)
    return models if is_taken else [*models, replace(models[0], id=alias)]


def _position(models: Sequence[ModelInfo], field: str, name: str) -> int:
    for position, info in enumerate(models):
        if info.id == name:
            return position
    raise InvalidRequestError(f"{field}: there is no model `{name[:200]}`")


def models_page(
    models: Sequence[ModelInfo], page: PageRequest, *, has_batches: bool = False
) -> dict[str, Any]:
    """One page of the list; an alias names the model that it stands for. has_batches: see `model_json`."""
    named = {info.id for info in models}
    default = models[0].id if models else None
    models = _with_alias(models)
    if page.lifecycles and "active" not in page.lifecycles:
        models = ()
    if page.before_id is not None:
        end = _position(models, "before_id", page.before_id)
        start = max(0, end - page.limit)
        chosen, has_more = models[start:end], start > 0
    else:
        start = _position(models, "after_id", page.after_id) + 1 if page.after_id is not None else 0
        chosen, has_more = models[start : start + page.limit], start + page.limit < len(models)
    return {
        "data": [
            model_json(info, has_batches=has_batches) | ({} if info.id in named else {"alias_of": default})
            for info in chosen
        ],
        "has_more": has_more,
        "first_id": chosen[0].id if chosen else None,
        "last_id": chosen[-1].id if chosen else None,
    }
