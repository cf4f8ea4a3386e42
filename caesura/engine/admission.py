"""Whether a waiting sequence can start, and on which pages.

All of a prompt must fit beside one more page for everyone who runs, or the newcomer would be spilled as soon
as they grow. A sequence whose next page is being computed by a running one follows it: it waits until that
has computed what both need, then shares its pages and copies the one that they share in part. It does not
wait for a leader that ends or makes no headway.
Enters: places in the queue and the running sequences. Leaves: sequences with pages. Read next: `fairness.py`,
which asks in whose turn it is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence as Items

from caesura.engine.fairness import Look, Waiting
from caesura.engine.prefix_cache import PrefixCache
from caesura.engine.sequence import Sequence


class Admission:
    """Looks at waiting sequences and starts them."""

    def __init__(self, cache: PrefixCache) -> None:
        self._cache = cache

    def look(self, waiting: Waiting, running: Items[Sequence], step: int) -> Look:
        """Whether it can start in this step."""
        if waiting.leader is not None and self._is_led(waiting, step):
            return "follows"
        if waiting.blocked_at == self._cache.num_available and running:
            return "blocked"
        path = self._cache.find(waiting.sequence)
        if waiting.may_follow and self._has_found_leader(waiting, len(path), running, step):
            return "follows"
        if self._cache.num_missing(waiting.sequence, path) + len(running) <= self._cache.num_available:
            return "ready"
        waiting.blocked_at = self._cache.num_available
        return "blocked"

    def start(self, waiting: Waiting, now: float) -> None:
        """Give a sequence that is ready its pages."""
        sequence, leader, size = waiting.sequence, waiting.leader, waiting.sequence.page_size
        path = self._cache.find(sequence)
        self._cache.start(sequence, path, now)
        if leader is None or leader.status != "running" or leader.num_computed < waiting.num_shared:
            return
        is_within = waiting.num_shared // size == len(path)
        if is_within and waiting.num_shared > sequence.num_computed:
            self._cache.copy_tail(leader, sequence, waiting.num_shared)

    def _is_led(self, waiting: Waiting, step: int) -> bool:
        """Whether it still has to wait for its leader; notes why if not."""
        leader = waiting.leader
        assert leader is not None
        if leader.status != "running":
            waiting.leader = None
            return False
        if leader.num_computed >= waiting.num_shared:
            waiting.may_follow = False
            return False
        has_headway = leader.num_computed > waiting.leader_stood or leader.num_loadable
        if step > waiting.looked_at and not has_headway:
            waiting.leader, waiting.may_follow = None, False
            return False
        waiting.looked_at, waiting.leader_stood = step, leader.num_computed
        return True

    def _has_found_leader(
        self, waiting: Waiting, num_found: int, running: Items[Sequence], step: int
    ) -> bool:
        keys = waiting.sequence.keys
        if num_found >= (len(waiting.sequence.ids) - 1) // waiting.sequence.page_size:
            return False
        for other in running:
            is_shared = len(other.keys) > num_found and other.keys[num_found] == keys[num_found]
            if is_shared and other.num_pending > 1:
                waiting.leader, waiting.num_shared = other, _num_shared(other, waiting.sequence)
                waiting.looked_at, waiting.leader_stood = step, other.num_computed
                return True
        return False


def _num_shared(leader: Sequence, follower: Sequence) -> int:
    """How many leading ids are the same; not the follower's last, which it computes itself."""
    size, keys, others = leader.page_size, leader.keys, follower.keys
    # Equal keys mean equal keys before them, so the first difference can be bisected for.
    num_pages = bisect_left(
        range(min(len(keys), len(others))), True, key=lambda number: keys[number] != others[number]
    )
    limit = min(len(leader.ids), len(follower.ids) - 1)
    position = min(num_pages * size, limit)
    while position < limit and leader.ids[position] == follower.ids[position]:
        position += 1
    return position
