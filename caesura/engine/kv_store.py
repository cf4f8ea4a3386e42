"""The keys and values of all pages, one tensor a layer.

A page of one layer is laid out (2, K, page, E): keys, then values, each head's tokens side by side. So a
copy of whole (page, head) rows leaves every head's history contiguous, which is what the products of
attention want. Shapes: P pages, K key/value heads, E head dimension.
Enters: the model's shape and the number of pages. Leaves: tensors that `paged_attention.py` writes and reads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from caesura.model.config import ModelConfig


class KVStore:
    """Pages of keys and values, and the scratch space into which a step gathers them.

    page_size: tokens a page.
    num_kv_heads, head_dim: of each layer.
    """

    def __init__(
        self, config: ModelConfig, *, num_pages: int, page_size: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.page_size = page_size
        self.num_kv_heads = config.num_kv_heads
        self.head_dim = config.head_dim
        shape = (num_pages, 2, config.num_kv_heads, page_size, config.head_dim)
        self._pages = [_zeros(shape, dtype, device) for _ in range(config.num_layers)]
        self._scratch = torch.empty(0, dtype=dtype, device=device)
        # Offsets of a token's rows (one for each of key and value, and head) within its page.
        self.row_offsets = torch.arange(2 * config.num_kv_heads, device=device) * page_size

    @property
    def device(self) -> torch.device:
        """Where the pages are."""
        return self._scratch.device

    @property
    def dtype(self) -> torch.dtype:
        """What the pages hold."""
        return self._scratch.dtype

    def token_rows(self, layer: int) -> Tensor:
        """(P * 2 * K * page, E): one row for each token's key or value of one head."""
        return self._pages[layer].view(-1, self.head_dim)

    def page_rows(self, layer: int) -> Tensor:
        """(P * 2 * K, page * E): one row for each page's keys or values of one head."""
        return self._pages[layer].view(-1, self.page_size * self.head_dim)

    @property
    def page_bytes(self) -> int:
        """The length of a page's payload: its keys and values in all layers."""
        return sum(layer[0].numel() * layer.itemsize for layer in self._pages)

    def export_page(self, page: int) -> memoryview:
        """A copy of a page's payload: each layer's (2, K, page, E), back to back."""
        payload = torch.stack([layer[page] for layer in self._pages]).cpu()
        return payload.view(-1).view(torch.uint8).numpy().data

    def import_pages(self, pages: Sequence[int], payloads: memoryview) -> None:
        """Fill pages from payloads that lie back to back in writable memory."""
        shape = (len(pages), len(self._pages), *self._pages[0].shape[1:])
        filled = torch.frombuffer(payloads, dtype=torch.uint8).view(self.dtype).view(shape)
        index = torch.tensor(pages, device=self.device)
        for number, layer in enumerate(self._pages):
            layer.index_copy_(0, index, filled[:, number].to(self.device))

    def copy_page(self, source: int, target: int) -> None:
        """Make one page hold what another holds."""
        for layer in self._pages:
            layer[target] = layer[source]

    def scratch(self, num_rows: int) -> Tensor:
        """Space for that many of `page_rows`; kept, because fresh memory of this size is slow to touch."""
        width = self.page_size * self.head_dim
        if self._scratch.numel() < num_rows * width:
            self._scratch = self._scratch.new_empty(num_rows * width)
        return self._scratch[: num_rows * width].view(num_rows, width)


def page_bytes(config: ModelConfig, page_size: int, dtype: torch.dtype) -> int:
    """What one page takes over all layers."""
    return config.num_layers * 2 * config.num_kv_heads * page_size * config.head_dim * dtype.itemsize


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Zeros, because padding is read (and masked), and must be finite."""
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    # The system hands out zeroed memory and counts it only once it is written; torch.zeros would write it.
    size = math.prod(shape) * dtype.itemsize
    return torch.from_numpy(np.zeros(size, dtype=np.uint8)).view(dtype).view(shape)
