from __future__ import annotations

import json
from typing import cast

import pytest

from caesura.engine import EngineConfig, LoadedModel, SequenceRequest
from caesura.engine.constraint import BitRow, Constraint, Ends, GrammarError
from caesura.engine.core import EngineCore, Finished
from caesura.engine.grammar_sources import GrammarSource
from caesura.engine.loading import build_core, grammar_compiler
from caesura.messages.errors import InvalidRequestError
from caesura.messages.request import Sampling

WINDOW = 96


@pytest.fixture
def core(loaded: LoadedModel) -> EngineCore:
    core = build_core(loaded, EngineConfig(num_pages=3, num_threads=1))
    assert core.max_positions == WINDOW
    return core


def ended(core: EngineCore, request: SequenceRequest) -> Finished:
    """Run a request alone to its end."""
    core.add(core.prepare(request))
    while core.has_work:
        for report in core.step():
            if report.finished is not None:
                return report.finished
    raise AssertionError("it has not ended")


def test_a_prompt_that_is_only_computed_may_fill_the_window(core: EngineCore) -> None:
    finished = ended(core, SequenceRequest(prompt=(20,) * WINDOW, max_tokens=0))
    assert (finished.reason, finished.output) == ("max_tokens", ())
    assert finished.usage.prompt_tokens == WINDOW
    assert core.stats().num_used_pages == 0
    longer = SequenceRequest(prompt=(20,) * (WINDOW + 1), max_tokens=0)
    with pytest.raises(InvalidRequestError, match="prompt is too long: 97 tokens > 96 maximum"):
        core.prepare(longer)


def test_the_windows_last_token_is_an_answers_though_thinking_was_left_to_the_model(
    core: EngineCore, loaded: LoadedModel
) -> None:
    prompt = (20,) * (WINDOW - 1)
    finished = ended(core, SequenceRequest(prompt=prompt, opening="choose", max_tokens=1))
    tokens = loaded.chat_format.phase_tokens
    declined, word = finished.output
    assert declined == tokens.end_think
    assert word not in (tokens.think, tokens.end_think, *tokens.end)
    assert (finished.reason, finished.is_forced) == ("max_tokens", (True, False))
    assert (finished.usage.output_tokens, finished.usage.prompt_tokens) == (1, WINDOW - 1)


def test_a_sequence_that_cannot_be_queued_leaves_nothing_behind(
    core: EngineCore, caplog: pytest.LogCaptureFixture
) -> None:
    prepared = core.prepare(SequenceRequest(prompt=(20,) * 40, max_tokens=4))
    prepared.sequence.keys[:] = [cast(bytes, [])]  # cannot even be looked up
    with pytest.raises(TypeError):
        core.add(prepared)
    assert not core.has_work
    assert core.cancel(prepared.sequence.id) is None
    assert core.cancel_all() == []
    assert not caplog.records


CITY = {
    "type": "object",
    "properties": {"city": {"enum": ["Paris", "Rome"]}, "days": {"type": "integer"}},
    "required": ["city", "days"],
}


def test_log_probabilities_do_not_change_what_is_drawn_and_are_the_bare_models(loaded: LoadedModel) -> None:
    compiler = grammar_compiler(loaded)
    source = GrammarSource(kind="json_schema", text=json.dumps(CITY), path=("here",))
    core, outputs = build_core(loaded, EngineConfig(num_pages=16, num_threads=1)), []
    for wants in (False, True):
        request = SequenceRequest(
            prompt=(20, 30, 40),
            max_tokens=60,
            sampling=Sampling(seed=5),
            constraint=Constraint(answer=compiler.compile(source)),
            wants_log_probs=wants,
        )
        core.add(core.prepare(request))
        while core.has_work:
            outputs += [report.finished for report in core.step() if report.finished]
    compiler.close()
    bare, scored = outputs
    assert bare.output == scored.output
    assert len(scored.log_probs) == len(scored.output)
    assert all(log_prob <= 0 for log_prob in scored.log_probs)
    # A grammar leaves little choice, so under the bare model its tokens are unlikely.
    assert min(scored.log_probs) < -2


class Brittle:
    """A grammar whose matchers break after some tokens."""

    def __init__(self, num_tokens: int) -> None:
        self._num_left = num_tokens

    def matcher(self) -> Brittle:
        return Brittle(self._num_left)

    def allow(self, row: BitRow) -> Ends:
        if self._num_left == 0:
            raise GrammarError("too much work")
        row.bits[:] = 0
        row.bits[2] = 0xFFFF
        return Ends(may=False, must=False)

    def advance(self, token: int) -> None:
        self._num_left -= 1


def test_a_grammar_that_breaks_ends_its_own_sequence_and_no_other(loaded: LoadedModel) -> None:
    core = build_core(loaded, EngineConfig(num_pages=16, num_threads=1))
    for constraint in (Constraint(answer=Brittle(4)), Constraint(answer=Brittle(99))):
        core.add(core.prepare(SequenceRequest(prompt=(20, 30), max_tokens=9, constraint=constraint)))
    ends = []
    while core.has_work:
        ends += [report.finished for report in core.step() if report.finished]
    assert [(end.reason, len(end.output)) for end in ends] == [("failed", 4), ("max_tokens", 9)]
    assert core.stats().num_used_pages == 0
