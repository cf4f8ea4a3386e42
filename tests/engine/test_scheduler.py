"""The scheduler under random arrivals, cancellations and pool sizes, with a model that only counts."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.engine.pages import PagePool
from caesura.engine.phases import PhaseState
from caesura.engine.scheduler import Scheduler, SchedulerConfig, StepPlan
from caesura.engine.sequence import Sequence, SequenceRequest

PAGE_SIZE = 4


@dataclass
class Arrival:
    step: int
    prompt: int
    output: int
    cancel_at: int | None = None


@dataclass
class World:
    """The scheduler, and a model whose every output is the position that it was computed at."""

    scheduler: Scheduler
    wanted: dict[int, int] = field(default_factory=dict[int, int])
    ended: dict[int, str] = field(default_factory=dict[int, str])
    live: dict[int, Sequence] = field(default_factory=dict[int, Sequence])

    def add(self, number: int, arrival: Arrival) -> None:
        prompt = tuple(range(arrival.prompt))
        request = SequenceRequest(prompt=prompt, max_tokens=arrival.output)
        sequence = Sequence(id=number, request=request, seed=0, ids=list(prompt), phase=PhaseState("answer"))
        self.wanted[number] = arrival.output
        self.live[number] = sequence
        self.scheduler.add(sequence)

    def end(self, number: int, reason: str) -> None:
        assert number not in self.ended
        self.ended[number] = reason
        self.scheduler.finish(self.live.pop(number), "cancelled" if reason == "cancelled" else "end")

    def step(self) -> StepPlan:
        plan = self.scheduler.plan()
        self.check_plan(plan)
        self.scheduler.commit(plan)
        for row in plan.rows:
            if row.is_sampled:
                sequence = self.live[row.sequence]
                sequence.ids.append(len(sequence.ids))
                if len(sequence.output) >= self.wanted[row.sequence]:
                    self.end(row.sequence, "end")
        self.check_pages()
        return plan

    def check_plan(self, plan: StepPlan) -> None:
        config = self.scheduler.config
        assert sum(len(row.tokens) for row in plan.rows) <= config.max_step_tokens
        assert len({row.sequence for row in plan.rows}) == len(plan.rows)
        for number, row in enumerate(plan.rows):
            sequence = self.live[row.sequence]
            stop = row.start + len(row.tokens)
            assert row.start == sequence.num_computed
            assert list(row.tokens) == sequence.ids[row.start : stop]
            assert len(row.pages) * PAGE_SIZE >= stop
            assert row.is_sampled == (stop == len(sequence.ids))
            assert (number < plan.num_decode) == (len(sequence.ids) - row.start == 1)
        decoding = [s for s in self.scheduler.running if len(s.ids) - s.num_computed == 1]
        assert len(decoding) == plan.num_decode, "every running decode progresses in every step"

    def check_pages(self) -> None:
        pool = self.scheduler.pool
        held = [page for sequence in self.scheduler.running for page in sequence.pages]
        assert len(held) == len(set(held)), "no page has two owners"
        assert pool.num_free + len(held) == pool.num_pages
        assert not any(sequence.pages for sequence in self.scheduler.waiting)


arrivals = st.lists(
    st.builds(
        Arrival,
        step=st.integers(0, 20),
        prompt=st.integers(1, 30),
        output=st.integers(1, 20),
        cancel_at=st.none() | st.integers(0, 40),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(
    arrivals=arrivals,
    num_pages=st.integers(13, 40),
    max_running=st.integers(1, 6),
    spare=st.integers(1, 12),
)
def test_pages_add_up_and_everyone_ends_exactly_once(
    arrivals: list[Arrival], num_pages: int, max_running: int, spare: int
) -> None:
    config = SchedulerConfig(max_running=max_running, max_step_tokens=max_running + spare)
    world = World(Scheduler(PagePool(num_pages, PAGE_SIZE), config))
    last = max((max(a.step, a.cancel_at or 0) for a in arrivals), default=0)
    # Each step of a lone sequence computes at least one token, so this many steps always suffice.
    patience = last + sum((a.prompt + a.output) * (1 + len(arrivals)) for a in arrivals) + 10
    for step in range(patience):
        for number, arrival in enumerate(arrivals):
            if arrival.step == step:
                world.add(number, arrival)
            if arrival.cancel_at == step and number in world.live:
                world.end(number, "cancelled")
                world.check_pages()
        if step > last and not world.scheduler.has_work:
            break
        world.step()
    assert sorted(world.ended) == list(range(len(arrivals))), "nobody starves"
    assert world.scheduler.pool.num_held == 0


def world_of(num_pages: int, **limits: int) -> World:
    config = SchedulerConfig(**{"max_running": 4, "max_step_tokens": 16} | limits)
    return World(Scheduler(PagePool(num_pages, PAGE_SIZE), config))


def test_decodes_go_before_prompts_and_two_prompts_advance_together() -> None:
    world = world_of(64)
    world.add(0, Arrival(0, prompt=2, output=50))
    world.step()
    for number in (1, 2):
        world.add(number, Arrival(0, prompt=40, output=1))
    plan = world.step()
    assert [(row.sequence, len(row.tokens)) for row in plan.rows] == [(0, 1), (1, 8), (2, 7)]
    assert plan.num_decode == 1


def test_the_youngest_gives_way_and_keeps_what_it_sampled() -> None:
    world = world_of(6)
    world.add(0, Arrival(0, prompt=8, output=12))
    world.add(1, Arrival(0, prompt=4, output=12))
    young = world.live[1]
    while not world.scheduler.num_preemptions:
        world.step()
    assert young.status == "waiting"
    assert len(young.output) > 0
    assert young.pages == []
    while world.scheduler.has_work:
        world.step()
    assert young.output == list(range(4, 16))


def test_a_prompt_is_admitted_only_with_a_page_left_for_each_runner() -> None:
    world = world_of(5)
    world.add(0, Arrival(0, prompt=8, output=3))
    world.add(1, Arrival(0, prompt=12, output=1))
    world.step()
    assert [sequence.id for sequence in world.scheduler.running] == [0]


def test_limits_under_which_prompts_would_starve_are_refused() -> None:
    with pytest.raises(ValueError, match="starve"):
        SchedulerConfig(max_running=8, max_step_tokens=8)
