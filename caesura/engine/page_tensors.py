"""What all pages hold of one kind of number, one tensor a layer.

A layer is laid out (2, K, P, page, E): keys, then values, each head's tokens side by side, page after page.
So a history in neighbouring pages is a cut of that, which the products of attention read where it lies; and
a copy of other pages' (head, page) rows leaves every head's history contiguous, too.
Shapes: P pages, K key/value heads, E numbers a token and head. Enters: the model's shape, the number of
pages. Leaves: views, and pages as bytes. Read next: `kv_store.py`.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from caesura.model.config import ModelConfig


class PageTensors:
    """The tensors of all layers."""

    def __init__(
        self,
        config: ModelConfig,
        *,
        num_pages: int,
        page_size: int,
        width: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        """width: E."""
        self._page_shape = (page_size, width)
        shape = (2, config.num_kv_heads, num_pages, *self._page_shape)
        self._layers = [_zeros(shape, dtype, device) for _ in range(config.num_layers)]

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self._layers[0].device

    @property
    def dtype(self) -> torch.dtype:
        """What they hold."""
        return self._layers[0].dtype

    def token_rows(self, layer: int) -> Tensor:
        """(2 * K * P * page, E): one row for each token's key or value of one head."""
        return self._layers[layer].view(-1, self._page_shape[1])

    def page_rows(self, layer: int) -> Tensor:
        """(2 * K * P, page, E): one row for each page's keys or values of one head."""
        return self._layers[layer].view(-1, *self._page_shape)

    def heads(self, layer: int) -> Tensor:
        """(2, K, P * page, E): every head's tokens, page after page."""
        return self._layers[layer].flatten(2, 3)

    @property
    def page_bytes(self) -> int:
        """The length of a page's payload."""
        return sum(layer[:, :, 0].numel() * layer.itemsize for layer in self._layers)

    def export_page(self, page: int) -> Tensor:
        """A copy of a page's payload, as bytes: each layer's (2, K, page, E), back to back."""
        payload = torch.stack([layer[:, :, page] for layer in self._layers]).cpu()
        return payload.view(-1).view(torch.uint8)

    def import_pages(self, pages: Sequence[int], payloads: Tensor) -> None:
        """Fill pages from a row of bytes for each."""
        shape = (len(pages), len(self._layers), 2, -1, *self._page_shape)
        filled = payloads.contiguous().view(self.dtype).view(shape).to(self.device)
        for run, first in _neighbours(pages):
            for number, layer in enumerate(self._layers):
                layer[:, :, first : first + len(run)] = filled[run.start : run.stop, number].permute(
                    1, 2, 0, 3, 4
                )

    def copy_page(self, source: int, target: int) -> None:
        """Make one page hold what another holds."""
        for layer in self._layers:
            layer[:, :, target] = layer[:, :, source]

    def clear_pages(self, pages: Sequence[int]) -> None:
        """Fill pages with zeros."""
        index = torch.tensor(pages, device=self.device)
        for layer in self._layers:
            layer.index_fill_(2, index, 0)


def _neighbours(pages: Sequence[int]) -> Iterator[tuple[range, int]]:
    """Cut into runs of pages that follow one another: which of them, and the first one's number."""
    start = 0
    for number in range(1, len(pages) + 1):
        if number == len(pages) or pages[number] != pages[number - 1] + 1:
            yield range(start, number), pages[start]
            start = number


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Zeros, because what lies behind a page's last token is read (and masked), and must be finite."""
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    # The system hands out zeroed memory and counts it only once it is written; torch.zeros would write it.
    # In its small pages: numpy asks for huge ones, of which a few tokens here and there would take many.
    # It begins on a cache line, too; else oneDNN copies matrices before each product.
    memory = mmap.mmap(-1, math.prod(shape) * dtype.itemsize)
    return torch.frombuffer(memory, dtype=dtype).view(shape)
