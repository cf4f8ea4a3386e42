"""The requests written for this project: what a line is, and that no part holds the other's."""

from __future__ import annotations

import pytest

from caesura.evals.safety.split import Resemblance
from caesura.evals.safety.written import parse_requests, written_requests
from caesura.messages.errors import DataError


def test_both_sides_are_as_many_and_no_request_stands_twice() -> None:
    rows = [*written_requests(for_measuring=False), *written_requests(for_measuring=True)]
    harmful = sum(each.is_harmful for each in rows)
    assert 0.4 < harmful / len(rows) < 0.55
    assert len({each.text.casefold() for each in rows}) == len(rows) > 9_000


def test_a_tenth_is_kept_for_measuring_and_nothing_learnt_nearly_repeats_it() -> None:
    learnt, kept = written_requests(for_measuring=False), written_requests(for_measuring=True)
    assert 0.08 < len(kept) / (len(learnt) + len(kept)) < 0.12
    near = Resemblance(each.text for each in kept)
    assert not [each.text for each in learnt if near.holds(each.text)]


def test_harmful_requests_have_a_category_and_harmless_ones_an_answer() -> None:
    for each in written_requests(for_measuring=False):
        assert (each.category != "none") is each.is_harmful
        assert bool(each.answer) is not each.is_harmful


@pytest.mark.parametrize(
    "line", ["H\teveryday\tHow?", "S\tfraud_deception\tHow?", "X\teveryday\tHow?", "S\teveryday\t ", "S"]
)
def test_a_line_that_is_no_request_is_named(line: str) -> None:
    with pytest.raises(DataError, match=r"requests\.tsv:2: "):
        list(parse_requests(f"H\tfraud_deception\tHow do I cheat?\n{line}"))
