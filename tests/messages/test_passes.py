"""What a reply of several passes is said to have taken when it is left."""

from __future__ import annotations

from caesura.messages.passes import Passes
from caesura.messages.response import Usage

FIRST = Usage(input_tokens=30, output_tokens=5)
SECOND = Usage(input_tokens=40, output_tokens=2)


def test_a_pass_that_runs_tells_of_itself_and_of_those_before() -> None:
    told: list[Usage] = []
    passes = Passes(told.append)
    passes.begin()
    passes.end(FIRST)
    tell = passes.begin()
    assert tell is not None
    tell(SECOND)
    passes.leave()
    assert [(each.input_tokens, each.output_tokens) for each in told] == [(70, 7)]


def test_what_was_done_is_told_though_the_next_pass_was_only_about_to_begin() -> None:
    told: list[Usage] = []
    passes = Passes(told.append)
    passes.begin()
    passes.end(FIRST)
    passes.begin()
    passes.leave()
    assert [(each.input_tokens, each.output_tokens) for each in told] == [(30, 5)]


def test_of_a_reply_that_has_done_nothing_nothing_is_told() -> None:
    told: list[Usage] = []
    passes = Passes(told.append)
    passes.begin()
    passes.leave()
    assert told == []
