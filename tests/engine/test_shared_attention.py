"""Histories read where they lie, alone and together: the written-out formula."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from caesura.engine.int8_store import Int8Store
from caesura.engine.kv_store import KVStore
from caesura.engine.plain_store import PlainStore
from caesura.engine.scheduler import Row
from caesura.engine.shared_attention import LoneRead, SharedRead, cluster_read
from caesura.engine.shared_prefixes import Cluster, arranged
from tests.engine.conftest import SMALL
from tests.engine.test_kv_store import all_tokens, filled

PAGE = 8


def filled_store(store_type: type[PlainStore | Int8Store], dtype: torch.dtype) -> KVStore:
    return filled(store_type(SMALL, num_pages=200, page_size=PAGE, dtype=dtype, device=torch.device("cpu")))


def row(pages: list[int], length: int) -> Row:
    """A row that computes its last token."""
    return Row(0, length - 1, (0,), pages, True)


def formula(store: KVStore, layer: int, query_HE: torch.Tensor, each: Row) -> torch.Tensor:
    """(H, E) in float64."""
    tokens = [page * PAGE + offset for page in each.pages for offset in range(PAGE)][: each.start + 1]
    key_KLE, value_KLE = all_tokens(store, layer)[:, :, tokens].double()
    group = SMALL.num_heads // SMALL.num_kv_heads
    key_HLE, value_HLE = (x.repeat_interleave(group, 0) for x in (key_KLE, value_KLE))
    scores_HL = (key_HLE @ query_HE.double()[:, :, None])[..., 0] / SMALL.head_dim**0.5
    return (scores_HL.softmax(-1)[:, None] @ value_HLE)[:, 0]


def check(store: KVStore, cluster: Cluster, read: LoneRead | SharedRead) -> None:
    num_rows = len(cluster.rows)
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(num_rows + 2, SMALL.num_heads, SMALL.head_dim, generator=generator).to(store.dtype)
    for layer in range(SMALL.num_layers):
        seen = read.read(store, layer, query)
        wanted = [formula(store, layer, query[1 + index], each) for index, each in enumerate(cluster.rows)]
        error = 1e-5 if store.dtype == torch.float32 else 0.03
        assert (seen.double() - torch.stack(wanted)).abs().max() < error


RUN = list(range(20, 70))
RUNS = [*range(100, 120), *range(20, 50)]
SCATTERED = torch.randperm(200, generator=torch.Generator().manual_seed(2))[:50].tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("store_type", [PlainStore, Int8Store])
@pytest.mark.parametrize("pages", [RUN, RUNS, SCATTERED])
@pytest.mark.parametrize("length", [257, 264, 399])
def test_a_long_row_reads_its_history(
    pages: list[int], length: int, store_type: type[PlainStore | Int8Store], dtype: torch.dtype
) -> None:
    store, cluster = filled_store(store_type, dtype), Cluster((row(pages, length),))
    read = cluster_read(cluster, 1, store)
    assert isinstance(read, LoneRead)
    assert read.is_at_once == (pages is RUN and store_type is PlainStore)
    check(store, cluster, read)
    check(store, cluster, replace(read, is_at_once=False))
    check(store, cluster, replace(read, is_at_once=pages is RUN))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("store_type", [PlainStore, Int8Store])
@pytest.mark.parametrize("pages", [RUN, RUNS, SCATTERED])
def test_rows_read_what_they_share_and_their_tails(
    pages: list[int], store_type: type[PlainStore | Int8Store], dtype: torch.dtype
) -> None:
    store = filled_store(store_type, dtype)
    shared = pages[:40]
    tails = [([150], 1), ([160, 170, 3], 20), ([180, 4], 16)]
    rows = [row([*shared, *tail], 40 * PAGE + size) for tail, size in tails]
    [cluster] = arranged(rows, PAGE).clusters
    assert cluster.pages.tolist() == shared
    read = cluster_read(cluster, 1, store)
    assert isinstance(read, SharedRead)
    assert (read.shared.page_rows is not None) == (pages is SCATTERED)
    check(store, cluster, read)


def test_short_rows_and_those_that_part_early_stay_among_the_others() -> None:
    short = [row([1, 2], 10), row([3], 4)]
    parting = [row([5, 6, 7, 8, *range(first, first + 9)], 100) for first in (20, 40)]
    arrangement = arranged([*short, *parting], PAGE)
    assert not arrangement.clusters
    assert [each.start for each in arrangement.others] == [99, 99, 9, 3]


def test_a_scattered_row_is_copied_with_the_others_until_it_is_very_long() -> None:
    scattered = [page for start in (10, 400, 800, 1200) for page in range(start, start + 40)]
    run = list(range(2000, 2160))
    arrangement = arranged([row(scattered, 100 * PAGE), row(run, 100 * PAGE)], PAGE)
    assert [cluster.rows[0].pages for cluster in arrangement.clusters] == [run]
    assert [each.pages for each in arrangement.others] == [scattered]
    assert len(arranged([row(scattered, 140 * PAGE)], PAGE).clusters) == 1


def test_the_page_that_a_row_writes_to_is_never_shared() -> None:
    rows = [row(RUN, 5 * PAGE + 1), row(RUN, 5 * PAGE + 8)]
    [cluster] = arranged(rows, PAGE).clusters
    assert len(cluster.pages) == 5
