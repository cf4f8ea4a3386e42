"""Computing the next prompt's certain beginning while nobody wants anything.

A tail is rendered, then computed page by page, each step one page of one sequence; what is full stays in the
tree of prefixes, and the next turn finds it there. Before each page it is asked whether anybody has come, and
if so all pages are given back at once: a request waits for a page, or a rendering, and never for a tail. What
was left goes on in the next calm.
Nobody pays for it: nothing is retained, and a page is taken only while the pool has plenty, or from what has
lain unused for long. A tail whose prompt has left memory is given up.
Enters: sources of tails. Leaves: pages in the tree. Read next: `engine.py`, which knows when it is calm.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from collections.abc import Sequence as Items

from caesura.engine.page_keys import page_keys, root_key
from caesura.engine.phases import PhaseState
from caesura.engine.prefix_cache import PrefixCache
from caesura.engine.runner import Runner
from caesura.engine.scheduler import Row, StepPlan
from caesura.engine.sequence import Sequence, SequenceRequest
from caesura.engine.tails import Tail, TailSource

# Conversations that wait for a calm; of more, the latest.
_MAX_PENDING = 4
# The share of the pool that stays free for requests.
_SPARE_SHARE = 0.125
# A page that nobody has used for so long may go: a next turn that comes at all mostly comes sooner.
_STALE_S = 300.0


class TailWarmer:
    """Tails that wait for a calm. `add` may be called on any thread, all else on the engine's."""

    def __init__(
        self,
        cache: PrefixCache,
        compute: Callable[[StepPlan], bool],
        *,
        identity: bytes,
        sequence_ids: Iterator[int],
        clock: Callable[[], float],
    ) -> None:
        """compute: returns when the step is computed, and whether all of it are numbers. identity: see
        `page_keys.py`. clock: that by which pages are used.
        """
        self.num_tokens = 0
        self._cache = cache
        self._compute = compute
        self._identity = identity
        self._sequence_ids = sequence_ids
        self._clock = clock
        self._sources: deque[TailSource] = deque(maxlen=_MAX_PENDING)

    @property
    def has_work(self) -> bool:
        """Whether anything waits."""
        return bool(self._sources)

    def add(self, source: TailSource) -> None:
        """Remember what to compute in the next calm; what has waited longest may be forgotten for it."""
        self._sources.append(source)

    def run(self, is_interrupted: Callable[[], bool]) -> None:
        """Compute tails, the latest first, until there are none or somebody has come. Holds no page then.

        A tail that fails is left out, and the exception passed on.
        """
        while self._sources and not is_interrupted():
            source = self._sources.pop()
            tail = source()
            if tail is not None and not self._warm(tail, is_interrupted):
                self._sources.append(source)

    def _warm(self, tail: Tail, is_interrupted: Callable[[], bool]) -> bool:
        """Whether there is nothing left to do for it."""
        size = self._cache.pool.page_size
        root = root_key(self._identity, tail.tenant)
        keys = page_keys(root, tail.ids, size)
        path = self._cache.tree.match(keys)
        if len(path) == len(keys) or len(path) < tail.num_known // size:
            return True
        sequence = self._sequence(tail, root, keys[: len(path)])
        try:
            self._cache.start(sequence, path, self._clock())
            return self._add_pages(sequence, len(keys), is_interrupted)
        finally:
            self._cache.release(sequence, self._clock(), has_failed=True)

    def _add_pages(self, sequence: Sequence, num_pages: int, is_interrupted: Callable[[], bool]) -> bool:
        for number in range(sequence.num_kept, num_pages):
            if is_interrupted():
                return False
            if not self._add_page(sequence, number):
                break
        return True

    def _add_page(self, sequence: Sequence, number: int) -> bool:
        """Compute one more page; False, and nothing, if none can be spared or what comes is no numbers."""
        size, now = sequence.page_size, self._clock()
        tokens = sequence.request.prompt[number * size : (number + 1) * size]
        if not self._can_spare_page(now):
            return False
        sequence.ids += tokens
        if not self._cache.grow(sequence, now):
            return False
        row = Row(sequence.id, sequence.num_computed, tokens, sequence.pages, is_sampled=False)
        if not self._compute(StepPlan(rows=(row,), num_decode=0)):
            return False
        sequence.num_computed += size
        self._cache.keep(sequence, self._clock())
        self.num_tokens += size
        return True

    def _can_spare_page(self, now: float) -> bool:
        pool, unused_since = self._cache.pool, self._cache.tree.unused_since
        has_plenty = pool.num_free > pool.num_pages * _SPARE_SHARE
        return has_plenty or (unused_since is not None and now - unused_since >= _STALE_S)

    def _sequence(self, tail: Tail, root: bytes, keys: Items[bytes]) -> Sequence:
        """A sequence that has come as far as these pages."""
        size = self._cache.pool.page_size
        return Sequence(
            id=next(self._sequence_ids),
            request=SequenceRequest(prompt=tail.ids, max_tokens=0, tenant=tail.tenant),
            seed=0,
            ids=list(tail.ids[: len(keys) * size]),
            phase=PhaseState("start"),
            page_size=size,
            root=root,
            keys=list(keys),
        )


def run_to_the_end(runner: Runner, plan: StepPlan) -> bool:
    """Compute a plan, and wait until that is done: whether all of it are numbers. A GPU computes behind the
    caller's back: pages would queue up there, and whoever came next would wait for all of them.
    """
    return not runner.run(plan).spoilt()
