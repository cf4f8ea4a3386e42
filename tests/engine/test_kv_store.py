"""Both stores: what is written is read, and pages leave and come back."""

from __future__ import annotations

import pytest
import torch

from caesura.engine.int8_store import Int8Store
from caesura.engine.kv_store import KVDtype, KVStore, page_bytes
from caesura.engine.loading import KV_STORES
from caesura.engine.plain_store import PlainStore
from tests.engine.conftest import SMALL

PAGE = 8
NUM_PAGES = 6
ALL = [range(NUM_PAGES * PAGE)]
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
KINDS = pytest.mark.parametrize("store_type", [PlainStore, Int8Store])

Store = PlainStore | Int8Store
KV_DTYPES: dict[type[Store], KVDtype | None] = {store: name for name, store in KV_STORES.items()}


def empty_store(store_type: type[Store], dtype: torch.dtype) -> Store:
    return store_type(SMALL, num_pages=NUM_PAGES, page_size=PAGE, dtype=dtype, device=torch.device("cpu"))


def filled(store: KVStore) -> KVStore:
    """The store, with other numbers for every token."""
    num_tokens = store.num_pages * store.page_size
    rows_T2K = torch.arange(num_tokens)[:, None] + store.head_offsets * store.page_size
    shape = (2, num_tokens, store.num_kv_heads, store.head_dim)
    for layer in range(SMALL.num_layers):
        generator = torch.Generator().manual_seed(layer)
        key, value = torch.randn(shape, generator=generator).to(store.dtype)
        store.write(layer, rows_T2K.flatten(), key, value)
    return store


def all_tokens(store: KVStore, layer: int) -> torch.Tensor:
    """(2, K, L, E): a copy of what a step would read."""
    [tokens] = store.read(layer, [range(store.num_pages * store.page_size)])
    return tokens.widened().clone()


def page_of(store: KVStore, page: int) -> torch.Tensor:
    tokens = slice(page * PAGE, (page + 1) * PAGE)
    return torch.stack([all_tokens(store, layer)[:, :, tokens] for layer in range(SMALL.num_layers)])


@DTYPES
@KINDS
def test_a_page_comes_back_bit_for_bit_wherever_it_is_put(
    store_type: type[Store], dtype: torch.dtype
) -> None:
    store, other = filled(empty_store(store_type, dtype)), empty_store(store_type, dtype)
    kept = [bytes(store.export_page(page)) for page in (4, 0, 2)]
    payloads = bytearray(b"".join(kept))
    assert len(payloads) == 3 * store.page_bytes == 3 * page_bytes(SMALL, PAGE, dtype, KV_DTYPES[store_type])
    other.import_pages([1, 5, 3], memoryview(payloads))
    for source, target in ((4, 1), (0, 5), (2, 3)):
        assert torch.equal(page_of(store, source), page_of(other, target))
    assert [bytes(other.export_page(page)) for page in (1, 5, 3)] == kept
    assert not page_of(other, 0).any(), "no other page is touched"


@KINDS
def test_a_payload_is_a_copy(store_type: type[Store]) -> None:
    store = filled(empty_store(store_type, torch.float32))
    payload = store.export_page(1)
    before = bytes(payload)
    store.copy_page(2, 1)
    assert bytes(payload) == before != bytes(store.export_page(1))
    assert bytes(store.export_page(1)) == bytes(store.export_page(2))


@KINDS
def test_cleared_pages_are_zeros_whatever_they_held(store_type: type[Store]) -> None:
    store = filled(empty_store(store_type, torch.float32))
    kept = bytes(store.export_page(2))
    for layer in range(SMALL.num_layers):
        rows = store.head_offsets * PAGE + 4 * PAGE + 1
        bad = torch.full((1, SMALL.num_kv_heads, SMALL.head_dim), torch.nan)
        store.write(layer, rows, bad, bad)
    store.clear_pages([1, 4])
    assert not page_of(store, 1).any()
    assert not page_of(store, 4).any(), "no number is not zero either"
    assert bytes(store.export_page(2)) == kept


@DTYPES
@KINDS
def test_pages_are_gathered_as_they_are_read(store_type: type[Store], dtype: torch.dtype) -> None:
    store = filled(empty_store(store_type, dtype))
    pages = torch.tensor([5, 0, 3])
    gathered = store.gather(1, (store.head_offsets[:, None] + pages).flatten(), "tail").widened()
    wanted = all_tokens(store, 1).unflatten(2, (NUM_PAGES, PAGE))[:, :, pages]
    assert gathered.dtype == dtype
    assert torch.equal(gathered.view(wanted.shape), wanted)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_integers_are_multiplied_at_once_where_they_would_overflow(dtype: torch.dtype) -> None:
    store = filled(empty_store(Int8Store, dtype))
    [tokens] = store.read(0, ALL)
    largest = (tokens.numbers.abs().sum(-1) * 10).max()
    assert (tokens.scale is None) == (dtype == torch.float16)
    assert largest.isfinite()


@KINDS
def test_runs_are_read_in_order(store_type: type[Store]) -> None:
    store = filled(empty_store(store_type, torch.bfloat16))
    wanted, runs = all_tokens(store, 0), [range(30, 41), range(8, 24)]
    wanted = torch.cat([wanted[:, :, run.start : run.stop] for run in runs], dim=2)
    assert torch.equal(torch.cat([tokens.widened() for tokens in store.read(0, runs)], dim=2), wanted)


@KINDS
def test_what_is_read_begins_on_a_cache_line(store_type: type[Store]) -> None:
    store = filled(empty_store(store_type, torch.bfloat16))
    assert not any(
        tokens.numbers.data_ptr() % 64
        for layer in range(SMALL.num_layers)
        for tokens in store.read(layer, ALL)
    )


@KINDS
def test_space_is_kept_per_purpose(store_type: type[Store]) -> None:
    store = empty_store(store_type, torch.float32)
    first = store.space("scores", 4, 100)
    assert first.dtype == torch.float32
    assert store.space("tail", 3).data_ptr() != first.data_ptr()
    assert store.space("scores", 2, 7).data_ptr() == first.data_ptr()
