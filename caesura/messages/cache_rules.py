"""The rules of a request body's cache breakpoints.

Enters: a body whose shape is right. Leaves: nothing, or an `InvalidRequestError`. Read next:
`request_rules.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from caesura.messages.blocks_in import WireBlock, WireCacheControl, marked
from caesura.messages.errors import InvalidRequestError
from caesura.messages.wire_in import WireCountRequest, WireMessage

MAX_CACHE_BREAKPOINTS = 4


def _breakpoints(
    body: WireCountRequest, messages: list[WireMessage]
) -> Iterator[tuple[str, WireCacheControl]]:
    """Every cache breakpoint with its path, in the order in which the prompt is rendered."""
    for position, tool in enumerate(body.tools or []):
        if tool.cache_control is not None:
            yield f"tools.{position}.cache_control", tool.cache_control
    for position, block in enumerate(body.system or []):
        if block.cache_control is not None:
            yield f"system.{position}.cache_control", block.cache_control
    for index, message in enumerate(messages):
        for position, block in enumerate(message.content):
            for control in marked(block):
                yield f"messages.{index}.content.{position}.cache_control", control
    if body.cache_control is not None:
        yield "cache_control", body.cache_control


def check_cache_control(body: WireCountRequest, messages: list[WireMessage]) -> None:
    """At most four breakpoints, the automatic one counted, and the long-lived ones first.

    messages: those that count.
    """
    _check_automatic(body, messages[-1].content[-1])
    breakpoints = list(_breakpoints(body, messages))
    if len(breakpoints) > MAX_CACHE_BREAKPOINTS:
        raise InvalidRequestError(
            f"A maximum of {MAX_CACHE_BREAKPOINTS} blocks with cache_control may be provided."
            f" Found {len(breakpoints)}."
        )
    has_short = False
    for path, control in breakpoints:
        if control.ttl == "1h" and has_short:
            raise InvalidRequestError(
                f"{path}.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control"
                " block. Note that blocks are processed in the following order:"
                " `tools`, `system`, `messages`."
            )
        has_short = has_short or control.ttl != "1h"


def _check_automatic(body: WireCountRequest, last: WireBlock) -> None:
    """The automatic breakpoint stands after the last block: one that stands there must agree with it."""
    breakpoints = marked(last)
    if body.cache_control is None or not breakpoints:
        return
    automatic, own = body.cache_control.ttl or "5m", breakpoints[-1].ttl or "5m"
    if automatic != own:
        raise InvalidRequestError(
            f"cache_control.ttl: the last block has a cache_control of its own with ttl='{own}', the"
            f" automatic one asks for ttl='{automatic}'; leave one of them out, or give both the same"
        )
