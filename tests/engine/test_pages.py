from __future__ import annotations

import pytest

from caesura.engine.pages import PagePool


def test_a_page_is_free_when_nobody_counts_on_it() -> None:
    pool = PagePool(4, 32)
    pages = pool.take(3)
    pool.hold(pages[:1])
    pool.release(pages)
    assert (pool.num_free, pool.num_held) == (3, 1)
    pool.release(pages[:1])
    assert (pool.num_free, pool.num_held) == (4, 0)


def test_no_page_is_given_out_twice() -> None:
    pool = PagePool(8, 32)
    assert len({*pool.take(3), *pool.take(5)}) == 8


def test_a_started_page_counts_as_a_page() -> None:
    pool = PagePool(8, 32)
    assert [pool.pages_for(count) for count in (0, 1, 32, 33)] == [0, 1, 1, 2]


def test_a_pool_that_holds_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="0 pages"):
        PagePool(0, 32)
