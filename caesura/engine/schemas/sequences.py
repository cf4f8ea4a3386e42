"""Rules for things that come one after another, some of which may be left out.

How many have been written is part of a rule's name only where the number matters.
Enters: symbols. Leaves: the symbols of a sequence. Read next: `lists.py`, `json_text.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from caesura.engine.schemas.lark import LarkWriter

_MAX_INLINE = 400


class Slot(NamedTuple):
    """A thing at its place in a sequence."""

    symbols: str
    is_required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """Things in order, and what may follow them.

    slots: the things. extra: what may follow, any number of times; None: nothing. separator: symbols
    between two things. least, most: how many in all; `extra` counts once at most towards `least`.
    """

    slots: tuple[Slot, ...]
    extra: str | None = None
    separator: str = ""
    least: int = 0
    most: int | None = None


class _State(NamedTuple):
    """What is known when a slot is reached: how many have been written, and whether any has."""

    num_written: int
    is_first: bool


def sequence(lark: LarkWriter, wanted: Sequence) -> str | None:
    """The symbols of a sequence; None if there can be none."""
    return _SequenceWriter(lark, wanted).write()


class _SequenceWriter:
    def __init__(self, lark: LarkWriter, wanted: Sequence) -> None:
        self._lark = lark
        self._wanted = wanted
        num_required = sum(slot.is_required for slot in wanted.slots)
        self._has_least = wanted.least > num_required
        self._has_most = wanted.most is not None and (
            wanted.extra is not None or wanted.most < len(wanted.slots)
        )

    def write(self) -> str | None:
        reached: list[set[_State]] = [{_State(0, True)}]
        for slot in self._wanted.slots:
            reached.append({after for state in reached[-1] for after in self._after(state, slot)})
        after = {state: self._end(state) for state in reached[-1]}
        for slot, states in zip(reversed(self._wanted.slots), reversed(reached[:-1]), strict=True):
            after = {state: self._slot(state, slot, after) for state in states}
        return after[_State(0, True)]

    def _written(self, state: _State) -> _State | None:
        """The state after one more; None if that is one too many."""
        most = self._wanted.most
        if self._has_most and most is not None:
            return _State(state.num_written + 1, False) if state.num_written < most else None
        return _State(min(state.num_written + 1, self._wanted.least) if self._has_least else 0, False)

    def _after(self, state: _State, slot: Slot) -> list[_State]:
        written = self._written(state)
        left_out = [] if slot.is_required else [state]
        return left_out if written is None else [written, *left_out]

    def _slot(self, state: _State, slot: Slot, after: dict[_State, str | None]) -> str | None:
        options: list[str] = []
        written = self._written(state)
        rest = None if written is None else after[written]
        if rest is not None:
            separator = "" if state.is_first else f"{self._wanted.separator} "
            options.append(f"{separator}{slot.symbols} {rest}")
        skipped = None if slot.is_required else after[state]
        if skipped is not None:
            options.append(skipped or '""')
        return choice(self._lark, options)

    def _end(self, state: _State) -> str | None:
        wanted = self._wanted
        missing = max(0, wanted.least - state.num_written) if self._has_least else 0
        room = wanted.most - state.num_written if self._has_most and wanted.most is not None else None
        if wanted.extra is None or room == 0:
            return None if missing else ""
        if missing > 1:
            return None
        again = f"{wanted.separator} {wanted.extra}"
        if not state.is_first:
            return times(again, missing, room)
        more = times(again, 0, None if room is None else room - 1)
        return choice(self._lark, [f"{wanted.extra} {more}", *([] if missing else ['""'])])


def choice(lark: LarkWriter, options: list[str]) -> str | None:
    """Alternatives as symbols: written in place if there is only one and it is short."""
    if not options:
        return None
    if len(options) == 1 and len(options[0]) <= _MAX_INLINE:
        return "" if options[0] == '""' else options[0]
    return lark.rule(options)


def times(symbols: str, least: int, most: int | None) -> str:
    """Symbols so many times; None: without limit."""
    if most == 0:
        return ""
    if most is None and least <= 1:
        return f"({symbols}){'+' if least else '*'}"
    return f"({symbols}){{{least},{'' if most is None else most}}}"
