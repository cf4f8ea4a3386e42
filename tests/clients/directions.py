"""What the scripted model says to a real client: what the client's own text tells it to.

A text of the user's holds a direction such as `[[say 42]]`, `[[call add {"a": 1}]]`, `[[raise overloaded]]`
or `[[edit /some/file]]`; the last one counts. How far a loop of calls has come is seen by its results, so
that every request stands for itself. Enters: a request. Leaves: a reply, or an error. Read next:
`servers.py`.
"""

from __future__ import annotations

import json
import re

from caesura.messages.content import TextBlock, ToolResultBlock, Turn
from caesura.messages.errors import ApiError, OverloadedError, RateLimitError
from caesura.messages.request import MessagesRequest
from caesura.messages.scripted import ScriptedCall, ScriptedReply

_DIRECTION = re.compile(r"\[\[(\w+)(?: (.*?))?\]\]", re.DOTALL)
BEFORE, AFTER = "The hare is slow.", "The hare is quick."
THOUGHT = "six times seven makes that"


def direct(request: MessagesRequest) -> ScriptedReply:
    """The reply that a request asks for; raises ApiError where it asks for that."""
    verb, rest, num_results = _direction(request)
    match verb:
        case "say":
            return ScriptedReply(thinking=THOUGHT, text=rest)
        case "call":
            is_done = num_results > 0
            return _said("It is done.") if is_done else ScriptedReply(thinking=THOUGHT, calls=(_call(rest),))
        case "keep_calling":
            return ScriptedReply(calls=(_call(rest),))
        case "edit":
            return _next(_editing(rest), num_results, "The hare is quick now.")
        case "search":
            return _next(_searching(), num_results, "I found nothing.")
        case "raise":
            raise _error(rest)
        case "break":
            return ScriptedReply(text="It breaks", error=_error(rest))
        case _:
            return _said("It is forty two.")


def _call(written: str) -> ScriptedCall:
    """A tool's name, and its arguments as JSON."""
    name, _, arguments = written.partition(" ")
    return ScriptedCall(name=name, input=json.loads(arguments))


def _said(text: str) -> ScriptedReply:
    return ScriptedReply(thinking=THOUGHT, text=text)


def _direction(request: MessagesRequest) -> tuple[str, str, int]:
    """The last direction, what it is about, and how many results have come since."""
    verb, rest, num_results = "", "", 0
    for turn in request.conversation.turns:
        directions = _DIRECTION.findall(_text(turn))
        if directions:
            (verb, rest), num_results = directions[-1], 0
        num_results += sum(isinstance(block, ToolResultBlock) for block in turn.content)
    return verb, rest, num_results


def _text(turn: Turn) -> str:
    texts = [block.text for block in turn.content if isinstance(block, TextBlock)]
    return "\n".join(texts) if turn.role == "user" else ""


def _editing(path: str) -> tuple[ScriptedCall, ...]:
    """An errand with Claude Code's own tools: read a file, change a line, look at it again."""
    return (
        ScriptedCall(name="Read", input={"file_path": path}),
        ScriptedCall(name="Edit", input={"file_path": path, "old_string": BEFORE, "new_string": AFTER}),
        ScriptedCall(name="Bash", input={"command": f"cat {path}", "description": "Look at the file"}),
    )


def _searching() -> tuple[ScriptedCall, ...]:
    """Find a tool that the prompt does not hold, and call it; then let another agent do something."""
    return (
        ScriptedCall(name="ToolSearch", input={"query": "select:WebSearch", "max_results": 3}),
        ScriptedCall(name="WebSearch", input={"query": "quick hares"}),
        ScriptedCall(
            name="Agent",
            input={"description": "Ask a hare", "prompt": "Which?", "subagent_type": "general-purpose"},
        ),
    )


def _next(steps: tuple[ScriptedCall, ...], num_results: int, end: str) -> ScriptedReply:
    if num_results >= len(steps):
        return _said(end)
    text = f"Step {num_results + 1} of {len(steps)}."
    return ScriptedReply(thinking=THOUGHT, text=text, calls=(steps[num_results],))


def _error(kind: str) -> ApiError:
    match kind:
        case "overloaded":
            return OverloadedError("Overloaded: the script says so")
        case "rate_limit":
            return RateLimitError("This script allows no request now", retry_after_s=7)
        case _:
            return ApiError(f"the script has a fault: {kind}")
