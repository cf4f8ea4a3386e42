"""How a reply to a tool item is graded: exactly, by its own words.

Enters: an item and what the model wrote. Leaves: a `ToolAttempt`. Read next: `tool_results.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

import jsonschema

from caesura.evals.tool_items import Aspect, ToolItem
from caesura.messages.content import Tool

# Whether grammars hold, and whether the reply opens with a thought.
Setting = Literal["constrained", "free", "constrained, thinking"]


class MadeCall(NamedTuple):
    """A call as it was written; `arguments` is None where they are no JSON object."""

    name: str
    arguments: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of an item.

    calls: in order. text: what was said. is_broken: a call was begun that cannot be read.
    thinking_tokens, output_tokens: of the usage. stop_reason: why it ended.
    """

    calls: tuple[MadeCall, ...]
    text: str
    is_broken: bool
    thinking_tokens: int
    output_tokens: int
    stop_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolAttempt:
    """One graded reply.

    id, kind, aspect: see `ToolItem`. setting: how it was asked. wants_calls: whether calls were to be made.
    is_choice: whether calling was up to the model.
    decided: called exactly if it was to. named: called the right tools. exact: with the right arguments.
    valid: whatever was called is a tool at hand, with arguments that keep to its schema; whatever was to be
    JSON keeps to its schema. made_call: whether it called anything.
    correct: the whole of what this item grades. written: calls and text, for reading.
    output_tokens: of the usage.
    """

    id: str
    kind: str
    aspect: Aspect
    setting: Setting
    wants_calls: bool
    is_choice: bool
    decided: bool
    named: bool
    exact: bool
    valid: bool
    made_call: bool
    correct: bool
    written: str
    output_tokens: int


def grade(item: ToolItem, reply: Reply, setting: Setting) -> ToolAttempt:
    """Compare a reply with what was expected."""
    decided = (bool(reply.calls) or reply.is_broken) is bool(item.calls)
    named = decided and sorted(call.name for call in reply.calls) == sorted(call.name for call in item.calls)
    expected = [MadeCall(call.name, call.arguments) for call in item.calls]
    exact = named and not reply.is_broken and _same(reply.calls, expected)
    made_call = bool(reply.calls) or reply.is_broken
    match item.aspect:
        case "decision":
            valid = not reply.is_broken and all(_fits(call, item.conversation.tools) for call in reply.calls)
            correct = exact
        case "answer":
            valid, correct = not made_call, not made_call and says(reply.text, item.answer)
        case "record":
            record = _read(reply.text)
            valid = record is not None and _is_valid(record, item.schema or {})
            correct = valid and record == item.record
    return ToolAttempt(
        id=item.id,
        kind=item.kind,
        aspect=item.aspect,
        setting=setting,
        wants_calls=bool(item.calls),
        is_choice=item.choice.mode == "auto",
        decided=decided,
        named=named,
        exact=exact,
        valid=valid,
        made_call=made_call,
        correct=correct,
        written=_written(reply),
        output_tokens=reply.output_tokens,
    )


def says(text: str, answer: str) -> bool:
    """Whether a text holds an answer as words of its own; case aside."""
    text, answer = text.casefold(), answer.casefold()
    at = text.find(answer)
    while at >= 0:
        before, after = text[:at][-1:], text[at + len(answer) :][:1]
        digits = text[at + len(answer) :][:2]
        is_longer_number = digits[:1] == "." and digits[1:].isdigit()
        if not (before.isalnum() or after.isalnum() or is_longer_number):
            return True
        at = text.find(answer, at + 1)
    return False


def _same(made: Sequence[MadeCall], expected: Sequence[MadeCall]) -> bool:
    """Whether the calls are the same ones, whatever their order."""
    left = list(expected)
    for call in made:
        if call not in left:
            return False
        left.remove(call)
    return not left


def _fits(call: MadeCall, tools: Sequence[Tool]) -> bool:
    schemas = [tool.input_schema for tool in tools if tool.name == call.name]
    return call.arguments is not None and bool(schemas) and _is_valid(call.arguments, schemas[0])


def _is_valid(value: Any, schema: Mapping[str, Any]) -> bool:
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


def _read(text: str) -> Mapping[str, Any] | None:
    try:
        value: object = json.loads(text)
    except ValueError:
        return None
    return cast(Mapping[str, Any], value) if isinstance(value, dict) else None


def _written(reply: Reply) -> str:
    calls = [f"{call.name}({json.dumps(call.arguments)})" for call in reply.calls]
    return " ".join([*calls, "broken call" if reply.is_broken else "", reply.text]).strip()
