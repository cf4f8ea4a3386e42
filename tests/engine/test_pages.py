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


def test_pages_taken_together_are_neighbours() -> None:
    pool = PagePool(400, 32)
    first, second = pool.take(100), pool.take(50)
    for pages in (first, second):
        assert pages == list(range(pages[0], pages[0] + len(pages)))


def test_a_history_grows_into_its_neighbours_while_others_do_too() -> None:
    pool = PagePool(1000, 32)
    histories = [pool.take(5) for _ in range(4)]
    for _ in range(10):
        for pages in histories:
            pages += pool.take(1, after=pages[-1])
    assert all(pages == list(range(pages[0], pages[0] + 15)) for pages in histories)


def test_scattered_pages_are_used_to_the_last() -> None:
    pool = PagePool(64, 32)
    pages = pool.take(64)
    pool.release(pages[::3])
    assert sorted(pool.take(len(pages[::3]), after=0)) == sorted(pages[::3])
    assert pool.num_free == 0


def test_a_prompt_goes_into_the_smallest_gap_that_leaves_it_room() -> None:
    pool = PagePool(3000, 32)
    pages = pool.take(3000)
    pool.release([*range(100, 300), *range(600, 1800)])
    assert set(pool.take(20)) < set(range(100, 300))
    assert set(pool.take(120)) < set(range(600, 1800))
    assert len(pages) == 3000
