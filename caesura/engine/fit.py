"""Whether a model fits into memory, before anything of it is read.

Enters: model folders' shapes, and how much memory there is. Leaves: the bytes that each pool of keys and
values may take, or a FolderError with the sums. Read next: `loading.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from caesura.engine.kv_store import KVDtype, page_bytes
from caesura.model.config import ModelConfig
from caesura.model.folder import FolderError
from caesura.model.frozen import MAX_FROZEN_PARAMETERS
from caesura.model.quantised import Quantisation, weight_bytes

DEFAULT_KV_BYTES = 4_000_000_000
# For the process itself, operators' workspace, and the one tensor that is being read.
MARGIN_BYTES = 500_000_000
# A pool below this many tokens is no use to a chat.
_MIN_KV_TOKENS = 4096
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a model takes.

    weight_bytes: of its weights, once loaded.
    token_bytes: of one token's keys and values.
    min_kv_tokens, max_kv_tokens: what a pool must hold to be of use, and all that it can ever hold.
    widened_token_bytes: of one token in one layer, beside the pool, where a step widens what it reads.
    window_tokens: the most that a sequence reads.
    """

    weight_bytes: int
    token_bytes: int
    min_kv_tokens: int
    max_kv_tokens: int
    widened_token_bytes: int
    window_tokens: int

    def kv_bytes(self, wanted_bytes: int) -> int:
        """What a pool takes that may take so much."""
        return min(wanted_bytes, self.max_kv_tokens * self.token_bytes)

    def widened_bytes(self, wanted_bytes: int) -> int:
        """What the longest history takes beside such a pool, while one layer after the other reads it."""
        return min(self.window_tokens, wanted_bytes // self.token_bytes) * self.widened_token_bytes


def need(
    config: ModelConfig,
    *,
    dtype: torch.dtype,
    quantise: Quantisation | None,
    max_running: int,
    kv_dtype: KVDtype | None = None,
    has_second_copy: bool = False,
    has_native_copy: bool = False,
) -> Need:
    """What a model of this shape takes.

    max_running: how many sequences run at once.
    kv_dtype: how keys and values are kept; None: as they are computed.
    has_second_copy: whether the engine holds matrices a second time; see `holds_second_copy`.
    has_native_copy: whether it holds them once more; see `native_network.py`.
    """
    embedding = 0 if config.tie_embeddings else config.vocab_size * config.hidden_size
    copies = (has_second_copy + has_native_copy) * (config.num_parameters - embedding) * dtype.itemsize
    return Need(
        weight_bytes=weight_bytes(config, dtype, quantise) + copies,
        token_bytes=page_bytes(config, 1, dtype, kv_dtype),
        min_kv_tokens=min(_MIN_KV_TOKENS, config.max_positions),
        max_kv_tokens=config.max_positions * max_running,
        widened_token_bytes=0 if kv_dtype is None else _widened_token_bytes(config, dtype),
        window_tokens=config.max_positions,
    )


def _widened_token_bytes(config: ModelConfig, dtype: torch.dtype) -> int:
    """With the integers that are copied first where pages are scattered, and a quarter that is spared."""
    return 2 * config.num_kv_heads * config.head_dim * (dtype.itemsize + torch.int8.itemsize) * 5 // 4


def holds_second_copy(
    num_parameters: int, dtype: torch.dtype, quantise: Quantisation | None, device: str
) -> bool:
    """Whether `frozen.py` will pack the matrices: of a small model in bfloat16, on a processor that
    multiplies it.
    """
    is_plain_half = dtype == torch.bfloat16 and quantise is None and num_parameters <= MAX_FROZEN_PARAMETERS
    on_cpu = torch.device(device).type == "cpu"
    return is_plain_half and on_cpu and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def kv_budget(
    needs: Sequence[Need], *, wanted_bytes: int | None, available_bytes: int, cache_ram_bytes: int = 0
) -> int:
    """The bytes that each model's pool may take.

    wanted_bytes: what was asked for each, which has to fit whole. None: `DEFAULT_KV_BYTES`, or less where
        less is left.
    cache_ram_bytes: what `--cache-ram` may take of the same memory.
    Raises FolderError with the sums where the weights, the pools and a margin exceed what is available.
    """
    weights = sum(each.weight_bytes for each in needs)
    wanted = DEFAULT_KV_BYTES if wanted_bytes is None else wanted_bytes
    margin = MARGIN_BYTES + sum(each.widened_bytes(wanted) for each in needs)
    left = (available_bytes - weights - margin - cache_ram_bytes) // len(needs)
    least = max(each.kv_bytes(each.min_kv_tokens * each.token_bytes) for each in needs)
    budget = wanted_bytes if wanted_bytes is not None else max(least, min(DEFAULT_KV_BYTES, left))
    pools = sum(each.kv_bytes(budget) for each in needs)
    total = weights + pools + margin + cache_ram_bytes
    if total > available_bytes:
        raise FolderError(
            f"does not fit: needs {total:,} bytes (weights {weights:,}, keys and values {pools:,}, "
            f"margin {margin:,}{_cache_ram_words(cache_ram_bytes)}), {available_bytes:,} available; "
            f"try --quantize int4 or a smaller --kv-memory{' or --cache-ram' if cache_ram_bytes else ''}"
        )
    return budget


def check_cache_ram(cache_ram_bytes: int, available_bytes: int) -> None:
    """Where the models are elsewhere: whether this machine has what `--cache-ram` may take.

    Raises FolderError with the sums where it has not.
    """
    total = cache_ram_bytes + MARGIN_BYTES
    if cache_ram_bytes and total > available_bytes:
        raise FolderError(
            f"do not fit: their pages in RAM need {total:,} bytes (margin {MARGIN_BYTES:,}"
            f"{_cache_ram_words(cache_ram_bytes)}), {available_bytes:,} available; try a smaller --cache-ram"
        )


def _cache_ram_words(cache_ram_bytes: int) -> str:
    return f", --cache-ram {cache_ram_bytes:,}" if cache_ram_bytes else ""


def available_bytes(device: str) -> int:
    """The memory that can still be claimed: of the device, or of this machine or container."""
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return min(psutil.virtual_memory().available, container_bytes(_CGROUP))


def container_bytes(group: Path) -> int:
    """What a container's limit leaves (control groups, version 2); file caches count as free."""
    try:
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        used = int((group / "memory.current").read_text(encoding="ascii"))
        stat = (group / "memory.stat").read_text(encoding="ascii")
    except (OSError, ValueError):
        return psutil.virtual_memory().total
    if limit == "max":
        return psutil.virtual_memory().total
    caches = dict(line.split() for line in stat.splitlines())
    return max(0, int(limit) - used + int(caches.get("inactive_file", 0)))
