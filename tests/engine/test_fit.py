from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

from caesura.engine.fit import (
    DEFAULT_KV_BYTES,
    MARGIN_BYTES,
    available_bytes,
    check_cache_ram,
    container_bytes,
    holds_second_copy,
    kv_budget,
    need,
)
from caesura.model import PRESETS
from caesura.model.folder import FolderError

LARGE = need(PRESETS["large"], dtype=torch.bfloat16, quantise=None, max_running=32)
GB = 10**9


def test_a_model_that_does_not_fit_is_told_in_bytes() -> None:
    with pytest.raises(FolderError) as raised:
        kv_budget([LARGE], wanted_bytes=2 * GB, available_bytes=8 * GB)
    total = LARGE.weight_bytes + 2 * GB + MARGIN_BYTES
    assert str(raised.value) == (
        f"does not fit: needs {total:,} bytes (weights {LARGE.weight_bytes:,}, keys and values "
        f"2,000,000,000, margin {MARGIN_BYTES:,}), 8,000,000,000 available; "
        "try --quantize int4 or a smaller --kv-memory"
    )


def test_it_fits_to_the_byte() -> None:
    total = LARGE.weight_bytes + 2 * GB + MARGIN_BYTES
    assert kv_budget([LARGE], wanted_bytes=2 * GB, available_bytes=total) == 2 * GB
    with pytest.raises(FolderError, match="does not fit"):
        kv_budget([LARGE], wanted_bytes=2 * GB, available_bytes=total - 1)


def test_what_is_kept_in_ram_has_to_fit_too() -> None:
    total = LARGE.weight_bytes + 2 * GB + MARGIN_BYTES + 3 * GB
    fits = kv_budget([LARGE], wanted_bytes=2 * GB, available_bytes=total, cache_ram_bytes=3 * GB)
    assert fits == 2 * GB
    with pytest.raises(FolderError, match=r"--cache-ram 3,000,000,000\).*smaller --kv-memory or --cache-ram"):
        kv_budget([LARGE], wanted_bytes=2 * GB, available_bytes=total - 1, cache_ram_bytes=3 * GB)
    left = kv_budget([LARGE], wanted_bytes=None, available_bytes=total, cache_ram_bytes=3 * GB)
    assert left == 2 * GB, "unless it is told the pool takes what is left beside it"


def test_beside_a_gpu_ram_is_measured_by_itself() -> None:
    check_cache_ram(3 * GB, 3 * GB + MARGIN_BYTES)
    check_cache_ram(0, 0)
    with pytest.raises(FolderError, match="try a smaller --cache-ram"):
        check_cache_ram(3 * GB, 3 * GB + MARGIN_BYTES - 1)


def test_packed_weights_fit_where_plain_ones_do_not() -> None:
    config = PRESETS["large"]
    plain, int8, int4 = (
        need(config, dtype=torch.bfloat16, quantise=kind, max_running=32).weight_bytes
        for kind in (None, "int8", "int4")
    )
    assert 0.5 < int8 / plain < 0.6
    assert 0.3 < int4 / plain < 0.4
    packed = replace(LARGE, weight_bytes=int4)
    available = int4 + GB + MARGIN_BYTES
    assert kv_budget([packed], wanted_bytes=GB, available_bytes=available) == GB
    with pytest.raises(FolderError):
        kv_budget([LARGE], wanted_bytes=GB, available_bytes=available)


@pytest.mark.parametrize("is_tied", [True, False])
def test_what_the_engine_packs_is_counted_twice(is_tied: bool) -> None:
    config = replace(PRESETS["nano"], tie_embeddings=is_tied)
    once, twice = (
        need(config, dtype=torch.bfloat16, quantise=None, max_running=1, has_second_copy=has).weight_bytes
        for has in (False, True)
    )
    embedding = config.vocab_size * config.hidden_size
    # A tied embedding is packed as the output; one of its own is only looked up.
    matrices = config.num_parameters - (0 if is_tied else embedding)
    assert twice - once == 2 * matrices
    assert not holds_second_copy(5_000_000, torch.bfloat16, "int8", "cpu")
    assert not holds_second_copy(5_000_000, torch.float32, None, "cpu")
    assert not holds_second_copy(7_000_000_000, torch.bfloat16, None, "cpu")


def test_unless_it_is_told_the_pool_takes_what_is_left() -> None:
    left = 3 * GB
    available = LARGE.weight_bytes + MARGIN_BYTES + left
    assert kv_budget([LARGE], wanted_bytes=None, available_bytes=available) == left
    assert kv_budget([LARGE], wanted_bytes=None, available_bytes=100 * GB) == DEFAULT_KV_BYTES
    least = LARGE.min_kv_tokens * LARGE.token_bytes
    with pytest.raises(FolderError, match=f"keys and values {least:,}"):
        kv_budget([LARGE], wanted_bytes=None, available_bytes=LARGE.weight_bytes + MARGIN_BYTES)


def test_all_models_must_fit_together() -> None:
    one = LARGE.weight_bytes + GB
    assert kv_budget([LARGE, LARGE], wanted_bytes=GB, available_bytes=2 * one + MARGIN_BYTES) == GB
    with pytest.raises(FolderError, match=f"weights {2 * LARGE.weight_bytes:,}"):
        kv_budget([LARGE, LARGE], wanted_bytes=GB, available_bytes=2 * one + MARGIN_BYTES - 1)


def test_a_small_model_needs_no_more_than_its_sequences_can_fill() -> None:
    config = replace(PRESETS["nano"], max_positions=1000)
    small = need(config, dtype=torch.bfloat16, quantise=None, max_running=2)
    assert small.kv_bytes(4 * GB) == 2000 * config.num_layers * 2 * config.num_kv_heads * config.head_dim * 2
    exact = small.weight_bytes + small.kv_bytes(4 * GB) + MARGIN_BYTES
    assert kv_budget([small], wanted_bytes=4 * GB, available_bytes=exact) == 4 * GB


def test_int8_keys_and_values_take_half_and_what_widens_them() -> None:
    config = PRESETS["large"]
    int8 = need(config, dtype=torch.bfloat16, quantise=None, max_running=32, kv_dtype="int8")
    numbers = config.num_layers * 2 * config.num_kv_heads * config.head_dim
    scales = config.num_layers * 2 * config.num_kv_heads
    assert (LARGE.token_bytes, int8.token_bytes) == (2 * numbers, numbers + 2 * scales)
    # In one layer, a bfloat16 and an int8 for each number, and a quarter more; no more tokens than fit.
    widened = 5 * 3 * (numbers // config.num_layers) // 4
    assert int8.widened_bytes(GB) == min(config.max_positions, GB // int8.token_bytes) * widened
    assert int8.widened_bytes(1000 * int8.token_bytes) == 1000 * widened
    assert LARGE.widened_bytes(GB) == 0
    total = int8.weight_bytes + GB + MARGIN_BYTES + int8.widened_bytes(GB)
    assert kv_budget([int8], wanted_bytes=GB, available_bytes=total) == GB
    with pytest.raises(FolderError, match=f"margin {MARGIN_BYTES + int8.widened_bytes(GB):,}"):
        kv_budget([int8], wanted_bytes=GB, available_bytes=total - 1)
    left = int8.weight_bytes + MARGIN_BYTES + int8.widened_bytes(DEFAULT_KV_BYTES) + 3 * GB
    assert kv_budget([int8], wanted_bytes=None, available_bytes=left) == 3 * GB


def test_a_container_leaves_its_limit_less_what_is_used(tmp_path: Path) -> None:
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 400\ninactive_file 250\n")
    (tmp_path / "memory.max").write_text("1000\n")
    assert container_bytes(tmp_path) == 550
    (tmp_path / "memory.max").write_text("max\n")
    assert container_bytes(tmp_path) == psutil.virtual_memory().total
    assert container_bytes(tmp_path / "elsewhere") == psutil.virtual_memory().total


def test_this_machine_has_some_memory_left() -> None:
    assert 0 < available_bytes("cpu") <= psutil.virtual_memory().total
