"""Tails are computed while nobody wants anything: at nobody's cost, and with every page accounted for."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.engine.scheduler import StepPlan
from caesura.engine.sequence import Retention
from caesura.engine.tail_warming import TailWarmer
from caesura.engine.tails import Tail, TailSource
from tests.engine.fake_model import PAGE_SIZE, Arrival, FakeTiers, World, reply, world_of


def never() -> bool:
    return False


def after(count: int) -> Callable[[], bool]:
    """Somebody comes when it has been asked so many times."""
    asked = itertools.count()
    return lambda: next(asked) >= count


def source(*ids: int, num_known: int = 0, tenant: str = "") -> TailSource:
    return lambda: Tail(ids=ids, num_known=num_known, tenant=tenant)


@dataclass
class Warming:
    """A world with a warmer, whose steps are checked as they are computed."""

    world: World
    steps: list[tuple[int, ...]] = field(default_factory=list[tuple[int, ...]])
    is_broken: bool = False
    is_finite: bool = True

    def __post_init__(self) -> None:
        self.warmer = TailWarmer(
            self.world.scheduler.cache,
            self.compute,
            identity=b"",
            sequence_ids=itertools.count(1000),
            clock=lambda: self.world.now,
        )

    def compute(self, plan: StepPlan) -> bool:
        if self.is_broken:
            raise RuntimeError("the model broke")
        (row,) = plan.rows
        assert plan.num_decode == 0
        assert not row.is_sampled
        assert not self.world.scheduler.has_work, "a tail is computed alone"
        self.world.compute(row)
        self.steps.append(row.tokens)
        return self.is_finite

    def run(self, is_interrupted: Callable[[], bool] = never) -> None:
        self.warmer.run(is_interrupted)
        self.world.check_pages()
        assert self.world.scheduler.cache.pool.num_held == len(self.world.scheduler.cache.tree)


def warming(num_pages: int, tiers: FakeTiers | None = None) -> Warming:
    return Warming(world_of(num_pages, tiers))


def test_what_is_not_numbers_is_not_kept_and_is_cleared() -> None:
    it = warming(40)
    it.is_finite = False
    it.warmer.add(source(*range(12)))
    it.run()
    assert len(it.steps) == 1, "the rest would read it"
    assert not len(it.world.scheduler.cache.tree)
    assert (it.world.store.ids >= 0).sum() == PAGE_SIZE
    it.world.add(Arrival(prompt=tuple(range(100, 159))))
    it.world.step()
    assert not set(range(12)) & set(it.world.store.ids.flatten().tolist()) - {0}


def test_a_tail_is_computed_page_by_page_and_found_by_the_next_turn() -> None:
    it = warming(40)
    first = it.world.add(Arrival(prompt=tuple(range(10)), output=5))
    it.world.run()
    known = tuple(range(10))
    it.warmer.add(source(*known, *range(50, 57), num_known=10))
    it.run()
    assert it.steps == [(8, 9, 50, 51), (52, 53, 54, 55)]
    assert it.warmer.num_tokens == 8
    assert not it.warmer.has_work
    second = it.world.add(Arrival(prompt=(*known, *range(50, 60)), output=3))
    it.world.run()
    assert second.num_cached == 16
    assert second.output == reply(second.request.prompt, 3)
    assert first.num_cached == 0
    it.world.check_usage(second)


def test_what_is_there_already_is_not_computed_again() -> None:
    it = warming(40)
    for _ in range(2):
        it.warmer.add(source(*range(12)))
        it.run()
    assert len(it.steps) == 3
    it.warmer.add(source(*range(16)))
    it.run()
    assert it.steps[3:] == [(12, 13, 14, 15)]


@pytest.mark.parametrize("ids", [(), (1, 2, 3)], ids=["nothing", "less than a page"])
def test_a_tail_without_a_full_page_is_left_alone(ids: tuple[int, ...]) -> None:
    it = warming(40)
    it.warmer.add(source(*ids))
    it.run()
    assert not it.steps
    assert not it.warmer.has_work


def test_looking_for_what_is_there_already_is_no_use_of_it() -> None:
    it = warming(40)
    it.warmer.add(source(*range(8)))
    it.run()
    used_at, it.world.now = it.world.now, it.world.now + 50
    it.warmer.add(source(*range(8)))
    it.run()
    assert it.world.scheduler.cache.tree.unused_since == used_at


def test_whoever_comes_waits_for_one_page_and_the_rest_goes_on_later() -> None:
    it = warming(40)
    it.warmer.add(source(*range(16)))
    it.run(after(2))
    assert it.steps == [(0, 1, 2, 3)]
    assert it.warmer.has_work
    guest = it.world.add(Arrival(prompt=(90, 91, 92), output=2))
    it.world.run()
    assert guest.output == reply((90, 91, 92), 2)
    it.run()
    assert it.steps[1:] == [(4, 5, 6, 7), (8, 9, 10, 11), (12, 13, 14, 15)]
    assert it.warmer.num_tokens == 16


def test_nothing_is_rendered_while_somebody_is_there() -> None:
    it = warming(40)
    it.warmer.add(source(*range(8)))
    it.run(lambda: True)
    assert it.warmer.has_work
    assert not it.steps


def test_no_page_goes_for_a_tail_before_it_has_been_unused_for_long() -> None:
    it = warming(16)
    it.world.add(Arrival(prompt=tuple(range(100, 160)), output=1))
    it.world.run()
    cache = it.world.scheduler.cache
    assert cache.pool.num_free == 1
    it.warmer.add(source(*range(8)))
    it.run()
    assert not it.steps
    assert not it.warmer.has_work
    assert cache.pool.num_free == 1
    it.world.now += 300
    it.warmer.add(source(*range(8)))
    it.run()
    assert len(it.steps) == 2
    assert cache.num_evicted == 1


def test_a_share_of_the_pool_stays_free_for_requests() -> None:
    it = warming(16)
    it.warmer.add(source(*range(64)))
    it.run()
    assert it.world.scheduler.cache.pool.num_free == 2
    assert it.world.scheduler.cache.num_evicted == 0


def test_retained_pages_are_no_room_however_long_they_lie_unused() -> None:
    it = warming(16)
    retained = Retention(position=60, ttl_s=3600.0)
    it.world.add(Arrival(prompt=tuple(range(100, 160)), output=0, retentions=(retained,)))
    it.world.run()
    it.world.now += 1000
    it.warmer.add(source(*range(8)))
    it.run()
    assert not it.steps


def test_a_tail_is_not_retained() -> None:
    it = warming(40)
    it.warmer.add(source(*range(16)))
    it.run()
    assert it.world.scheduler.cache.tree.num_retained == 0


def test_a_tail_whose_prompt_has_left_memory_is_given_up() -> None:
    it = warming(40)
    it.warmer.add(source(*range(16), num_known=9))
    it.run()
    assert not it.steps
    assert not it.warmer.has_work


def test_a_tail_is_its_tenants_own() -> None:
    it = warming(40)
    it.warmer.add(source(*range(16), tenant="one"))
    it.run()
    other = it.world.add(Arrival(prompt=tuple(range(18)), tenant="two"))
    own = it.world.add(Arrival(prompt=tuple(range(18)), tenant="one"))
    it.world.run()
    assert (other.num_cached, own.num_cached) == (0, 16)


def test_the_latest_tails_are_computed_first_and_the_oldest_forgotten() -> None:
    it = warming(80)
    for number in range(6):
        it.warmer.add(source(*[number] * 4))
    it.run()
    assert [tokens[0] for tokens in it.steps] == [5, 4, 3, 2]


def test_a_tail_that_fails_gives_its_pages_back_and_is_left_out() -> None:
    it = warming(40)
    it.warmer.add(source(*range(8)))
    it.warmer.add(source(*range(50, 58)))
    it.is_broken = True
    with pytest.raises(RuntimeError, match="the model broke"):
        it.run()
    it.world.check_pages()
    it.is_broken = False
    it.run()
    assert it.steps == [(0, 1, 2, 3), (4, 5, 6, 7)]
    assert it.warmer.num_tokens == 8


def test_a_tail_is_written_down_like_any_other_page() -> None:
    tiers = FakeTiers()
    it = warming(40, tiers)
    it.warmer.add(source(*range(10)))
    it.run()
    assert len(tiers.payloads) == 2
    restarted = world_of(40, tiers)
    found = restarted.add(Arrival(prompt=tuple(range(10)), output=2))
    restarted.run()
    assert found.num_cached == 8
    assert found.output == reply(tuple(range(10)), 2)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_replies_and_accounts_are_the_same_however_tails_come_between(data: st.DataObject) -> None:
    it = warming(data.draw(st.integers(8, 40)), data.draw(st.sampled_from([None, FakeTiers()])))
    told = st.lists(st.integers(0, 2), min_size=1, max_size=20).map(tuple)
    for _ in range(data.draw(st.integers(1, 12))):
        it.world.now += data.draw(st.sampled_from([0, 1, 400]))
        for _ in range(data.draw(st.integers(0, 2))):
            it.warmer.add(source(*data.draw(told), num_known=data.draw(st.integers(0, 4))))
        it.run(after(data.draw(st.integers(0, 6))))
        for _ in range(data.draw(st.integers(0, 2))):
            it.world.add(Arrival(prompt=data.draw(told), output=data.draw(st.integers(1, 6))))
        it.world.run()
    for sequence in it.world.sequences:
        assert sequence.output == reply(sequence.request.prompt, it.world.arrivals[sequence.id].output)
        it.world.check_usage(sequence)
    assert it.warmer.num_tokens == PAGE_SIZE * len(it.steps)
