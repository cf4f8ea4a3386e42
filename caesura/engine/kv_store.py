"""The keys and values of all pages, one tensor a layer.

A layer is laid out (2, K, P, page, E): keys, then values, each head's tokens side by side, page after page.
So a history in neighbouring pages is a cut of that, which the products of attention read where it lies; and
a copy of other pages' (head, page) rows leaves every head's history contiguous, too.
Shapes: P pages, K key/value heads, E head dimension.
Enters: the model's shape and the number of pages. Leaves: tensors that `paged_attention.py` writes and reads.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from caesura.model.config import ModelConfig

# What a step works in: gathered histories, gathered tails of histories, scores.
Purpose = Literal["history", "tail", "scores"]


class KVStore:
    """Pages of keys and values, and the space into which a step gathers them.

    page_size: tokens a page.
    num_pages: of the pool.
    num_kv_heads, head_dim: of each layer.
    """

    def __init__(
        self, config: ModelConfig, *, num_pages: int, page_size: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.page_size = page_size
        self.num_kv_heads = config.num_kv_heads
        self.head_dim = config.head_dim
        self.num_pages = num_pages
        shape = (2, config.num_kv_heads, num_pages, page_size, config.head_dim)
        self._pages = [_zeros(shape, dtype, device) for _ in range(config.num_layers)]
        self._spaces: dict[Purpose, Tensor] = {}
        # Where each head's rows begin among `page_rows`, the keys' heads first.
        self.head_offsets = torch.arange(2 * config.num_kv_heads, device=device) * num_pages

    @property
    def device(self) -> torch.device:
        """Where the pages are."""
        return self._pages[0].device

    @property
    def dtype(self) -> torch.dtype:
        """What the pages hold."""
        return self._pages[0].dtype

    def token_rows(self, layer: int) -> Tensor:
        """(2 * K * P * page, E): one row for each token's key or value of one head."""
        return self._pages[layer].view(-1, self.head_dim)

    def page_rows(self, layer: int) -> Tensor:
        """(2 * K * P, page * E): one row for each page's keys or values of one head."""
        return self._pages[layer].view(-1, self.page_size * self.head_dim)

    def heads(self, layer: int) -> Tensor:
        """(2, K, P * page, E): every head's tokens, page after page."""
        return self._pages[layer].flatten(2, 3)

    @property
    def page_bytes(self) -> int:
        """The length of a page's payload: its keys and values in all layers."""
        return sum(layer[:, :, 0].numel() * layer.itemsize for layer in self._pages)

    def export_page(self, page: int) -> memoryview:
        """A copy of a page's payload: each layer's (2, K, page, E), back to back."""
        payload = torch.stack([layer[:, :, page] for layer in self._pages]).cpu()
        return payload.view(-1).view(torch.uint8).numpy().data

    def import_pages(self, pages: Sequence[int], payloads: memoryview) -> None:
        """Fill pages from payloads that lie back to back in writable memory."""
        shape = (len(pages), len(self._pages), 2, self.num_kv_heads, self.page_size, self.head_dim)
        filled = torch.frombuffer(payloads, dtype=torch.uint8).view(self.dtype).view(shape)
        index = torch.tensor(pages, device=self.device)
        for number, layer in enumerate(self._pages):
            layer.index_copy_(2, index, filled[:, number].permute(1, 2, 0, 3, 4).to(self.device))

    def copy_page(self, source: int, target: int) -> None:
        """Make one page hold what another holds."""
        for layer in self._pages:
            layer[:, :, target] = layer[:, :, source]

    def space(self, purpose: Purpose, *shape: int) -> Tensor:
        """Memory to work in, good until it is asked for again for the same purpose. Kept, because fresh
        memory of this size is slow to touch.
        """
        size, space = math.prod(shape), self._spaces.get(purpose)
        if space is None or space.numel() < size:
            # With something to spare, for histories grow.
            space = torch.empty(size + size // 4, dtype=self.dtype, device=self.device)
            self._spaces[purpose] = space
        return space[:size].view(shape)

    def gather(self, layer: int, page_rows: Tensor, purpose: Purpose) -> Tensor:
        """A copy of these of the layer's `page_rows`, in such a space."""
        rows = self.page_rows(layer)
        gathered = self.space(purpose, len(page_rows), rows.shape[1])
        return torch.index_select(rows, 0, page_rows, out=gathered)


def page_bytes(config: ModelConfig, page_size: int, dtype: torch.dtype) -> int:
    """What one page takes over all layers."""
    return config.num_layers * 2 * config.num_kv_heads * page_size * config.head_dim * dtype.itemsize


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Zeros, because padding is read (and masked), and must be finite."""
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    # The system hands out zeroed memory and counts it only once it is written; torch.zeros would write it.
    # In its small pages: numpy asks for huge ones, of which a few tokens here and there would take many.
    # It begins on a cache line, too; else oneDNN copies matrices before each product.
    memory = mmap.mmap(-1, math.prod(shape) * dtype.itemsize)
    return torch.frombuffer(memory, dtype=dtype).view(shape)
