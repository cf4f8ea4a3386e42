"""The scheduler's world without tensors: a store that holds ids, a model that reads them, tiers in a dict.

What a model says next is a digest of the ids that it finds in its pages, from the first position on. So a
page that is given to the wrong sequence, or freed too early, changes a reply.
Enters: arrivals. Leaves: replies, with every account checked after every step. Read next:
`test_scheduler.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence as Items
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from caesura.engine.page_keys import page_keys, root_key
from caesura.engine.pages import PagePool
from caesura.engine.phases import PhaseState
from caesura.engine.prefix_cache import PrefixCache
from caesura.engine.scheduler import Row, Scheduler, SchedulerConfig, StepPlan
from caesura.engine.sequence import Retention, Sequence, SequenceRequest

PAGE_SIZE = 4


class FakeStore:
    """For each page its ids, four bytes each."""

    def __init__(self, num_pages: int) -> None:
        self.ids = np.full((num_pages, PAGE_SIZE), -1, dtype=np.int32)

    @property
    def page_bytes(self) -> int:
        return self.ids[0].nbytes

    def export_page(self, page: int) -> memoryview:
        return memoryview(self.ids[page].tobytes())

    def import_pages(self, pages: Items[int], payloads: memoryview) -> None:
        self.ids[list(pages)] = np.frombuffer(payloads, dtype=np.int32).reshape(len(pages), PAGE_SIZE)

    def copy_page(self, source: int, target: int) -> None:
        self.ids[target] = self.ids[source]

    def clear_pages(self, pages: Items[int]) -> None:
        self.ids[list(pages)] = 0

    def prefix(self, pages: Items[int], length: int) -> list[int]:
        return self.ids[list(pages)].reshape(-1)[:length].tolist()


class FakeTiers:
    """Pages in a dict; those in `damaged` are counted but cannot be read."""

    def __init__(self) -> None:
        self.payloads: dict[bytes, bytes] = {}
        self.retain_until: dict[bytes, float] = {}
        self.damaged: set[bytes] = set()

    def count(self, keys: Items[bytes]) -> int:
        return next((number for number, key in enumerate(keys) if key not in self.payloads), len(keys))

    def read(self, keys: Items[bytes], out: memoryview) -> int:
        for number, key in enumerate(keys):
            if key not in self.payloads or key in self.damaged:
                return number
            payload = self.payloads[key]
            out[number * len(payload) : (number + 1) * len(payload)] = payload
        return len(keys)

    def write(self, key: bytes, payload: bytes | memoryview, *, retain_until: float) -> None:
        self.payloads[key] = bytes(payload)
        self.retain_until[key] = retain_until

    def touch(self, keys: Items[bytes], retain_until: float) -> None:
        self.retain_until |= dict.fromkeys(keys, retain_until)

    def close(self) -> None:
        self.payloads.clear()


@dataclass(kw_only=True)
class Arrival:
    """Somebody comes at a step, wants so many tokens, and may leave early."""

    prompt: tuple[int, ...]
    output: int = 1
    step: int = 0
    cancel_at: int | None = None
    tenant: str = ""
    retentions: tuple[Retention, ...] = ()


def next_id(ids: Items[int]) -> int:
    """What the model says after these."""
    return blake2b(np.asarray(ids, dtype=np.int32).tobytes(), digest_size=1).digest()[0]


def reply(prompt: Items[int], length: int) -> list[int]:
    """What the model says without a store."""
    ids = list(prompt)
    for _ in range(length):
        ids.append(next_id(ids))
    return ids[len(prompt) :]


@dataclass
class World:
    """A scheduler, and a model for it. Time is the number of the step."""

    scheduler: Scheduler
    store: FakeStore
    arrivals: list[Arrival] = field(default_factory=list[Arrival])
    sequences: list[Sequence] = field(default_factory=list[Sequence])
    ended: dict[int, str] = field(default_factory=dict[int, str])
    step_s: float = 0.0
    now: float = 0.0
    num_computed: int = 0

    def add(self, arrival: Arrival) -> Sequence:
        request = SequenceRequest(
            prompt=arrival.prompt,
            max_tokens=arrival.output,
            tenant=arrival.tenant,
            retentions=arrival.retentions,
        )
        root = root_key(b"", arrival.tenant)
        sequence = Sequence(
            id=len(self.sequences),
            request=request,
            seed=0,
            ids=list(arrival.prompt),
            phase=PhaseState("answer"),
            page_size=PAGE_SIZE,
            root=root,
            keys=list(page_keys(root, arrival.prompt, PAGE_SIZE)),
        )
        self.arrivals.append(arrival)
        self.sequences.append(sequence)
        self.scheduler.add(sequence, self.now)
        return sequence

    def end(self, sequence: Sequence, reason: str) -> None:
        assert sequence.id not in self.ended
        self.ended[sequence.id] = reason
        self.scheduler.finish(sequence, "cancelled" if reason == "cancelled" else "end", self.now)

    def step(self) -> StepPlan:
        self.now += 1
        plan = self.scheduler.plan(self.now)
        assert plan.rows or plan.loads or not self.scheduler.has_work, "every step gets somebody further"
        self.check_plan(plan)
        for load in plan.loads:
            self.scheduler.load(load, self.now)
        sampled = {row.sequence: self.compute(row) for row in plan.rows}
        self.scheduler.commit(plan, elapsed_s=self.step_s, now=self.now)
        self.check_pages()
        for number, token in sampled.items():
            self.advance(self.sequences[number], token)
        self.check_pages()
        return plan

    def run(self, max_steps: int = 1000) -> None:
        for _ in range(max_steps):
            if not self.scheduler.has_work:
                return
            self.step()
        raise AssertionError("somebody starves")

    def compute(self, row: Row) -> int | None:
        self.num_computed += len(row.tokens)
        for position, token in enumerate(row.tokens, start=row.start):
            self.store.ids[row.pages[position // PAGE_SIZE], position % PAGE_SIZE] = token
        prefix = self.store.prefix(row.pages, row.start + len(row.tokens))
        return next_id(prefix) if row.is_sampled else None

    def advance(self, sequence: Sequence, token: int | None) -> None:
        wanted = self.arrivals[sequence.id].output
        if token is not None:
            sequence.ids.append(token)
        if len(sequence.output) >= wanted and not (wanted == 0 and sequence.num_pending):
            self.end(sequence, "end")

    def check_plan(self, plan: StepPlan) -> None:
        config = self.scheduler.config
        assert sum(len(row.tokens) for row in plan.rows) <= config.max_step_tokens
        assert len({row.sequence for row in plan.rows}) == len(plan.rows)
        for number, row in enumerate(plan.rows):
            sequence = self.sequences[row.sequence]
            stop = row.start + len(row.tokens)
            assert row.start == sequence.num_computed
            assert list(row.tokens) == sequence.ids[row.start : stop]
            assert len(row.pages) * PAGE_SIZE >= stop
            assert row.is_sampled == (stop == len(sequence.ids) and sequence.request.max_tokens > 0)
            assert (number < plan.num_decode) == (sequence.num_pending == 1)
        decoding = [s for s in self.scheduler.running if s.num_pending == 1 and not s.num_loadable]
        assert len(decoding) == plan.num_decode, "every running decode progresses in every step"

    def check_pages(self) -> None:
        cache = self.scheduler.cache
        pool, tree = cache.pool, cache.tree
        holders = Counter(page for sequence in self.scheduler.running for page in sequence.pages)
        used = set(holders)
        kept = {node.page for node in tree}
        assert len(kept) == len(tree), "no page has two names"
        assert all(count == 1 for page, count in holders.items() if page not in kept)
        holders.update(kept)
        assert [pool.num_holders(page) for page in range(pool.num_pages)] == [
            holders[page] for page in range(pool.num_pages)
        ]
        assert pool.num_free + len(holders) == pool.num_pages
        assert tree.num_idle == len(kept - used)
        assert not any(sequence.pages for sequence in self.scheduler.waiting)
        for sequence in self.scheduler.running:
            assert (
                self.store.prefix(sequence.pages, sequence.num_computed)
                == sequence.ids[: sequence.num_computed]
            ), "what counts as computed is there"

    def check_usage(self, sequence: Sequence) -> None:
        usage = sequence.usage
        num_read = sequence.num_prompt
        if self.ended.get(sequence.id) == "cancelled":
            num_read = min(num_read, sequence.num_once)
            assert num_read == sequence.num_prompt or not usage.output_tokens
        assert usage.prompt_tokens == num_read
        assert 0 <= usage.cache_creation_1h_input_tokens <= usage.cache_creation_input_tokens
        assert usage.input_tokens >= 0
        assert usage.cache_read_input_tokens == sequence.num_cached < sequence.num_prompt
        assert sequence.num_cached % PAGE_SIZE == 0


def world_of(num_pages: int, tiers: FakeTiers | None = None, **limits: float) -> World:
    """A world with so many pages."""
    config = SchedulerConfig(**({"max_running": 4, "max_step_tokens": 16} | limits))  # pyright: ignore[reportArgumentType]
    store = FakeStore(num_pages)
    cache = PrefixCache(PagePool(num_pages, PAGE_SIZE), store, tiers=tiers, wall_clock=lambda: 1e9)
    return World(Scheduler(cache, config), store)
