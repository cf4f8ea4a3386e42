"""Anchors of patterns, resolved: from what is searched for to whole texts.

Anchors count at the edges of a pattern, in each of its alternatives; in the middle they are refused.
Enters: a tree with anchors. Leaves: a tree without. Read next: `pattern_reader.py`.
"""

from __future__ import annotations

from typing import NamedTuple

from caesura.engine.schemas.patterns import (
    ANY_TEXT,
    NEVER,
    NOTHING,
    Chars,
    Edge,
    Either,
    Repeat,
    Run,
    Tree,
    either,
    run,
)


class PatternError(ValueError):
    """A pattern that cannot be enforced; the message says why."""


class _Split(NamedTuple):
    """A tree whose anchors of one side are gone: what they held, and what needs none."""

    held: Tree
    free: Tree


def without_edges(tree: Tree, *, end: Tree) -> Tree:
    """Whole texts. end: what a text may have after its end as `$` sees it. Raises PatternError."""
    options: list[Tree] = []
    started = _split(tree, is_start=True)
    for before, part in ((NOTHING, started.held), (ANY_TEXT, started.free)):
        ended = _split(part, is_start=False)
        options += [run([before, ended.held, end]), run([before, ended.free, ANY_TEXT])]
    whole = either(options)
    if _has_edge(whole, is_start=None):
        raise PatternError("an anchor in the middle is not supported")
    return whole


def _split(tree: Tree, *, is_start: bool) -> _Split:
    match tree:
        case Edge() if tree.is_start == is_start:
            return _Split(NOTHING, NEVER)
        case Either(options=options):
            splits = [_split(option, is_start=is_start) for option in options]
            return _Split(either(each.held for each in splits), either(each.free for each in splits))
        case Run(parts=parts) if parts:
            return _split_run(parts, is_start=is_start)
        case _:
            if _has_edge(tree, is_start=is_start):
                raise PatternError("an anchor in the middle is not supported")
            return _Split(NEVER, tree)


def _split_run(parts: tuple[Tree, ...], *, is_start: bool) -> _Split:
    outer, rest = (parts[0], parts[1:]) if is_start else (parts[-1], parts[:-1])
    first = _split(outer, is_start=is_start)
    if first == (NOTHING, NEVER):
        # A second anchor beside the first one says the same again.
        inner = _split(run(rest), is_start=is_start)
        return _Split(either([inner.held, inner.free]), NEVER)
    if _has_edge(run(rest), is_start=is_start):
        raise PatternError("an anchor in the middle is not supported")

    def joined(part: Tree) -> Tree:
        return run([part, *rest] if is_start else [*rest, part])

    return _Split(joined(first.held), joined(first.free))


def _has_edge(tree: Tree, *, is_start: bool | None) -> bool:
    match tree:
        case Edge():
            return is_start is None or tree.is_start == is_start
        case Run(parts=parts) | Either(options=parts):
            return any(_has_edge(part, is_start=is_start) for part in parts)
        case Repeat(part=part):
            return _has_edge(part, is_start=is_start)
        case Chars():
            return False
