"""Writes a grammar in llguidance's dialect of Lark.

Rules and terminals get numbers for names; equal terminals are written once.
Enters: alternatives. Leaves: the grammar's text. Read next: `json_text.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from caesura.engine.schemas.refusal import Pointer

# A rule that is parametrised by a 64-bit number, which its alternatives test and change.
PARAMETER = "::_"


class Risk(NamedTuple):
    """A terminal whose conditions could multiply: its name, its schema among several, and the keyword."""

    terminal: str
    document: int
    pointer: Pointer


class LarkWriter:
    """A grammar as it is written.

    risks: terminals that should be tried before they are relied on.
    """

    def __init__(self) -> None:
        self._terminals: dict[str, str] = {}
        self._rules: list[str] = []
        self._num_names = 0
        self.risks: list[Risk] = []

    def terminal(self, expression: str) -> str:
        """The name of a terminal."""
        name = self._terminals.get(expression)
        if name is None:
            name = self._terminals[expression] = f"T{len(self._terminals)}"
        return name

    def name(self) -> str:
        """A name for a rule that is written later."""
        self._num_names += 1
        return f"r{self._num_names}"

    def rule(self, alternatives: Iterable[str], name: str | None = None) -> str:
        """Write a rule; its name."""
        name = name or self.name()
        self._rules.append(f"{name}: {' | '.join(alternatives)}")
        return name

    def text(self, start: Sequence[str]) -> str:
        """The whole grammar, which begins with these symbols."""
        terminals = (f"{name}: {expression}" for expression, name in self._terminals.items())
        return "\n".join([f"start: {' '.join(start)}", *self._rules, *terminals]) + "\n"
