"""Which pages are kept, and which of them may go. Integers and bytes only; `now` is passed in.

A node is one full page in memory, named by its key (see `page_keys.py`); its parent is the page before it.
A sequence that uses a page holds it and all before it. What nobody holds is idle: still here for whoever
comes next, and the first to go when pages run out. A node goes only when it is idle and nothing hangs on it.
Order of going: by last use, those that nobody asked to retain first; then those that are retained, for
retention is soft. Retained pages beyond `max_retained` enjoy no privilege, the oldest losing it first.
Enters: keys and page ids. Leaves: paths of nodes. Read next: `prefix_cache.py`, which moves the pages.
"""

from __future__ import annotations

import heapq
import itertools
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

# Of pages that follow the same page, so many are compared; the youngest.
_MAX_COMPARED = 64
# Heaps are cleaned of what is outdated when they outgrow the tree by this many entries.
_SLACK = 256


@dataclass(slots=True, kw_only=True, eq=False)
class Node:
    """One full page in memory.

    key, parent, page: its name, the page before it (None: it is a first page), its place in the pool.
    ids: the tokens in it.
    children: the nodes in memory that hang on it, by key. num_users: sequences that hold it.
    last_use: when somebody last held it.
    ttl_s: how long it is to be retained after its last use; 0: not.
    retain_until: when that ends.
    is_kept: whether it counts as retained.
    is_present: whether it is in the tree.
    """

    key: bytes
    parent: Node | None
    page: int
    ids: Sequence[int] = ()
    children: dict[bytes, Node] = field(default_factory=dict[bytes, "Node"])
    num_users: int = 0
    last_use: float = 0.0
    ttl_s: float = 0.0
    retain_until: float = 0.0
    is_kept: bool = False
    is_present: bool = True

    @property
    def can_go(self) -> bool:
        """Whether the tree can do without it."""
        return self.is_present and not self.children and not self.num_users


# A time, a number that settles ties, and the node that the time is about.
_Entry = tuple[float, int, Node]


class PrefixTree:
    """Nodes by key, and those that can go by last use."""

    def __init__(self, max_retained: int) -> None:
        """max_retained: how many nodes retention protects."""
        self.max_retained = max_retained
        self.num_retained = 0
        self.num_idle = 0
        self._nodes: dict[bytes, Node] = {}
        self._plain: list[_Entry] = []
        self._kept: list[_Entry] = []
        self._expiries: list[_Entry] = []
        self._ties = itertools.count()

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def find(self, key: bytes) -> Node | None:
        """The node of that name."""
        return self._nodes.get(key)

    def match(self, keys: Iterable[bytes]) -> list[Node]:
        """The nodes of the leading keys that are here. Changes nothing; safe on any thread."""
        path: list[Node] = []
        get = self._nodes.get
        for key in keys:
            node = get(key)
            if node is None:
                break
            path.append(node)
        return path

    def hold(self, path: Iterable[Node]) -> None:
        """One more sequence uses these nodes, a path from a first page on."""
        for node in path:
            if not node.num_users:
                self.num_idle -= 1
            node.num_users += 1

    def nearest(self, parent: Node, ids: Sequence[int]) -> tuple[Node, int] | None:
        """Of the pages behind a page the one that agrees furthest with these ids, and how far; None if none
        agrees at all.
        """
        youngest = itertools.islice(reversed(parent.children.values()), _MAX_COMPARED)
        agreeing = ((node, _num_equal(node.ids, ids)) for node in youngest)
        best = max(agreeing, key=lambda each: each[1], default=None)
        return best if best is not None and best[1] else None

    def insert(self, key: bytes, parent: Node | None, page: int, ids: Iterable[int] = ()) -> Node:
        """A node, held by the sequence that brings it, which holds the parent too."""
        assert key not in self._nodes
        node = Node(key=key, parent=parent, page=page, ids=array("i", ids), num_users=1)
        self._nodes[key] = node
        if parent is not None:
            assert parent.is_present
            assert parent.num_users
            parent.children[key] = node
        return node

    def retain(self, nodes: Iterable[Node], ttl_s: float, now: float) -> None:
        """Keep held nodes, and all before them, for `ttl_s` seconds after their last use."""
        for node in nodes:
            node.ttl_s = max(node.ttl_s, ttl_s)
            node.retain_until = now + node.ttl_s
            if not node.is_kept:
                node.is_kept = True
                self.num_retained += 1
                heapq.heappush(self._expiries, (node.retain_until, next(self._ties), node))

    def release(self, deepest: Node | None, now: float) -> None:
        """A sequence stops using a node and all before it."""
        node = deepest
        while node is not None:
            assert node.num_users
            node.num_users -= 1
            node.last_use = now
            if node.is_kept:
                node.retain_until = now + node.ttl_s
            if not node.num_users:
                self.num_idle += 1
            node = node.parent
        if deepest is not None:
            self._offer(deepest)

    def evict(self, count: int, now: float) -> list[Node]:
        """Take out up to `count` nodes, no parent before its child."""
        self._expire(now)
        gone: list[Node] = []
        while len(gone) < count and (node := self._next()) is not None:
            self._remove(node)
            gone.append(node)
        return gone

    @property
    def unused_since(self) -> float | None:
        """When the node that would go first was used last, retained ones aside; None if there is none."""
        node = _top(self._plain, is_kept=False)
        return None if node is None else node.last_use

    def _remove(self, node: Node) -> None:
        del self._nodes[node.key]
        node.is_present = False
        self.num_idle -= 1
        self.num_retained -= node.is_kept
        if node.parent is not None:
            del node.parent.children[node.key]
            self._offer(node.parent)

    def _offer(self, node: Node) -> None:
        """Note a node that may have become one that can go."""
        if not node.can_go:
            return
        heap = self._kept if node.is_kept else self._plain
        heapq.heappush(heap, (node.last_use, next(self._ties), node))
        if len(heap) > 2 * len(self._nodes) + _SLACK:
            heap[:] = [entry for entry in heap if _is_valid(entry, is_kept=node.is_kept)]
            heapq.heapify(heap)

    def _next(self) -> Node | None:
        plain, kept = _top(self._plain, is_kept=False), _top(self._kept, is_kept=True)
        if plain is None and kept is None:
            return None
        is_over = self.num_retained > self.max_retained
        takes_kept = plain is None or (kept is not None and is_over and kept.last_use < plain.last_use)
        return heapq.heappop(self._kept if takes_kept else self._plain)[2]

    def _expire(self, now: float) -> None:
        """End the retention of nodes whose time has come; one that is held or was used since goes on."""
        while self._expiries and self._expiries[0][0] <= now:
            _, _, node = heapq.heappop(self._expiries)
            if not node.is_present:
                continue
            until = now + node.ttl_s if node.num_users else node.retain_until
            if until > now:
                heapq.heappush(self._expiries, (until, next(self._ties), node))
                continue
            node.is_kept, node.ttl_s = False, 0.0
            self.num_retained -= 1
            self._offer(node)


def _num_equal(some: Sequence[int], others: Sequence[int]) -> int:
    """How many leading ids are the same."""
    pairs = enumerate(zip(some, others, strict=False))
    return next((number for number, (a, b) in pairs if a != b), min(len(some), len(others)))


def _is_valid(entry: _Entry, *, is_kept: bool) -> bool:
    last_use, _, node = entry
    return node.can_go and node.is_kept == is_kept and node.last_use == last_use


def _top(heap: list[_Entry], *, is_kept: bool) -> Node | None:
    """The first node of a heap that can still go; outdated entries before it are dropped."""
    while heap and not _is_valid(heap[0], is_kept=is_kept):
        heapq.heappop(heap)
    return heap[0][2] if heap else None
