"""Whole engines whose small steps are native."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import torch

from caesura.engine import EngineConfig, LoadedModel, SequenceRequest
from caesura.engine.core import EngineCore, Finished
from caesura.engine.loading import build_core
from caesura.engine.pages import PAGE_SIZE_CPU
from caesura.engine.scheduler import SchedulerConfig
from caesura.kernels.building import Build
from caesura.messages.request import Sampling
from caesura.model import PackedAttention, Transformer
from tests.engine.test_not_finite import BAD, Kind, ask, config_of, innocents, poisoned, run, spoil_every_page

HALF = Kind(torch.bfloat16)


@pytest.fixture(scope="module")
def native(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Build:
    return Build(tmp_path_factory.mktemp("builds"))


def half(loaded: LoadedModel) -> LoadedModel:
    model = Transformer(loaded.model.config)
    model.load_state_dict(loaded.model.state_dict())
    return replace(loaded, model=model.to_dtype(torch.bfloat16).eval())


def core_of(loaded: LoadedModel, native: Build, **fields: object) -> EngineCore:
    config = EngineConfig(
        scheduler=SchedulerConfig(max_running=8, max_step_tokens=64), num_pages=64, num_threads=1
    )
    return build_core(half(loaded), replace(config, native=native, **fields))  # pyright: ignore[reportArgumentType]


def questions() -> list[SequenceRequest]:
    """Some begin alike; their lengths lie before, at and behind the ends of pages."""
    begin = tuple(range(40, 40 + 4 * PAGE_SIZE_CPU))
    greedy = Sampling(temperature=0.0)
    lengths = (1, PAGE_SIZE_CPU - 1, PAGE_SIZE_CPU, PAGE_SIZE_CPU + 1, 70)
    prompts = [tuple(range(100, 100 + length)) for length in lengths]
    prompts += [begin + tuple(range(200, 200 + length)) for length in lengths]
    return [
        SequenceRequest(prompt=each, max_tokens=20, sampling=greedy, wants_log_probs=True) for each in prompts
    ]


def test_engine_log_probabilities_are_the_networks(loaded: LoadedModel, native: Build) -> None:
    for request, done in zip(questions(), run(core_of(loaded, native), questions()), strict=True):
        check_log_probs(loaded, request, done)


def check_log_probs(loaded: LoadedModel, request: SequenceRequest, done: Finished) -> None:
    ids = [*request.prompt, *done.output]
    weights = half(loaded).model.state_dict()
    exact = Transformer(loaded.model.config)
    exact.load_state_dict(weights)
    with torch.inference_mode():
        hidden = exact(torch.tensor([ids]), torch.arange(len(ids))[None], PackedAttention())
        scores = exact.logits(hidden)[0].log_softmax(-1)
    for place, (token, is_forced, log_prob) in enumerate(
        zip(done.output, done.is_forced, done.log_probs, strict=True), start=len(request.prompt) - 1
    ):
        if not is_forced:
            assert abs(float(scores[place, token]) - log_prob) < 0.08


def test_what_is_cached_is_answered_as_what_is_computed(loaded: LoadedModel, native: Build) -> None:
    core = core_of(loaded, native)
    for request in questions():
        (first,) = run(core, [request])
        (again,) = run(core, [request])
        assert again.usage.cache_read_input_tokens == (
            (len(request.prompt) - 1) // PAGE_SIZE_CPU * PAGE_SIZE_CPU
        )
        difference = torch.tensor(first.log_probs[:1]) - torch.tensor(again.log_probs[:1])
        assert difference.abs().max() < 0.08
    assert core.stats().num_used_pages == 0


def test_pages_that_held_no_numbers_change_nobody_elses_output(loaded: LoadedModel, native: Build) -> None:
    model = poisoned(loaded, HALF)
    clean = run(build_core(model, config_of(HALF, native=native)), innocents())
    core = build_core(model, config_of(HALF, native=native))
    spoil_every_page(core)
    assert [each.output for each in run(core, innocents())] == [each.output for each in clean]


def test_a_row_that_is_no_numbers_ends_alone_in_its_step(loaded: LoadedModel, native: Build) -> None:
    core = build_core(poisoned(loaded, HALF), config_of(HALF, native=native))
    ends = [each.reason for each in run(core, [ask((BAD,), "bad"), *innocents(), ask((30, BAD), "bad")])]
    assert (ends[0], ends[-1]) == ("failed", "failed")
    assert set(ends[1:-1]) <= {"max_tokens", "end"}


def test_the_log_says_which_steps_are_computed_how(
    loaded: LoadedModel, native: Build, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="caesura.engine.loading"):
        core_of(loaded, native)
        core_of(loaded, native, kv_dtype="int8")
    assert [record.getMessage() for record in caplog.records] == [
        "small steps are computed by native code",
        "small steps are computed by torch's operators",
    ]
