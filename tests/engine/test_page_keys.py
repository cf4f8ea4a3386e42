from __future__ import annotations

from hashlib import blake2b
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from caesura.engine.page_keys import KEY_BYTES, page_keys, root_key

ROOT = root_key(b"a model", "someone")
ids_of_a_prompt = st.lists(st.integers(0, 2**32 - 1), max_size=40)


def test_a_key_is_the_hash_of_the_key_before_it_and_the_ids() -> None:
    first, second = page_keys(ROOT, (1, 2, 3, 4, 5), 2)
    assert first == blake2b(ROOT + bytes([1, 0, 0, 0, 2, 0, 0, 0]), digest_size=KEY_BYTES).digest()
    assert second == blake2b(first + bytes([3, 0, 0, 0, 4, 0, 0, 0]), digest_size=KEY_BYTES).digest()


@given(one=ids_of_a_prompt, other=ids_of_a_prompt, page_size=st.integers(1, 5))
def test_keys_are_equal_as_far_as_full_pages_of_text_are(
    one: list[int], other: list[int], page_size: int
) -> None:
    keys, others = page_keys(ROOT, one, page_size), page_keys(ROOT, other, page_size)
    assert len(keys) == len(one) // page_size
    for number, (key, its_twin) in enumerate(zip(keys, others, strict=False), start=1):
        assert (key == its_twin) == (one[: number * page_size] == other[: number * page_size])


@given(ids=ids_of_a_prompt, page_size=st.integers(1, 5), cut=st.integers(0, 8))
def test_keys_can_be_continued_from_any_page(ids: list[int], page_size: int, cut: int) -> None:
    keys = page_keys(ROOT, ids, page_size)
    cut = min(cut, len(keys))
    parent = keys[cut - 1] if cut else ROOT
    assert keys[:cut] + page_keys(parent, ids[cut * page_size :], page_size) == keys


def test_roots_differ_by_model_and_by_tenant() -> None:
    pairs = [(b"", ""), (b"a", ""), (b"", "a"), (b"a", "b"), (b"ab", ""), (b"b", "a")]
    roots = sorted(root_key(*pair) for pair in pairs)
    assert all(one != other for one, other in pairwise(roots))


def test_keys_are_the_same_in_every_process() -> None:
    """What is on disk was named by a process that is gone."""
    assert page_keys(root_key(b"model", "me"), range(64), 32)[-1].hex() == "6cac9c18dfd91f178e67d8939bd648ec"
