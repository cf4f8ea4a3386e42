"""Carries out a step: integers in, logits out.

Steps with much to do can take more threads than others: a decode step's operators are too small to share,
a prompt's are not. Where there is a native network, it computes what one thread does: decode rows and small
chunks. Enters: a `StepPlan`. Leaves: the logits of the rows that sample. Read next: `paged_attention.py`,
`native_network.py`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from caesura.engine.kv_store import KVStore
from caesura.engine.native_network import NativeNetwork
from caesura.engine.pace import chunk_work
from caesura.engine.paged_attention import PagedAttention, attention_plan
from caesura.engine.process_memory import on_own_thread
from caesura.engine.scheduler import Row, StepPlan
from caesura.engine.shared_prefixes import Arrangement, arranged, longest_first
from caesura.engine.step_table import step_table
from caesura.engine.window_attention import WindowedAttention
from caesura.model.attention import Attend
from caesura.model.frozen import MAX_FROZEN_PARAMETERS, frozen
from caesura.model.transformer import Transformer

# From so much work on (see `pace.py`), or with so long a history, a step's operators last long enough to be
# shared.
_MUCH_WORK = 128
_LONG_HISTORY = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutput:
    """What a step computed.

    sequences: the ids of the sequences that sample, in the order of the logits.
    logits_RV: one row for each of them, in the weights' dtype.
    rows: all rows, in the order of the batch.
    is_finite_T: for each of their tokens, whether what the last layer says of it are numbers. What a layer
        before it could not compute is none here either, so neither are the token's keys and values.
    """

    sequences: tuple[int, ...]
    logits_RV: Tensor
    rows: tuple[Row, ...]
    is_finite_T: Tensor

    def spoilt(self) -> list[int]:
        """The sequences whose pages this step may have filled with infinities or with no numbers at all.
        Waits until the step is computed.
        """
        if bool(self.is_finite_T.all()):
            return []
        parts = self.is_finite_T.split([len(row.tokens) for row in self.rows])
        return [row.sequence for row, part in zip(self.rows, parts, strict=True) if not bool(part.all())]


class Runner:
    """The model, its pages, and nothing else. A small one in bfloat16 on a CPU is frozen: later changes to
    its weights go unnoticed.
    """

    def __init__(
        self,
        model: Transformer,
        store: KVStore,
        *,
        prompt_threads: int = 1,
        native: NativeNetwork | None = None,
    ) -> None:
        """prompt_threads: of each operator in steps of many tokens, if that is more than the thread has.
        native: the same network over the same store.
        """
        is_half_on_cpu = store.device.type == "cpu" and store.dtype == torch.bfloat16
        is_small = model.config.num_parameters <= MAX_FROZEN_PARAMETERS
        self._model = on_own_thread(partial(frozen, model)) if is_half_on_cpu and is_small else model
        self._store = store
        self._prompt_threads = prompt_threads
        self._native = native

    @torch.inference_mode()
    def run(self, plan: StepPlan) -> StepOutput:
        """Compute the plan's tokens, and score what follows the rows that sample."""
        decode, chunks = plan.rows[: plan.num_decode], plan.rows[plan.num_decode :]
        if self._native is None:
            is_long = _is_long(chunks) or any(row.start >= _LONG_HISTORY for row in decode)
            return self._run(decode, chunks, self._prompt_threads if is_long else 1)
        if self._prompt_threads == 1 or not _is_long(chunks):
            return self._run_native(self._native, decode, chunks)
        output = self._run((), chunks, self._prompt_threads)
        return _joined(self._run_native(self._native, decode, ()), output) if decode else output

    def _run_native(self, native: NativeNetwork, decode: Sequence[Row], chunks: Sequence[Row]) -> StepOutput:
        arrangement = arranged(decode, self._store.page_size)
        rows = [*arrangement.rows, *chunks]
        hidden_TD, logits_RV = native.run(step_table(arrangement, chunks, self._store.page_size))
        return _output(rows, hidden_TD, logits_RV)

    def _run(self, decode: Sequence[Row], chunks: Sequence[Row], num_threads: int) -> StepOutput:
        with _at_least(num_threads):
            return self._run_torch(self._arranged(decode), chunks)

    def _run_torch(self, decode: Arrangement, chunks: Sequence[Row]) -> StepOutput:
        rows = [*decode.rows, *chunks]
        device = self._store.device
        tokens_T = torch.tensor([token for row in rows for token in row.tokens], device=device)
        positions = [row.start + offset for row in rows for offset in range(len(row.tokens))]
        attend = self._attend(decode, chunks)
        hidden_TD = self._model(tokens_T, torch.tensor(positions, device=device), attend)
        last, stop = list[int](), 0
        for row in rows:
            stop += len(row.tokens)
            if row.is_sampled:
                last.append(stop - 1)
        scored_RD = hidden_TD
        if len(last) < len(tokens_T):
            scored_RD = hidden_TD.index_select(0, torch.tensor(last, dtype=torch.int64, device=device))
        return _output(rows, hidden_TD, self._model.logits(scored_RD))

    def _arranged(self, rows: Sequence[Row]) -> Arrangement:
        if self._store.device.type == "cpu":
            return arranged(rows, self._store.page_size)
        return Arrangement((), longest_first(rows))

    def _attend(self, decode: Arrangement, chunks: Sequence[Row]) -> Attend:
        plan, windows = attention_plan(decode, chunks, self._store), self._model.config.windows
        if not windows:
            return PagedAttention(self._store, plan)
        rows = decode.rows
        return WindowedAttention(self._store, plan, [*rows, *chunks], len(rows), windows)


def _is_long(chunks: Sequence[Row]) -> bool:
    """Whether operators on these chunks last long enough to be shared."""
    work = sum(chunk_work(row.start, len(row.tokens)) for row in chunks)
    return work >= _MUCH_WORK or any(row.start >= _LONG_HISTORY for row in chunks)


def _output(rows: Sequence[Row], hidden_TD: Tensor, logits_RV: Tensor) -> StepOutput:
    return StepOutput(
        sequences=tuple(row.sequence for row in rows if row.is_sampled),
        logits_RV=logits_RV,
        rows=tuple(rows),
        # In float32: a sum of finite numbers can be infinite in float16.
        is_finite_T=hidden_TD.sum(dim=-1, dtype=torch.float32).isfinite(),
    )


def _joined(one: StepOutput, other: StepOutput) -> StepOutput:
    return StepOutput(
        sequences=one.sequences + other.sequences,
        logits_RV=torch.cat((one.logits_RV, other.logits_RV)),
        rows=one.rows + other.rows,
        is_finite_T=torch.cat((one.is_finite_T, other.is_finite_T)),
    )


@contextmanager
def _at_least(num_threads: int) -> Generator[None]:
    before = torch.get_num_threads()
    if num_threads <= before:
        yield
        return
    torch.set_num_threads(num_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether products of bfloat16 are faster here than of float32.

    With AVX-512 BF16 a step of a 5M model takes 1.3 ms instead of 1.9 (1 row) and 4.9 instead of 14 (128
    rows); without, bfloat16 is emulated and slower.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported()  # pyright: ignore[reportPrivateUsage]
