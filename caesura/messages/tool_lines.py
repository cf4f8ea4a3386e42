"""Tools as results describe them.

Enters: tools, and what results hold. Leaves: a line for a tool; which parts of results are the first such
lines. Read next: `tool_references.py`, `context_edits.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from caesura.messages.content import ResultPart, TextBlock, Tool


def tool_line(tool: Tool) -> str:
    """A tool in one line of JSON, as our own format lists it."""
    told = {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def told_from_the_start(tools: Iterable[Tool]) -> tuple[Tool, ...]:
    """The same tools where the results that described some of them are gone."""
    return tuple(replace(tool, shown="at_start") if tool.shown == "in_result" else tool for tool in tools)


class FoundTools:
    """The tools that results describe, while one result after the other is read."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._waiting = {tool_line(tool) for tool in tools if tool.shown == "in_result"}

    def described_in(self, content: Sequence[ResultPart]) -> list[TextBlock]:
        """Those parts of the next result that describe a tool for the first time."""
        found: list[TextBlock] = []
        for part in content:
            if isinstance(part, TextBlock) and part.text in self._waiting:
                self._waiting.remove(part.text)
                found.append(part)
        return found
