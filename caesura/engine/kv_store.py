"""The keys and values of all pages, as attention writes and reads them.

Two stores do this: `plain_store.py` keeps the numbers as they are, `int8_store.py` keeps them rounded to
eight bits. Shapes: T tokens, L tokens read, P pages, K key/value heads, E head dimension.
Enters: a step's keys and values. Leaves: tensors that `paged_attention.py` multiplies; pages as bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from caesura.engine.workspace import Purpose
from caesura.model.config import ModelConfig

# How keys and values are kept, where that is not as they are computed.
KVDtype = Literal["int8"]
# Of an int8 token and head: a bfloat16.
SCALE_DTYPE = torch.bfloat16


class Tokens(NamedTuple):
    """Keys and values as they were read.

    numbers: (..., E). scale: (..., 1), by which they are still to be multiplied; None: by nothing.
    """

    numbers: Tensor
    scale: Tensor | None = None

    def widened(self) -> Tensor:
        """The keys and values themselves. Numbers that have a scale are overwritten."""
        return self.numbers if self.scale is None else self.numbers.mul_(self.scale)


class KVStore(Protocol):
    """Pages of keys and values, and the space into which a step gathers them.

    page_size: tokens a page.
    num_pages: of the pool.
    num_kv_heads, head_dim: of each layer.
    head_offsets: where each head's rows begin among the rows of pages, the keys' heads first.
    """

    page_size: int
    num_pages: int
    num_kv_heads: int
    head_dim: int
    head_offsets: Tensor

    @property
    def device(self) -> torch.device:
        """Where the pages are."""
        ...

    @property
    def dtype(self) -> torch.dtype:
        """What is written and read."""
        ...

    @property
    def stored_dtype(self) -> torch.dtype:
        """What the pages hold. If it is another one than `dtype`, a token reads others than it wrote."""
        ...

    @property
    def page_bytes(self) -> int:
        """The length of a page's payload: its keys and values in all layers."""
        ...

    def write(self, layer: int, token_rows: Tensor, key: Tensor, value: Tensor) -> None:
        """Keep what a step computed.

        token_rows: (T * 2 * K), for each key and value its (head * P + page) * page_size + token in the page.
        key, value: (T, K, E).
        """
        ...

    def read(self, layer: int, runs: Sequence[range]) -> Iterable[Tokens]:
        """The tokens of these runs of the pool, in order, in pieces of (2, K, L, E). Good until the next
        history is asked for.
        """
        ...

    def gather(self, layer: int, page_rows: Tensor, purpose: Purpose) -> Tokens:
        """A copy of these (head, page) rows, (rows, page_size, E), in a space for that purpose.

        page_rows: head * P + page for each.
        """
        ...

    def space(self, purpose: Purpose, *shape: int) -> Tensor:
        """Memory to work in, good until it is asked for again for the same purpose."""
        ...

    def export_page(self, page: int) -> memoryview:
        """A copy of a page's payload."""
        ...

    def import_pages(self, pages: Sequence[int], payloads: memoryview) -> None:
        """Fill pages from payloads that lie back to back in writable memory."""
        ...

    def copy_page(self, source: int, target: int) -> None:
        """Make one page hold what another holds."""
        ...

    def clear_pages(self, pages: Sequence[int]) -> None:
        """Fill pages with zeros."""
        ...


def page_bytes(
    config: ModelConfig, page_size: int, dtype: torch.dtype, kv_dtype: KVDtype | None = None
) -> int:
    """What one page takes over all layers. dtype: of what is computed."""
    if kv_dtype == "int8":
        head_bytes = config.head_dim + SCALE_DTYPE.itemsize
    else:
        head_bytes = config.head_dim * dtype.itemsize
    return config.num_layers * 2 * config.num_kv_heads * page_size * head_bytes
