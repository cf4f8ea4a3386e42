"""The tree against a plain model of it: who holds what, and who goes in which order."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.engine.page_keys import page_keys, root_key
from caesura.engine.prefix_tree import Node, PrefixTree

ROOT = root_key(b"", "")


def keys_of(text: str) -> tuple[bytes, ...]:
    """One page for each letter."""
    return page_keys(ROOT, [ord(letter) for letter in text], 1)


@dataclass
class Forest:
    """A tree whose pages are numbered as they come."""

    tree: PrefixTree = field(default_factory=lambda: PrefixTree(100))
    num_pages: int = 0

    def hold(self, text: str, now: float = 0.0, ttl_s: float = 0.0) -> Node:
        """A sequence that finds what is there and brings the rest."""
        keys = keys_of(text)
        path = self.tree.match(keys)
        self.tree.hold(path)
        for key in keys[len(path) :]:
            path.append(self.tree.insert(key, path[-1] if path else None, self.num_pages))
            self.num_pages += 1
        if ttl_s:
            self.tree.retain(path, ttl_s, now)
        return path[-1]

    def keep(self, text: str, now: float = 0.0, ttl_s: float = 0.0) -> None:
        self.tree.release(self.hold(text, now, ttl_s), now)

    def length_of(self, text: str) -> int:
        return len(self.tree.match(keys_of(text)))

    def evict(self, count: int, now: float = 1000.0) -> int:
        return len(self.tree.evict(count, now))


def test_what_was_kept_is_found_as_far_as_the_text_agrees() -> None:
    forest = Forest()
    forest.keep("abcd")
    assert [forest.length_of(text) for text in ("abcd", "abxx", "xbcd", "abcde")] == [4, 2, 0, 4]


def test_a_shared_beginning_is_stored_once() -> None:
    forest = Forest()
    for branch in ("abc1", "abc2", "abc3"):
        forest.keep(branch)
    assert len(forest.tree) == 6


def test_the_page_used_last_goes_last() -> None:
    forest = Forest()
    for now, text in enumerate(("ab", "cd", "ef")):
        forest.keep(text, float(now))
    forest.keep("ab", 3.0)
    assert forest.evict(3) == 3
    assert [forest.length_of(text) for text in ("ab", "cd", "ef")] == [2, 0, 1]


def test_what_is_held_stays_with_all_before_it() -> None:
    forest = Forest()
    held = forest.hold("abc")
    forest.keep("abcde")
    assert forest.evict(10) == 2
    assert forest.length_of("abc") == 3
    forest.tree.release(held, 1.0)
    assert forest.evict(10) == 3


def test_retained_pages_go_last_but_they_go() -> None:
    forest = Forest()
    forest.keep("ab", now=0.0, ttl_s=300.0)
    forest.keep("cd", now=10.0)
    assert forest.evict(2, now=20.0) == 2
    assert (forest.length_of("ab"), forest.length_of("cd")) == (2, 0)
    assert forest.evict(5, now=20.0) == 2


def test_retention_ends_so_long_after_the_last_use() -> None:
    forest = Forest()
    forest.keep("a", now=0.0, ttl_s=300.0)
    forest.keep("a", now=200.0)
    forest.keep("b", now=210.0)
    forest.evict(1, now=499.0)
    assert forest.length_of("a") == 1, "its use at 200 s retained it until 500 s"
    forest.keep("b", now=499.5)
    forest.evict(1, now=501.0)
    assert (forest.length_of("a"), forest.length_of("b")) == (0, 1)


def test_what_is_held_does_not_expire() -> None:
    forest = Forest()
    held = forest.hold("a", now=0.0, ttl_s=5.0)
    forest.evict(1, now=100.0)
    forest.tree.release(held, 100.0)
    forest.keep("b", now=101.0)
    forest.evict(1, now=102.0)
    assert (forest.length_of("a"), forest.length_of("b")) == (1, 0)


def test_beyond_its_share_the_oldest_retained_page_competes_like_any_other() -> None:
    forest = Forest(PrefixTree(2))
    for now, text in enumerate("abc"):
        forest.keep(text, float(now), ttl_s=300.0)
    forest.keep("x", now=10.0)
    assert forest.evict(1, now=20.0) == 1
    assert [forest.length_of(text) for text in "abcx"] == [0, 1, 1, 1]
    assert forest.evict(1, now=20.0) == 1
    assert [forest.length_of(text) for text in "abcx"] == [0, 1, 1, 0], "two are within the share"


operations = st.lists(
    st.one_of(
        st.tuples(
            st.just("hold"), st.text("ab", min_size=1, max_size=6), st.sampled_from([0.0, 0.0, 3.0, 9.0])
        ),
        st.tuples(st.just("release"), st.integers(0, 20), st.just(0.0)),
        st.tuples(st.just("evict"), st.integers(1, 4), st.just(0.0)),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=300)
@given(operations=operations, max_retained=st.integers(0, 8))
def test_counts_are_exact_and_nothing_held_nor_a_parent_before_its_child_goes(
    operations: list[tuple[str, str | int, float]], max_retained: int
) -> None:
    forest = Forest(PrefixTree(max_retained))
    tree = forest.tree
    held: list[tuple[str, Node]] = []
    every: dict[str, Node] = {}
    for now, (kind, what, ttl_s) in enumerate(operations):
        if kind == "hold":
            text = str(what)
            held.append((text, forest.hold(text, float(now), ttl_s)))
            every |= dict(zip((text[:n] for n in range(1, 9)), tree.match(keys_of(text)), strict=False))
        elif kind == "release" and held:
            _, node = held.pop(int(what) % len(held))
            tree.release(node, float(now))
        elif kind == "evict":
            names = {id(node): name for name, node in every.items()}
            num_idle = tree.num_idle
            gone = [names[id(node)] for node in tree.evict(int(what), float(now))]
            assert len(gone) == min(int(what), num_idle), "whatever is idle can go"
            for name in gone:
                del every[name]
                assert not any(other.startswith(name) for other in every), "children go first"
        used = {text[:n] for text, _ in held for n in range(1, len(text) + 1)}
        assert used <= every.keys()
        assert len(tree) == len(every)
        assert tree.num_idle == len(every) - len(used)
        assert tree.num_retained == sum(node.is_kept for node in every.values())
        for name, node in every.items():
            assert node.num_users == sum(text.startswith(name) for text, _ in held)
            assert forest.length_of(name) == len(name)


def test_the_sibling_that_agrees_furthest_is_found() -> None:
    tree = PrefixTree(100)
    parent = tree.insert(b"parent", None, 0, (1, 1, 1, 1))
    for page, ids in enumerate([(2, 3, 4, 5), (2, 3, 9, 9), (7, 7, 7, 7)], start=1):
        tree.insert(bytes(ids), parent, page, ids)
    found = tree.nearest(parent, (2, 3, 9, 1))
    assert found is not None
    assert (found[0].page, found[1]) == (2, 3)
    assert tree.nearest(parent, (5, 3, 4, 5)) is None
    assert tree.nearest(tree.match([b"parent", bytes((7, 7, 7, 7))])[-1], (1,)) is None
