from __future__ import annotations

import pytest
import torch

from caesura.engine.kv_store import KVStore, page_bytes
from tests.engine.conftest import SMALL

PAGE = 8


def store_of(dtype: torch.dtype) -> KVStore:
    """A store whose every page holds other numbers."""
    store = KVStore(SMALL, num_pages=6, page_size=PAGE, dtype=dtype, device=torch.device("cpu"))
    for layer in range(SMALL.num_layers):
        rows = store.page_rows(layer)
        rows.copy_(torch.randn(rows.shape, generator=torch.Generator().manual_seed(layer)))
    return store


def page_of(store: KVStore, page: int) -> list[torch.Tensor]:
    tokens = slice(page * PAGE, (page + 1) * PAGE)
    return [store.heads(layer)[:, :, tokens] for layer in range(SMALL.num_layers)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_page_comes_back_bit_for_bit_wherever_it_is_put(dtype: torch.dtype) -> None:
    store, other = (
        store_of(dtype),
        KVStore(SMALL, num_pages=6, page_size=PAGE, dtype=dtype, device=torch.device("cpu")),
    )
    payloads = bytearray(b"".join(store.export_page(page) for page in (4, 0, 2)))
    assert len(payloads) == 3 * store.page_bytes == 3 * page_bytes(SMALL, PAGE, dtype)
    other.import_pages([1, 5, 3], memoryview(payloads))
    for source, target in ((4, 1), (0, 5), (2, 3)):
        for one, its_copy in zip(page_of(store, source), page_of(other, target), strict=True):
            assert torch.equal(one, its_copy)
    assert not any(tensor.any() for tensor in page_of(other, 0)), "no other page is touched"


def test_a_payload_is_a_copy() -> None:
    store = store_of(torch.float32)
    payload = store.export_page(1)
    before = bytes(payload)
    store.copy_page(2, 1)
    assert bytes(payload) == before != bytes(store.export_page(1))
    assert bytes(store.export_page(1)) == bytes(store.export_page(2))


def test_a_pool_begins_on_a_cache_line() -> None:
    store = store_of(torch.bfloat16)
    assert not any(store.heads(layer).data_ptr() % 64 for layer in range(SMALL.num_layers))


def test_space_is_kept_per_purpose() -> None:
    store = store_of(torch.float32)
    first = store.space("scores", 4, 100)
    assert store.space("tail", 3).data_ptr() != first.data_ptr()
    assert store.space("scores", 2, 7).data_ptr() == first.data_ptr()
