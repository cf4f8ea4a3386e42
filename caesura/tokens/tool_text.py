"""How tools, calls and results read, whoever's chat format they stand in.

Enters: tools and blocks. Leaves: plain text, for a writer to put between markers. Read next: `chat_format.py`
(ours), `template_messages.py` (others').
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from caesura.messages.content import Block, TextBlock, ToolResultBlock, ToolUseBlock

TOOLS_HEADING = "Tools that can be called:"
ERROR_PREFIX = "Error: "


def call_text(name: str, arguments: Mapping[str, Any]) -> str:
    """What stands between the markers of a call."""
    return json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)


def result_texts(result: ToolResultBlock) -> list[str]:
    """The texts of a result, the first of which says if it is an error. Raises ValueError for a picture."""
    texts: list[str] = []
    for block in result.content:
        if not isinstance(block, TextBlock):
            raise no_images()
        texts.append(block.text)
    if not result.is_error:
        return texts
    return [ERROR_PREFIX + "".join(texts[:1]), *texts[1:]]


def no_images() -> ValueError:
    """The refusal of a picture."""
    return ValueError("this model reads no images; send text alone")


def in_order_of_calls(content: Sequence[Block], asked: Sequence[Block]) -> tuple[Block, ...]:
    """A turn with its results first, in the order of the calls in the turn before it."""
    places = {call.id: place for place, call in enumerate(asked) if isinstance(call, ToolUseBlock)}
    results = [block for block in content if isinstance(block, ToolResultBlock)]
    results.sort(key=lambda result: places.get(result.tool_use_id, len(asked)))
    return (*results, *(block for block in content if not isinstance(block, ToolResultBlock)))


def check_speakers(role: str, content: Sequence[Block]) -> None:
    """Raise ValueError for a block in the turn of someone who cannot say such a thing."""
    if role != "assistant" and any(isinstance(block, ToolUseBlock) for block in content):
        raise ValueError(f"calls of tools belong to the assistant, not to the {role}")
    if role != "user" and any(isinstance(block, ToolResultBlock) for block in content):
        raise ValueError(f"results of tools belong to the user, not to the {role}")
