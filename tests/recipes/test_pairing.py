"""Comparisons are mixed without repeats, and lengths tell nothing."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.preferences import Preference
from caesura.recipes.pairing import Comparison, WeightedDraw, balanced, drawn, question

_ALIKE = Comparison(dimension="helpful", source="a")


def _row(chosen: int, rejected: int, source: str = "a") -> Preference:
    alike = Comparison(dimension="helpful", source=source)
    row = alike.of(question("Q?"), "c" * chosen, "r" * rejected, 1.0)
    assert row is not None
    return row


def test_sides_that_are_equal_empty_or_marked_make_no_comparison() -> None:
    asked = question("Q?")
    assert _ALIKE.of(asked, "yes", " yes ", 1.0) is None
    assert _ALIKE.of(asked, "yes", "  ", 1.0) is None
    assert _ALIKE.of(asked, "yes <think>", "no", 1.0) is None
    row = _ALIKE.of(asked, "yes", "no", 0.9)
    assert row is not None
    assert (row.chosen, row.p, row.source, row.labeler) == ("yes", 0.9, "a", "rules")


def test_no_two_are_alike_and_the_same_seed_gives_the_same() -> None:
    def draw(rng: random.Random) -> Preference | None:
        return _ALIKE.of(question("Q?"), f"c{rng.randrange(40)}", "r", 1.0) if rng.random() < 0.8 else None

    kinds = {"one": WeightedDraw(weight=1, draw=draw)}
    rows = list(drawn(kinds, "s", 30))
    assert len({row.chosen for row in rows}) == 30
    assert list(drawn(kinds, "s", 30)) == rows
    assert list(drawn(kinds, "s", 10)) == rows[:10]
    assert list(drawn(kinds, "t", 30)) != rows


def test_a_kind_that_runs_dry_ends_the_drawing() -> None:
    kinds = {"one": WeightedDraw(weight=1, draw=lambda rng: _row(1 + rng.randrange(3), 1))}
    assert len(list(drawn(kinds, "s", 50))) == 3


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400), st.sampled_from("ab")), max_size=80))
def test_what_is_longer_is_as_often_better_as_worse(sizes: list[tuple[int, int, str]]) -> None:
    rows = [_row(chosen, rejected, source) for chosen, rejected, source in sizes]
    kept = list(balanced(rows))
    for source in "ab":
        differences = [len(row.chosen) - len(row.rejected) for row in kept if row.source == source]
        assert sum(each > 0 for each in differences) == sum(each < 0 for each in differences)
    assert sum(len(row.chosen) == len(row.rejected) for row in kept) == sum(c == r for c, r, _ in sizes)


def test_partners_differ_by_about_as_much() -> None:
    assert list(balanced([_row(10, 8), _row(200, 20), _row(20, 22)])) == [_row(10, 8), _row(20, 22)]
    assert list(balanced([_row(10, 8, "a"), _row(20, 22, "b")])) == []
