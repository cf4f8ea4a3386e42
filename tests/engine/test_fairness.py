"""Places in the queue."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from caesura.engine.fairness import has_place

TENANTS = st.sampled_from([f"tenant {number}" for number in range(12)])


def test_below_the_limit_anyone_may_come() -> None:
    assert has_place({"a": 9}, "a", 10)
    assert has_place({"a": 5, "b": 4}, "b", 10)


def test_whoever_has_the_share_of_one_is_refused_when_it_is_full() -> None:
    assert not has_place({"a": 10}, "a", 10)
    assert not has_place({"a": 5, "b": 5}, "a", 10)
    assert has_place({"a": 10}, "b", 10)
    assert has_place({"a": 10, "b": 4}, "b", 10)
    assert not has_place({"a": 10, "b": 5}, "b", 10)
    assert has_place({str(number): 1 for number in range(15)}, "new", 10), "at least one place each"
    assert not has_place({str(number): 1 for number in range(20)}, "new", 10)


@given(st.lists(TENANTS, max_size=80), st.integers(1, 12))
def test_in_whatever_order_they_come_there_are_never_twice_as_many_and_no_tenant_locks_others_out(
    arrivals: list[str], max_waiting: int
) -> None:
    sizes = Counter[str]()
    for tenant in arrivals:
        if has_place(sizes, tenant, max_waiting):
            sizes[tenant] += 1
    assert sum(sizes.values()) <= 2 * max_waiting
    assert all(size <= max_waiting for size in sizes.values())
    others = len(set(arrivals)) - 1
    if others < max_waiting:
        assert all(has_place(sizes, tenant, max_waiting) or sizes[tenant] for tenant in set(arrivals))
