"""Keys and values as they were computed.

Enters, leaves: see `kv_store.py`. Runs are read where they lie. Read next: `page_tensors.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from caesura.engine.kv_store import Tokens
from caesura.engine.page_tensors import PageTensors
from caesura.engine.workspace import Purpose, Workspace
from caesura.model.config import ModelConfig


class PlainStore:
    """A `KVStore` that keeps each number in the dtype that it is computed in."""

    def __init__(
        self, config: ModelConfig, *, num_pages: int, page_size: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.page_size = page_size
        self.num_pages = num_pages
        self.num_kv_heads = config.num_kv_heads
        self.head_dim = config.head_dim
        self.head_offsets = torch.arange(2 * config.num_kv_heads, device=device) * num_pages
        self.pages = PageTensors(
            config,
            num_pages=num_pages,
            page_size=page_size,
            width=config.head_dim,
            dtype=dtype,
            device=device,
        )
        self._workspace = Workspace(dtype, device)

    @property
    def device(self) -> torch.device:
        """Where the pages are."""
        return self.pages.device

    @property
    def dtype(self) -> torch.dtype:
        """What is written and read."""
        return self.pages.dtype

    @property
    def stored_dtype(self) -> torch.dtype:
        """What the pages hold: the same."""
        return self.pages.dtype

    @property
    def page_bytes(self) -> int:
        """The length of a page's payload."""
        return self.pages.page_bytes

    def write(self, layer: int, token_rows: Tensor, key: Tensor, value: Tensor) -> None:
        """Keep what a step computed."""
        rows = torch.cat((key, value), dim=-2).view(-1, self.head_dim)
        self.pages.token_rows(layer).index_copy_(0, token_rows, rows)

    def read(self, layer: int, runs: Sequence[range]) -> Iterator[Tokens]:
        """The tokens of these runs: views."""
        heads = self.pages.heads(layer)
        return (Tokens(heads[:, :, run.start : run.stop]) for run in runs)

    def gather(self, layer: int, page_rows: Tensor, purpose: Purpose) -> Tokens:
        """A copy of these (head, page) rows."""
        rows = self.pages.page_rows(layer)
        gathered = self._workspace.space(purpose, len(page_rows), self.page_size, self.head_dim)
        return Tokens(torch.index_select(rows, 0, page_rows, out=gathered))

    def space(self, purpose: Purpose, *shape: int) -> Tensor:
        """Memory to work in."""
        return self._workspace.space(purpose, *shape)

    def export_page(self, page: int) -> memoryview:
        """A copy of a page's payload."""
        return self.pages.export_page(page).numpy().data

    def import_pages(self, pages: Sequence[int], payloads: memoryview) -> None:
        """Fill pages from payloads."""
        rows = torch.frombuffer(payloads, dtype=torch.uint8).view(len(pages), -1)
        self.pages.import_pages(pages, rows)

    def copy_page(self, source: int, target: int) -> None:
        """Make one page hold what another holds."""
        self.pages.copy_page(source, target)

    def clear_pages(self, pages: Sequence[int]) -> None:
        """Fill pages with zeros."""
        self.pages.clear_pages(pages)
