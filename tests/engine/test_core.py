from __future__ import annotations

from typing import cast

import pytest

from caesura.engine import EngineConfig, LoadedModel, SequenceRequest
from caesura.engine.core import EngineCore, Finished
from caesura.engine.loading import build_core
from caesura.messages.errors import InvalidRequestError

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
