"""What is used stays, what is not goes, and never more is held than may be."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from caesura.messages.recent import ENTRY_BYTES, Recent

ROOM_FOR_TWO = 2 * (ENTRY_BYTES + 10)


def test_what_was_used_longest_ago_is_forgotten() -> None:
    recent = Recent[str, int](ROOM_FOR_TWO)
    recent.put("a", 1, 10)
    recent.put("b", 2, 10)
    assert recent.get("a") == 1
    recent.put("c", 3, 10)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (1, None, 3)


def test_what_is_too_large_is_not_kept_and_drives_nothing_out() -> None:
    recent = Recent[str, int](ROOM_FOR_TWO)
    recent.put("a", 1, 10)
    recent.put("b", 2, ROOM_FOR_TWO)
    assert (recent.get("a"), recent.get("b")) == (1, None)


def test_a_value_that_is_replaced_is_counted_once() -> None:
    recent = Recent[str, int](ROOM_FOR_TWO)
    recent.put("a", 1, 10)
    recent.put("a", 2, 20)
    assert recent.get("a") == 2
    assert recent.num_bytes == ENTRY_BYTES + 20
    recent.put("a", 3, ROOM_FOR_TWO)
    assert (recent.get("a"), recent.num_bytes, len(recent)) == (None, 0, 0)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3000)), max_size=60), st.integers(0, 5000))
def test_it_never_holds_more_than_it_may(puts: list[tuple[int, int]], max_bytes: int) -> None:
    recent = Recent[int, int](max_bytes)
    for key, size in puts:
        recent.put(key, size, size)
        assert recent.num_bytes <= max_bytes
        assert recent.get(key) == (size if size + ENTRY_BYTES <= max_bytes else None)
    held = [size for key in range(21) if (size := recent.get(key)) is not None]
    assert recent.num_bytes == sum(held) + ENTRY_BYTES * len(recent)


def test_threads_may_share_it() -> None:
    recent = Recent[int, int](20 * (ENTRY_BYTES + 1))
    wrong: list[int] = []

    def use(first: int) -> None:
        for number in range(3000):
            key = (first + number) % 50
            recent.put(key, key, 1)
            found = recent.get((key * 7) % 50)
            if found not in (None, (key * 7) % 50):
                wrong.append(key)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(recent) <= 20
    assert recent.num_bytes == len(recent) * (ENTRY_BYTES + 1)
