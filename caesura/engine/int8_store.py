"""Keys and values in eight bits: about half of bfloat16's memory, and of its pages on disk.

Each token's key, or value, of each head has a scale of its own, s = max |x| / 127, rounded to bfloat16; what
is kept is q = round(x / s) within -127 and 127, and what is read is q s. Nothing depends on neighbours, so a
page says the same whoever computed it, and however its prompt was cut. A token reads its own key rounded,
too, or a chunk would read others than the next one does.
What is read is widened anew for each layer and step, into memory that is kept. An int8 is a bfloat16 as it
is, so where few queries read, their scores are multiplied by the scales instead of the many keys.
Enters, leaves: see `kv_store.py`. Read next: `page_tensors.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from caesura.engine.kv_store import SCALE_DTYPE, Tokens
from caesura.engine.page_tensors import PageTensors
from caesura.engine.workspace import Purpose, Workspace
from caesura.model.config import ModelConfig

_LARGEST = 127
# A key of zeros has a scale, too.
_LEAST_SCALE = torch.finfo(SCALE_DTYPE).tiny


class Int8Store:
    """A `KVStore` of integers and their scales. Payloads hold a page's integers, then its scales."""

    def __init__(
        self, config: ModelConfig, *, num_pages: int, page_size: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        """dtype: of what is written and read."""
        self.page_size = page_size
        self.num_pages = num_pages
        self.num_kv_heads = config.num_kv_heads
        self.head_dim = config.head_dim
        self.head_offsets = torch.arange(2 * config.num_kv_heads, device=device) * num_pages
        tensors = partial(PageTensors, config, num_pages=num_pages, page_size=page_size, device=device)
        self._integers = tensors(width=config.head_dim, dtype=torch.int8)
        self._scales = tensors(width=1, dtype=SCALE_DTYPE)
        self._dtype = dtype
        self._wide = Workspace(dtype, device)
        self._packed = Workspace(torch.int8, device)

    @property
    def device(self) -> torch.device:
        """Where the pages are."""
        return self._integers.device

    @property
    def dtype(self) -> torch.dtype:
        """What is written and read."""
        return self._dtype

    @property
    def stored_dtype(self) -> torch.dtype:
        """What the pages hold."""
        return self._integers.dtype

    @property
    def page_bytes(self) -> int:
        """The length of a page's payload."""
        return self._integers.page_bytes + self._scales.page_bytes

    def write(self, layer: int, token_rows: Tensor, key: Tensor, value: Tensor) -> None:
        """Keep what a step computed, rounded."""
        rows = torch.cat((key, value), dim=-2).view(-1, self.head_dim)
        integers, scales = rounded(rows)
        self._integers.token_rows(layer).index_copy_(0, token_rows, integers)
        self._scales.token_rows(layer).index_copy_(0, token_rows, scales)

    def read(self, layer: int, runs: Sequence[range]) -> tuple[Tokens]:
        """The tokens of these runs, in one piece."""
        integers, scales, start = self._integers.heads(layer), self._scales.heads(layer), 0
        wide = self._wide.space("history", 2, self.num_kv_heads, sum(map(len, runs)), self.head_dim)
        for run in runs:
            wide[:, :, start : start + len(run)] = integers[:, :, run.start : run.stop]
            start += len(run)
        parts = [scales[:, :, run.start : run.stop] for run in runs]
        return (self._read(wide, parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)),)

    def gather(self, layer: int, page_rows: Tensor, purpose: Purpose) -> Tokens:
        """A copy of these (head, page) rows."""
        rows = self._integers.page_rows(layer)
        packed = self._packed.space(purpose, len(page_rows), *rows.shape[1:])
        torch.index_select(rows, 0, page_rows, out=packed)
        wide = self._wide.space(purpose, *packed.shape).copy_(packed)
        return self._read(wide, self._scales.page_rows(layer).index_select(0, page_rows))

    def _read(self, wide: Tensor, scale: Tensor) -> Tokens:
        # Integers times a query are too large for float16.
        return Tokens(wide.mul_(scale)) if self._dtype == torch.float16 else Tokens(wide, scale)

    def space(self, purpose: Purpose, *shape: int) -> Tensor:
        """Memory to work in."""
        return self._wide.space(purpose, *shape)

    def export_page(self, page: int) -> memoryview:
        """A copy of a page's payload."""
        parts = self._integers.export_page(page), self._scales.export_page(page)
        return torch.cat(parts).numpy().data

    def import_pages(self, pages: Sequence[int], payloads: memoryview) -> None:
        """Fill pages from payloads."""
        rows = torch.frombuffer(payloads, dtype=torch.uint8).view(len(pages), -1)
        num_integers = self._integers.page_bytes
        self._integers.import_pages(pages, rows[:, :num_integers])
        self._scales.import_pages(pages, rows[:, num_integers:])

    def copy_page(self, source: int, target: int) -> None:
        """Make one page hold what another holds."""
        self._integers.copy_page(source, target)
        self._scales.copy_page(source, target)

    def clear_pages(self, pages: Sequence[int]) -> None:
        """Fill pages with zeros."""
        self._integers.clear_pages(pages)
        self._scales.clear_pages(pages)


def rounded(rows: Tensor) -> tuple[Tensor, Tensor]:
    """(rows, E) in any floating dtype to integers (rows, E) and scales (rows, 1)."""
    # In float32: a bfloat16 between 64 and 127 is too coarse to round from.
    wide = rows.float()
    scales = (wide.abs().amax(dim=-1, keepdim=True) / _LARGEST).to(SCALE_DTYPE).clamp_min_(_LEAST_SCALE)
    # The scale may have been rounded down.
    integers = (wide / scales).round_().clamp_(-_LARGEST, _LARGEST)
    return integers.to(torch.int8), scales
