"""Whether a stream of events is what the API promises.

Enters: the events of a reply, as JSON. Leaves: what is wrong with them. Read next: `claude_code.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

_INPUT_TOKENS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_DELTAS = {
    "text": {"text_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
}


def num_prompt(events: Sequence[Any]) -> int:
    """Tokens of the prompt, cached ones too."""
    usage: dict[str, Any] = events[0]["message"]["usage"]
    return sum(int(usage[name]) for name in _INPUT_TOKENS)


def faults(events: Sequence[Any]) -> list[str]:
    """What is wrong with a reply's events, in order and in form; nothing, if all is well."""
    told = [event for event in events if event["type"] != "ping"]
    kinds = [event["type"] for event in told]
    if kinds[:1] != ["message_start"] or kinds[-2:] != ["message_delta", "message_stop"]:
        return [f"begins or ends as no reply does: {kinds[:1]} ... {kinds[-2:]}"]
    reason = told[-2]["delta"]["stop_reason"]
    found = list(_block_faults(told[1:-2], is_cut=reason == "max_tokens"))
    if reason is None:
        found.append("has no stop reason")
    return found


def _block_faults(events: Sequence[Any], *, is_cut: bool) -> Iterator[str]:
    """One block is open at a time, and its deltas are of its kind. A reply that is cut may end in a call."""
    index, block, written = -1, None, ""
    for number, event in enumerate(events, start=1):
        kind = event["type"]
        if kind == "content_block_start" and block is None and event["index"] == index + 1:
            index, block, written = event["index"], event["content_block"]["type"], ""
        elif kind == "content_block_delta" and block is not None and event["index"] == index:
            if event["delta"]["type"] not in _DELTAS[block]:
                yield f"a {block} block has a {event['delta']['type']}"
            written += event["delta"].get("partial_json", "")
        elif kind == "content_block_stop" and block is not None and event["index"] == index:
            if not (is_cut and number == len(events)):
                yield from _call_faults(block, written)
            block = None
        else:
            yield f"{kind} of block {event.get('index')} where {block} is open"


def _call_faults(block: str, written: str) -> Iterator[str]:
    if block != "tool_use":
        return
    try:
        if not isinstance(json.loads(written or "{}"), dict):
            yield f"a call's input is no object: {written[:200]}"
    except ValueError:
        yield f"a call's input is no JSON: {written[:200]}"
