"""Keys and values in eight bits: how far off they are, and that nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.engine import EngineConfig, Finished, LoadedModel, SequenceRequest, build_engine
from caesura.engine.int8_store import Int8Store, rounded
from caesura.engine.kv_store import KVDtype
from caesura.engine.loading import build_core
from caesura.engine.tiers import PageTiers, TieredPages
from caesura.messages.request import Sampling
from caesura.model import Transformer
from tests.engine.cache_pages import OWNER, open_tier
from tests.engine.conftest import SMALL
from tests.engine.test_runner import PAGE, Pages, tokens, whole

GREEDY = Sampling(temperature=0.0)


def same(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Computed in another way, a key in thousands may round to the next integer, which moves logits by 0.001;
    that keys are rounded at all moves them by 0.02.
    """
    return bool((found - wanted).abs().max() < 2e-3)


def widened(rows: torch.Tensor) -> torch.Tensor:
    integers, scales = rounded(rows)
    return integers.float() * scales.float()


@given(
    exponent=st.integers(-30, 30),
    num_rows=st.integers(1, 5),
    seed=st.integers(0, 2**31),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
)
@settings(deadline=None)
def test_a_number_is_off_by_half_a_step_of_its_row(
    exponent: int, num_rows: int, seed: int, dtype: torch.dtype
) -> None:
    rows = torch.randn(num_rows, 16, generator=torch.Generator().manual_seed(seed))
    rows = (rows * 2.0**exponent).to(dtype)
    step = rows.float().abs().amax(-1, keepdim=True) / 127
    # The scale is rounded to eight bits; where that made it smaller, the largest number is cut off.
    assert ((widened(rows) - rows.float()).abs() <= step * 0.5 * (1 + 2**-7)).all()


def test_zeros_and_ends_of_the_range_are_kept() -> None:
    rows = torch.zeros(3, 16)
    rows[1, 3], rows[2, 5] = 1e30, -1e-30
    read = widened(rows)
    assert (rounded(rows)[1] > 0).all(), "nothing is divided by zero"
    assert torch.equal(read[0], rows[0])
    torch.testing.assert_close(read, rows, rtol=2**-8, atol=0)


def test_each_head_of_each_token_has_a_step_of_its_own() -> None:
    rows = torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    loud = torch.cat([rows[:2], 1000 * rows[2:]])
    assert torch.equal(widened(loud)[:2], widened(rows)[:2])


def test_the_logits_stay_near_the_plain_ones(loaded: LoadedModel) -> None:
    ids = tokens(120, seed=0)
    pages = Pages(loaded.model, [ids], store_type=Int8Store)
    pages.run((0, 119))
    expected = whole(loaded.model, ids)[-1]
    difference = (pages.run((0, 1))[0] - expected).abs().max() / expected.abs().max()
    assert 1e-5 < difference < 0.02, "rounded, but not by much"


@pytest.mark.parametrize("sizes", [(1, 49), (7, 8, 1, 1, 16, 17), (1,) * 50])
def test_chunked_prefill_is_whole_prefill(loaded: LoadedModel, sizes: tuple[int, ...]) -> None:
    ids = tokens(50, seed=0)
    at_once = Pages(loaded.model, [ids], store_type=Int8Store).run((0, 50))[0]
    pages = Pages(loaded.model, [ids], store_type=Int8Store)
    last = [pages.run((0, size))[0] for size in sizes][-1]
    assert same(last, at_once)


@pytest.mark.parametrize("in_runs", [False, True])
def test_a_step_of_many_gives_each_what_it_gets_alone(loaded: LoadedModel, in_runs: bool) -> None:
    """Groups, a long row, rows that begin alike, chunks."""
    begin = tokens(20 * PAGE, seed=9)
    sequences = [begin + tokens(length, seed) for seed, length in enumerate((3, 30, 8, 110))]
    pages = Pages(loaded.model, sequences, in_runs=in_runs, num_shared=20, store_type=Int8Store)
    pages.run((0, len(begin)))
    pages.num_computed = [len(begin)] * len(sequences)
    for sequence, ids in enumerate(sequences[:3]):
        pages.run((sequence, len(ids) - len(begin) - 1))
    last = pages.run((0, 1), (1, 1), (2, 1), (3, 110))
    for sequence, ids in enumerate(sequences):
        alone = Pages(loaded.model, [ids], store_type=Int8Store).run((0, len(ids)))[0]
        assert same(last[sequence], alone)


@pytest.mark.parametrize("windows", [(20, None), (9, 33), (1, 70)])
@pytest.mark.parametrize("sizes", [(30, 1, 25, 1, 1), (1,) * 40, (8, 40), (58,)])
def test_windows_see_the_same(loaded: LoadedModel, windows: tuple[int | None, ...], sizes: list[int]) -> None:
    model = Transformer(replace(SMALL, windows=windows))
    model.load_state_dict(loaded.model.state_dict())
    ids = tokens(sum(sizes), seed=0)
    at_once = Pages(model.eval(), [ids], store_type=Int8Store).run((0, len(ids)))[0]
    pages = Pages(model, [ids], store_type=Int8Store)
    assert same([pages.run((0, size))[0] for size in sizes][-1], at_once)
    plain = Pages(model, [ids]).run((0, len(ids)))[0]
    assert not same(at_once, plain), "they are rounded"
    torch.testing.assert_close(at_once, plain, atol=0.15, rtol=0)


def answered(
    loaded: LoadedModel,
    *prompts: list[int],
    kv_dtype: KVDtype | None = "int8",
    tiers: PageTiers | None = None,
) -> list[Finished]:
    """One engine, one prompt after the other, greedily."""
    config = EngineConfig(num_pages=64, num_threads=1, kv_dtype=kv_dtype, tiers=tiers)
    engine = build_engine(loaded, config)
    requests = [
        SequenceRequest(prompt=tuple(prompt), max_tokens=40, sampling=GREEDY, wants_log_probs=True)
        for prompt in prompts
    ]
    finished = [engine.generate([request])[0].finished for request in requests]
    engine.close()
    return finished


def test_a_cached_reply_is_the_computed_one(loaded: LoadedModel) -> None:
    prompt = tokens(203, seed=1)
    cold, warm = answered(loaded, prompt, prompt)
    assert (cold.usage.cache_read_input_tokens, warm.usage.cache_read_input_tokens) == (0, 192)
    assert warm.output == cold.output
    assert warm.log_probs == pytest.approx(cold.log_probs, abs=0.01)


def test_a_batch_of_n_is_n_singles(loaded: LoadedModel) -> None:
    engine = build_engine(loaded, EngineConfig(num_pages=256, num_threads=1, kv_dtype="int8"))
    requests = [
        SequenceRequest(prompt=tuple(tokens(20 * seed + 5, seed)), max_tokens=40, sampling=GREEDY)
        for seed in range(9)
    ]
    together = [each.finished.output for each in engine.generate(requests)]
    assert together == [engine.generate([request])[0].finished.output for request in requests]
    engine.close()
    assert len(set(together)) == len(together)


def test_a_restarted_engine_reads_its_own_pages_and_no_others(loaded: LoadedModel, tmp_path: Path) -> None:
    prompt = tokens(203, seed=1)

    def run(kv_dtype: KVDtype | None) -> Finished:
        with open_tier(tmp_path) as disk:
            tiers = TieredPages(OWNER, disk=disk)
            [finished] = answered(loaded, prompt, kv_dtype=kv_dtype, tiers=tiers)
            tiers.close()
        return finished

    wide, narrow, wide_again, narrow_again = run(None), run("int8"), run(None), run("int8")
    assert wide.usage.cache_read_input_tokens == narrow.usage.cache_read_input_tokens == 0
    assert wide_again.usage.cache_read_input_tokens == narrow_again.usage.cache_read_input_tokens == 192
    assert wide_again.output == wide.output
    assert narrow_again.output == narrow.output
    assert narrow_again.log_probs == pytest.approx(narrow.log_probs, abs=0.01)
    assert narrow.log_probs != pytest.approx(wide.log_probs, abs=1e-4), "they are rounded"


def test_a_memory_holds_more_tokens(loaded: LoadedModel) -> None:
    model = Transformer(loaded.model.config).to_dtype(torch.bfloat16).eval()
    half = replace(loaded, model=model)
    config = EngineConfig(kv_bytes=200_000)
    plain, int8 = (
        build_core(half, replace(config, kv_dtype=kv_dtype)).stats().num_pages for kv_dtype in (None, "int8")
    )
    # A token and head takes 2 * 16 bytes, or 16 and a scale of 2.
    assert (plain, int8) == (200_000 // (32 * 8 * 32), 200_000 // (32 * 8 * 18))
