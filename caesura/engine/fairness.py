"""The queue: whose turn it is.

Each tenant has a queue of its own. Tenants take turns (deficit round robin): at its turn a tenant earns
some prompt tokens, and starts what these pay for, so one that sends long prompts gets no more than one that
sends short ones. Who has waited for `max_wait_s` goes first whatever it costs, and until its pages are
there nobody else starts: so nobody waits for ever. Places in the queue are shared out too.
Enters: waiting sequences and the time. Leaves: the next to start. Read next: `scheduler.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from caesura.engine.sequence import Sequence

# ready: it can start now. blocked: pages are missing. follows: another is computing what it needs.
Look = Literal["ready", "blocked", "follows"]

# The queue's limit is for whoever is busiest. Beyond it, up to so many times as many places are for tenants
# that have less than their share.
_RESERVE = 2

# How far behind a tenant's first sequence one is looked for that does not follow another.
_MAX_FOLLOWERS = 64


@dataclass(slots=True, kw_only=True, eq=False)
class Waiting:
    """A place in the queue.

    sequence: who waits.
    cost: tokens that its tenant pays for its start.
    leader: a running sequence that computes what this one needs too, up to `num_shared` tokens.
    leader_stood: how many tokens the leader had computed at the step numbered `looked_at`.
    may_follow: whether it may wait for a leader; not once a leader has made no headway.
    first_since: when it was first seen at the head of its tenant's queue.
    blocked_at: how many pages were available when they were too few; it is not looked at again before
        that number changes.
    """

    sequence: Sequence
    cost: int
    leader: Sequence | None = None
    num_shared: int = 0
    leader_stood: int = 0
    looked_at: int = 0
    may_follow: bool = True
    first_since: float | None = None
    blocked_at: int | None = None


def has_place(sizes: Mapping[str, int], tenant: str, max_waiting: int) -> bool:
    """Whether one more of this tenant's may wait. sizes: how many wait of each tenant.

    Below `max_waiting` anyone may. Beyond it, a tenant whose own are less than an equal share of that still
    may, up to twice as many in all: who fills the queue is refused first, and locks nobody out.
    """
    num_waiting, own = sum(sizes.values()), sizes.get(tenant, 0)
    if num_waiting < max_waiting:
        return True
    num_tenants = len(sizes) + (tenant not in sizes)
    return num_waiting < _RESERVE * max_waiting and own < max(1, max_waiting // num_tenants)


class FairQueue:
    """Waiting sequences by tenant, in turn."""

    def __init__(self, *, quantum: int, max_wait_s: float) -> None:
        """quantum: tokens that a turn earns."""
        self._quantum = quantum
        self._max_wait_s = max_wait_s
        self._queues: dict[str, deque[Waiting]] = {}
        self._deficits: dict[str, int] = {}
        self._turns: deque[str] = deque()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Sequence]:
        return (waiting.sequence for queue in self._queues.values() for waiting in queue)

    def sizes(self) -> dict[str, int]:
        """How many wait of each tenant that has any. Safe on any thread."""
        return {tenant: len(queue) for tenant, queue in self._queues.copy().items()}

    def push(self, waiting: Waiting, *, is_first: bool = False) -> None:
        """Queue behind the tenant's others, or before them."""
        tenant = waiting.sequence.request.tenant
        if tenant not in self._queues:
            self._queues[tenant] = deque()
            self._deficits[tenant] = 0
            self._turns.append(tenant)
        queue = self._queues[tenant]
        queue.appendleft(waiting) if is_first else queue.append(waiting)
        self._size += 1

    def remove(self, sequence: Sequence) -> None:
        """Take a sequence out that need not wait any more."""
        queue = self._queues[sequence.request.tenant]
        self._take(next(waiting for waiting in queue if waiting.sequence is sequence))

    def pick(self, look: Callable[[Waiting], Look], now: float) -> Waiting | None:
        """Take out the next to start, if one can."""
        first = (queue[0] for queue in self._queues.values())
        aged = [each for each in first if now - self._first_since(each, now) >= self._max_wait_s]
        for waiting in sorted(aged, key=lambda each: self._first_since(each, now)):
            seen = look(waiting)
            if seen != "follows":
                return self._take(waiting) if seen == "ready" else None
        return self._pick_in_turn(look)

    def _first_since(self, waiting: Waiting, now: float) -> float:
        """Since when it has been its tenant's first. Age counts from there: a backlog would else be aged as
        a whole, and its tenant would go before all others.
        """
        if waiting.first_since is None:
            waiting.first_since = now
        return waiting.first_since

    def _pick_in_turn(self, look: Callable[[Waiting], Look]) -> Waiting | None:
        ready: dict[str, Waiting] = {}
        for _ in range(len(self._turns)):
            tenant = self._turns[0]
            waiting = self._head(tenant, look)
            if waiting is not None:
                if self._deficits[tenant] >= waiting.cost:
                    return self._pay(waiting)
                ready[tenant] = waiting
            self._turns.rotate(-1)
        if not ready:
            return None
        self._earn(ready)
        return self._pay(next(ready[each] for each in self._turns if self._can_pay(ready.get(each))))

    def _head(self, tenant: str, look: Callable[[Waiting], Look]) -> Waiting | None:
        """The tenant's first sequence that does not follow another, if it is ready."""
        for waiting in islice(self._queues[tenant], _MAX_FOLLOWERS):
            seen = look(waiting)
            if seen != "follows":
                return waiting if seen == "ready" else None
        return None

    def _can_pay(self, waiting: Waiting | None) -> bool:
        return waiting is not None and self._deficits[waiting.sequence.request.tenant] >= waiting.cost

    def _pay(self, waiting: Waiting) -> Waiting:
        tenant = waiting.sequence.request.tenant
        self._deficits[tenant] -= waiting.cost
        self._turns.rotate(-self._turns.index(tenant))
        return self._take(waiting)

    def _earn(self, ready: dict[str, Waiting]) -> None:
        """As many rounds at once as it takes until somebody can pay."""
        missing = min(waiting.cost - self._deficits[tenant] for tenant, waiting in ready.items())
        earned = -(-missing // self._quantum) * self._quantum
        for tenant in ready:
            self._deficits[tenant] += earned

    def _take(self, waiting: Waiting) -> Waiting:
        tenant = waiting.sequence.request.tenant
        self._queues[tenant].remove(waiting)
        self._size -= 1
        if not self._queues[tenant]:
            del self._queues[tenant], self._deficits[tenant]
            self._turns.remove(tenant)
        return waiting
