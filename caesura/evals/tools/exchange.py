"""What exercises with tools are made of: calls, exchanges, and kits of tools that exchanges are drawn from.

Enters: nothing. Leaves: plain values. Read next: any kind of kit, e.g. `lookups.py`; then `__init__.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from caesura.evals.tools.words import Words
from caesura.messages.content import Tool


class Call(NamedTuple):
    """One call and what comes of it."""

    name: str
    arguments: Mapping[str, Any]
    result: str
    is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A question, what is called for it, and the reply.

    question: what the user says.
    steps: calls that are made at once, one tuple after the other; none where nothing is to be called.
    reply: the text that ends it. answer: what of it must be right; "" where any reply will do.
    thoughts: what may be thought before each step and before the reply.
    is_forced: the request demands a call, so that calling is no decision.
    record: the reply is JSON and must be equal to this.
    """

    question: str
    steps: tuple[tuple[Call, ...], ...] = ()
    reply: str
    answer: str = ""
    thoughts: tuple[str, ...]
    is_forced: bool = False
    record: Mapping[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """Some tools and the exchanges that need them.

    tools: in no particular order. ask: draws an exchange.
    absent: what no tool beside them may speak of; "" where any may.
    """

    tools: tuple[Tool, ...]
    ask: Callable[[Random], Exchange]
    absent: str = ""


Kind = Callable[[Random, Words], Kit]


class Parameter(NamedTuple):
    """One argument of a tool."""

    key: str
    schema: Mapping[str, Any]
    is_required: bool = True


TEXT: Mapping[str, Any] = {"type": "string"}
WHOLE: Mapping[str, Any] = {"type": "integer"}
NUMBER: Mapping[str, Any] = {"type": "number"}
FLAG: Mapping[str, Any] = {"type": "boolean"}


def make_tool(rng: Random, name: str, description: str, parameters: Sequence[Parameter]) -> Tool:
    """A tool, its schema in one of the forms that schemas come in."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {each.key: dict(each.schema) for each in parameters},
    }
    required = [each.key for each in parameters if each.is_required]
    if required:
        schema["required"] = required
    if rng.random() < 0.15:
        schema["additionalProperties"] = False
    return Tool(name=name, description=description, input_schema=schema)


def described(rng: Random, schema: Mapping[str, Any], description: str, chance: float) -> Mapping[str, Any]:
    """The schema of an argument, perhaps with a description."""
    return {**schema, "description": description} if rng.random() < chance else schema


def asked(rng: Random, question: str) -> str:
    """The question as somebody may put it."""
    draw = rng.random()
    if draw < 0.08:
        return f"Please {question[0].lower()}{question[1:]}"
    if draw < 0.14:
        return f"{question} Thanks!"
    if draw < 0.20:
        return question.rstrip(".?!")
    return question


def failed(rng: Random, call: Call, what: str) -> tuple[Call, str]:
    """The call as it fails, and the reply to that."""
    reason = rng.choice(("not found", "timeout", "no such entry", "access denied", "bad request", "offline"))
    return call._replace(result=reason, is_error=True), f"I could not {what}: {reason}."
