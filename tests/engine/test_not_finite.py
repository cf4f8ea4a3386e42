"""What a dtype cannot hold ends its own sequence, and reaches nobody else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import pytest
import torch

from caesura.engine import EngineConfig, LoadedModel, SequenceRequest, build_engine
from caesura.engine.core import EngineCore, Finished
from caesura.engine.kv_store import KVDtype
from caesura.engine.loading import build_core
from caesura.engine.scheduler import SchedulerConfig
from caesura.engine.sequence import Retention
from caesura.engine.tails import Tail
from caesura.messages.errors import ApiError
from caesura.messages.request import Sampling
from caesura.model import Transformer
from tests.engine.conftest import SMALL
from tests.engine.fake_model import FakeTiers

BAD = 77  # the id whose embedding is no number
NUM_PAGES = 24


class Kind(NamedTuple):
    dtype: torch.dtype
    kv_dtype: KVDtype | None = None
    window: int | None = None


KINDS = pytest.mark.parametrize(
    "kind",
    [
        Kind(torch.float32),
        Kind(torch.bfloat16),
        Kind(torch.float16),
        Kind(torch.float32, "int8"),
        Kind(torch.bfloat16, "int8"),
        Kind(torch.float32, None, 40),
    ],
    ids=str,
)


def poisoned(loaded: LoadedModel, kind: Kind, *, tensor: str = "embedding") -> LoadedModel:
    """A model that cannot compute one id, or the score of one."""
    windows = (kind.window,) * SMALL.num_layers if kind.window else SMALL.windows
    model = Transformer(replace(SMALL, tie_embeddings=False, windows=windows))
    model.initialise(torch.Generator().manual_seed(7))
    with torch.no_grad():
        model.embed_tokens.weight.mul_(8.0)
        if tensor == "embedding":
            model.embed_tokens.weight[BAD] = torch.nan
        else:
            assert model.lm_head is not None
            model.lm_head.weight[BAD] = torch.nan
    return replace(loaded, model=model.to_dtype(kind.dtype).eval())


def config_of(kind: Kind, **fields: object) -> EngineConfig:
    scheduler = SchedulerConfig(max_running=8, max_step_tokens=128)
    config = EngineConfig(scheduler=scheduler, num_pages=NUM_PAGES, num_threads=1, kv_dtype=kind.kv_dtype)
    return replace(config, **fields)  # pyright: ignore[reportArgumentType]


def ask(prompt: tuple[int, ...], tenant: str, max_tokens: int = 6) -> SequenceRequest:
    sampling = Sampling(temperature=0.0)
    return SequenceRequest(prompt=prompt, max_tokens=max_tokens, tenant=tenant, sampling=sampling)


def run(core: EngineCore, requests: list[SequenceRequest]) -> list[Finished]:
    """All of them to their ends, together."""
    prepared = [core.prepare(request) for request in requests]
    for each in prepared:
        core.add(each)
    finished: dict[int, Finished] = {}
    while core.has_work:
        finished |= {report.sequence: report.finished for report in core.step() if report.finished}
    return [finished[each.sequence.id] for each in prepared]


def innocents() -> list[SequenceRequest]:
    # Of several lengths, so that some are padded; two that share a beginning.
    lengths = (20, 41, 70, 100, 101)
    return [ask(tuple(range(100, 100 + length)), "good", max_tokens=30) for length in lengths]


def spoil_every_page(core: EngineCore) -> None:
    for number in range(5):
        prompt = (20 + number, *[BAD] * 230)
        (finished,) = run(core, [ask(prompt, "bad")])
        assert (finished.reason, finished.output) == ("failed", ())


@KINDS
def test_pages_that_held_no_numbers_change_nobody_elses_output(loaded: LoadedModel, kind: Kind) -> None:
    model = poisoned(loaded, kind)
    clean = run(build_core(model, config_of(kind)), innocents())
    core = build_core(model, config_of(kind))
    spoil_every_page(core)
    after = run(core, innocents())
    assert [each.output for each in after] == [each.output for each in clean]
    assert {each.reason for each in after} <= {"max_tokens", "end"}


@KINDS
def test_a_row_that_is_no_numbers_ends_alone_in_its_step(loaded: LoadedModel, kind: Kind) -> None:
    model = poisoned(loaded, kind)
    # One that fails beside the others in each of its steps is what they have to bear.
    company = [ask((BAD,), "bad"), ask((30, 31, BAD), "bad"), ask((30,) * 50 + (BAD,) * 3, "good")]
    alone = run(build_core(model, config_of(kind)), innocents())
    together = run(build_core(model, config_of(kind)), [*company[:2], *innocents(), company[2]])
    assert [each.reason for each in (*together[:2], together[-1])] == ["failed"] * 3
    assert {each.reason for each in alone} == {each.reason for each in together[2:-1]}
    if kind.dtype == torch.float32:  # elsewhere the batch moves the rounding
        assert [each.output for each in together[2:-1]] == [each.output for each in alone]


@pytest.mark.parametrize("max_tokens", [0, 6])
def test_what_is_no_numbers_reaches_neither_tree_nor_tiers(loaded: LoadedModel, max_tokens: int) -> None:
    kind, tiers = Kind(torch.float32), FakeTiers()
    core = build_core(poisoned(loaded, kind), config_of(kind, tiers=tiers))
    # The first step computes four good pages of it, the next the bad ones.
    prompt = (*range(100, 228), *[BAD] * 40, *range(100, 164))
    wanted = replace(ask(prompt, "bad", max_tokens), retentions=(Retention(len(prompt), 300.0),))
    (finished,) = run(core, [wanted])
    assert finished.reason == "failed"
    assert core.stats().num_kept_pages == len(tiers.payloads) == 4
    assert core.stats().num_used_pages == 0
    for payload in tiers.payloads.values():
        assert torch.frombuffer(bytearray(payload), dtype=torch.float32).isfinite().all()
    (again,) = run(core, [ask((*prompt[:128], 30), "bad")])
    assert again.reason == "max_tokens"
    assert again.usage.cache_read_input_tokens == 128


def test_a_tail_that_is_no_numbers_is_not_kept(loaded: LoadedModel) -> None:
    kind = Kind(torch.float32)
    core = build_core(poisoned(loaded, kind), config_of(kind))
    core.warmer.add(lambda: Tail(ids=(*[30] * 32, *[BAD] * 64), num_known=0, tenant="bad"))
    core.warmer.run(lambda: False)
    assert core.stats().num_kept_pages == 1
    (finished,) = run(core, [ask((*[30] * 64, 31), "bad")])
    assert finished.reason == "max_tokens"


def test_scores_that_are_no_numbers_end_their_row_and_its_pages_are_kept(loaded: LoadedModel) -> None:
    kind = Kind(torch.float32)
    core = build_core(poisoned(loaded, kind, tensor="scores"), config_of(kind))
    finished = run(core, [ask(tuple(range(100, 170)), "good"), ask((30, 31), "good")])
    assert [(each.reason, each.output) for each in finished] == [("failed", ())] * 2
    assert core.stats().num_kept_pages == 2


def test_its_stream_ends_in_an_error_and_the_others_do_not(loaded: LoadedModel) -> None:
    kind = Kind(torch.float32)
    engine = build_engine(poisoned(loaded, kind), config_of(kind))
    try:
        with ThreadPoolExecutor(2) as threads:
            good = threads.submit(engine.generate, [ask((30,) * 20, "good", max_tokens=200)])
            sampled = replace(ask((BAD,) * 5, "bad"), sampling=Sampling(temperature=1.0, top_p=0.9))
            bad = threads.submit(engine.generate, [sampled])
            with pytest.raises(ApiError, match="failed while it computed"):
                bad.result()
            (completion,) = good.result()
        assert completion.finished.reason in ("max_tokens", "end")
    finally:
        engine.close()
