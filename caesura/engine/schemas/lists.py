"""Rules for lists: items of several kinds in a row, items that must occur, items that occur once.

Enters: a `Listing`, and how its parts are written. Leaves: the symbols of its items. Read next:
`sequences.py`, `json_text.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from caesura.engine.schemas.lark import PARAMETER, LarkWriter
from caesura.engine.schemas.sequences import choice, times
from caesura.engine.schemas.shapes import Listing


class Items(NamedTuple):
    """How the items of a list are written.

    symbol: an item, by its part's number. values: the items of a part that lists them, one by one.
    separator: symbols between two items.
    """

    symbol: Callable[[int], str]
    values: Callable[[int], list[str]]
    separator: str


class Counts(NamedTuple):
    """How many at least, and at most."""

    least: int
    most: int | None


def list_items(lark: LarkWriter, listing: Listing, written: Items, *, least: int | None = None) -> str | None:
    """The items of a list; None if there can be no such list. least: another number than the list's own."""
    counts = Counts(listing.least if least is None else least, listing.most)
    if listing.is_unique and listing.rest is not None:
        return _unique(lark, written.values(listing.rest), written.separator, counts)
    wanted = listing.occurring
    if wanted is not None:
        other = None if wanted.other is None else written.symbol(wanted.other)
        symbols = (written.symbol(wanted.part), other)
        return _occurring(lark, symbols, written.separator, Counts(wanted.least, wanted.most), counts)
    prefix = [written.symbol(part) for part in listing.prefix]
    rest = None if listing.rest is None else written.symbol(listing.rest)
    return _plain(lark, prefix, rest, written.separator, counts)


def _plain(
    lark: LarkWriter, prefix: list[str], rest: str | None, separator: str, counts: Counts
) -> str | None:
    """A list: first these, then any number of `rest`; it may stop wherever it is long enough."""
    least, most = counts
    if most is not None and most < len(prefix):
        prefix, rest = prefix[:most], None
    after: str | None
    if rest is None:
        after = "" if least <= len(prefix) else None
    else:
        room = None if most is None else most - len(prefix)
        missing = max(0, least - len(prefix))
        after = times(f"{separator} {rest}", missing, room)
        if not prefix and room != 0:
            # The first one has no separator before it.
            more = times(f"{separator} {rest}", max(0, missing - 1), None if room is None else room - 1)
            after = lark.rule([f"{rest} {more}", *([] if missing else ['""'])])
    for at in range(len(prefix) - 1, -1, -1):
        options = [] if after is None else [f"{separator if at else ''} {prefix[at]} {after}"]
        options += ['""'] if at >= least else []
        after = choice(lark, options)
    return after


def _occurring(
    lark: LarkWriter, symbols: tuple[str, str | None], separator: str, wanted: Counts, in_all: Counts
) -> str | None:
    """A list in which the first symbol occurs so often among others.

    A state is how many items there are and how many of them are wanted, as far as that matters.
    """
    cap_wanted = wanted.least if wanted.most is None else wanted.most
    cap = max(1, in_all.least, cap_wanted) if in_all.most is None else in_all.most
    states = [(total, seen) for total in range(cap + 1) for seen in range(min(total, cap_wanted) + 1)]
    names = {state: lark.name() for state in states}
    alive: set[tuple[int, int]] = set()
    for total, seen in reversed(states):
        options = ['""'] if total >= in_all.least and seen >= wanted.least else []
        for symbol, is_wanted in zip(symbols, (True, False), strict=True):
            then = (
                total + 1 if in_all.most is not None else min(total + 1, cap),
                seen + is_wanted if wanted.most is not None else min(seen + is_wanted, wanted.least),
            )
            # A loop leads somewhere only where something else leads out of it.
            leads_on = then in alive or (then == (total, seen) and bool(options))
            if symbol is not None and leads_on:
                options.append(f"{separator if total else ''} {symbol} {names[then]}")
        if options:
            alive.add((total, seen))
            lark.rule(options, names[total, seen])
    return names[0, 0] if (0, 0) in alive else None


def _unique(lark: LarkWriter, values: list[str], separator: str, counts: Counts) -> str | None:
    """A list of some of these values, each at most once: a bit for each notes whether it has occurred."""
    least, most = counts.least, len(values) if counts.most is None else min(len(values), counts.most)
    if least > most or most == 0:
        return None if least > most else ""
    first, more = lark.name(), lark.name()
    chosen = [f"{value} {more}::set_bit({at}) %if bit_clear({at})" for at, value in enumerate(values)]
    lark.rule(chosen, first + PARAMETER)
    end = f'"" %if bit_count_ge(_, {least})'
    lark.rule([end, f"{separator} {first}{PARAMETER} %if bit_count_lt(_, {most})"], more + PARAMETER)
    return lark.rule([f"{first}::0x0", *([] if least else ['""'])])
