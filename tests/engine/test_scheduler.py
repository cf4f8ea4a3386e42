"""The scheduler under random arrivals, cancellations, tenants, shared prefixes, pool sizes and tiers."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caesura.engine.pace import chunk_work
from caesura.engine.scheduler import SchedulerConfig, StepPlan
from caesura.engine.sequence import Retention
from tests.engine.fake_model import Arrival, FakeTiers, World, reply, world_of

BEGINNINGS = tuple(
    tuple(range(100 * number, 100 * number + length)) for number, length in enumerate((0, 9, 20))
)


@st.composite
def prompts(draw: st.DrawFn) -> tuple[int, ...]:
    ending = draw(st.lists(st.integers(0, 1), min_size=1, max_size=10))
    return (*draw(st.sampled_from(BEGINNINGS)), *ending)


@st.composite
def arrivals(draw: st.DrawFn) -> Arrival:
    prompt = draw(prompts())
    retention = st.builds(Retention, st.integers(1, len(prompt)), st.sampled_from([3.0, 3600.0]))
    return Arrival(
        prompt=prompt,
        output=draw(st.integers(0, 20)),
        step=draw(st.integers(0, 20)),
        cancel_at=draw(st.none() | st.integers(0, 40)),
        tenant=draw(st.sampled_from(["", "", "other"])),
        retentions=tuple(draw(st.lists(retention, max_size=2))),
    )


@settings(deadline=None, max_examples=200)
@given(
    guests=st.lists(arrivals(), max_size=12),
    num_pages=st.integers(13, 40),
    max_running=st.integers(1, 6),
    spare=st.integers(1, 12),
    step_s=st.sampled_from([0.0, 0.001, 1.0]),
    has_tiers=st.booleans(),
    num_damaged=st.integers(0, 3),
)
def test_pages_add_up_and_everyone_ends_exactly_once(
    guests: list[Arrival],
    num_pages: int,
    max_running: int,
    spare: int,
    step_s: float,
    has_tiers: bool,
    num_damaged: int,
) -> None:
    tiers = FakeTiers() if has_tiers else None
    world = world_of(
        num_pages, tiers, max_running=max_running, max_step_tokens=max_running + spare, max_wait_s=30
    )
    world.step_s = step_s
    last = max((max(a.step, a.cancel_at or 0) for a in guests), default=0)
    numbers: dict[int, int] = {}
    # Each step of a lone sequence computes or reads something, so this many steps always suffice.
    patience = last + sum((len(a.prompt) + a.output) * (1 + len(guests)) for a in guests) + 10
    for step in range(patience):
        for number, guest in enumerate(guests):
            if guest.step == step:
                numbers[number] = world.add(guest).id
            if guest.cancel_at == step and number in numbers and numbers[number] not in world.ended:
                world.end(world.sequences[numbers[number]], "cancelled")
                world.check_pages()
        if tiers is not None:
            tiers.damaged = set(list(tiers.payloads)[:num_damaged])
        if step > last and not world.scheduler.has_work:
            break
        world.step()
    assert sorted(world.ended) == list(range(len(guests))), "nobody starves"
    assert world.scheduler.cache.tree.num_idle == world.scheduler.cache.pool.num_held
    for sequence, guest in zip(world.sequences, world.arrivals, strict=True):
        world.check_usage(sequence)
        expected = reply(guest.prompt, guest.output)
        assert sequence.output == expected[: len(sequence.output)]
        assert world.ended[sequence.id] == "cancelled" or sequence.output == expected


def text(start: int, length: int) -> tuple[int, ...]:
    """Ids that no text from another start shares."""
    return tuple(range(start, start + length))


def sizes(plan: StepPlan) -> list[tuple[int, int]]:
    return [(row.sequence, len(row.tokens)) for row in plan.rows]


def test_decodes_go_before_prompts_and_two_prompts_advance_together() -> None:
    world = world_of(64, min_chunk_tokens=16)
    world.add(Arrival(prompt=text(0, 2), output=50))
    world.step()
    for number in (1, 2):
        world.add(Arrival(prompt=text(100 * number, 40)))
    plan = world.step()
    assert sizes(plan) == [(0, 1), (1, 8), (2, 7)]
    assert plan.num_decode == 1


def test_what_was_forced_is_computed_at_once_whatever_prompts_are_there() -> None:
    world = world_of(300, max_step_tokens=64, min_chunk_tokens=4)
    stream = world.add(Arrival(prompt=text(0, 2), output=50))
    for _ in range(5):
        world.step()
    world.step_s = 1.0
    for number in (1, 2):
        world.add(Arrival(prompt=text(1000 * number, 300)))
    for _ in range(5):
        world.step()
    stream.ids += [7] * 20
    assert sizes(world.scheduler.plan(world.now)) == [(0, 21), (1, 2), (2, 2)]


def test_a_short_prompt_does_not_wait_for_two_long_ones() -> None:
    world = world_of(256)
    for number, length in enumerate((400, 300, 6)):
        world.add(Arrival(prompt=text(1000 * number, length)))
    plan = world.step()
    assert sizes(plan) == [(0, 8), (2, 6), (1, 2)]
    assert world.ended == {2: "end"}


def test_the_youngest_gives_way_and_keeps_what_it_sampled() -> None:
    world = world_of(6)
    world.add(Arrival(prompt=text(0, 8), output=12))
    young = world.add(Arrival(prompt=text(100, 4), output=12))
    while not world.scheduler.num_spills:
        world.step()
    assert young.status == "waiting"
    assert len(young.output) > 0
    assert young.pages == []
    world.run()
    assert young.output == reply(text(100, 4), 12)
    assert world.scheduler.num_recomputed_tokens > 0


def test_whoever_leaves_the_queue_is_named_once_however_often_it_gives_way() -> None:
    world = world_of(6)
    world.add(Arrival(prompt=text(0, 8), output=12))
    world.add(Arrival(prompt=text(100, 4), output=12))
    named: list[int] = []
    while world.scheduler.has_work:
        named += world.step().admitted
    assert world.scheduler.num_spills
    assert named == [0, 1]


def test_what_nobody_uses_goes_before_anybody_is_spilled() -> None:
    world = world_of(6)
    world.add(Arrival(prompt=text(500, 8)))
    world.run()
    world.add(Arrival(prompt=text(0, 8), output=14))
    world.run()
    assert world.scheduler.num_spills == 0
    assert world.scheduler.cache.num_evicted == 2


def test_a_spilled_sequence_finds_its_full_pages_again_below() -> None:
    world = world_of(6, FakeTiers())
    world.add(Arrival(prompt=text(0, 8), output=12))
    young = world.add(Arrival(prompt=text(100, 4), output=12))
    world.run()
    assert world.scheduler.num_spills > 0
    assert young.output == reply(text(100, 4), 12)
    assert world.scheduler.cache.num_loaded > 0
    assert world.scheduler.num_recomputed_tokens < 4 * world.scheduler.num_spills, "a partial page at most"


def test_a_prompt_is_admitted_only_with_a_page_left_for_each_runner() -> None:
    world = world_of(5)
    world.add(Arrival(prompt=text(0, 8), output=3))
    world.add(Arrival(prompt=text(100, 12)))
    world.step()
    assert [sequence.id for sequence in world.scheduler.running] == [0]


def test_limits_under_which_prompts_would_starve_are_refused() -> None:
    with pytest.raises(ValueError, match="starve"):
        SchedulerConfig(max_running=8, max_step_tokens=8)
    with pytest.raises(ValueError, match="starve"):
        SchedulerConfig(min_chunk_tokens=0)


# --- several samples of one prompt


def test_samples_of_one_prompt_pay_for_it_once() -> None:
    world = world_of(200, max_running=16, max_step_tokens=64)
    prompt = text(0, 50)
    for _ in range(16):
        world.add(Arrival(prompt=prompt, output=2))
    world.run()
    assert world.num_computed == 50 + 15 + 16, "the prompt, each follower's last id, each first reply"
    assert all(sequence.output == reply(prompt, 2) for sequence in world.sequences)
    assert [sequence.num_cached for sequence in world.sequences] == [0] + 15 * [48]


def test_when_the_first_is_cancelled_the_next_computes_and_the_others_wait_for_it() -> None:
    world = world_of(200, max_running=8)
    first, *others = (world.add(Arrival(prompt=text(0, 50), output=2)) for _ in range(4))
    world.step()
    world.end(first, "cancelled")
    world.step()
    assert [sequence.status for sequence in others] == ["running", "waiting", "waiting"]
    world.run()
    assert world.num_computed <= 50 + 3 + 4


def test_a_follower_does_not_wait_for_a_leader_that_makes_no_headway() -> None:
    world = world_of(500, max_step_tokens=8, max_running=6)
    world.add(Arrival(prompt=text(0, 400)))
    world.step()
    shared = text(1000, 8)
    leader = world.add(Arrival(prompt=shared + text(2000, 300)))
    world.add(Arrival(prompt=text(3000, 30)))
    world.step()
    assert leader.num_computed == 0, "the eldest and the shortest go before it"
    follower = world.add(Arrival(prompt=shared + text(4000, 3)))
    for _ in range(5):
        world.step()
    assert world.ended[follower.id] == "end"
    assert leader.num_computed == 0


# --- turns


def served(world: World, max_steps: int = 1000) -> list[str]:
    """The tenants in the order in which their sequences end."""
    world.run(max_steps)
    return [world.arrivals[number].tenant for number in world.ended]


def test_a_tenant_with_long_prompts_gets_no_more_than_one_with_short_ones() -> None:
    world = world_of(400, max_running=1, quantum_tokens=10, max_wait_s=1e9)
    for number in range(6):
        world.add(Arrival(prompt=text(1000 * number, 40), tenant="long"))
    for number in range(24):
        world.add(Arrival(prompt=text(1000 * number + 500, 10), tenant="short"))
    order = served(world)[:20]
    assert 3 <= order.count("long") <= 5


def test_one_who_floods_the_queue_does_not_hold_up_another() -> None:
    world = world_of(400, max_running=2, quantum_tokens=10, max_wait_s=1e9)
    for number in range(40):
        world.add(Arrival(prompt=text(1000 * number, 10), tenant="flood"))
    world.add(Arrival(prompt=text(500, 10), tenant="guest"))
    assert served(world).index("guest") <= 4


def test_who_has_waited_long_enough_goes_first_even_if_its_pages_are_not_there_yet() -> None:
    """A stream of short prompts must not keep a long one out for ever."""
    world = world_of(20, max_running=4, max_wait_s=10)
    long = None
    for step in range(200):
        if step == 2:
            long = world.add(Arrival(prompt=text(9000, 70), tenant="long"))
        world.add(Arrival(prompt=text(10 * step, 8), output=6, tenant="short"))
        world.step()
        if long is not None and long.id in world.ended:
            break
    assert long is not None
    assert long.id in world.ended
    assert world.now < 60


# --- pace, with a clock that follows a formula


def decode_and_prefill(step_s: Callable[[StepPlan], float], prompt: int) -> list[tuple[float, int]]:
    """Eight streams, then a long prompt beside them: each step's time, and its prefill tokens."""
    world = world_of(prompt, max_running=16, max_step_tokens=512, min_chunk_tokens=16)
    for number in range(8):
        world.add(Arrival(prompt=text(10 * number, 4), output=100_000))
    steps: list[tuple[float, int]] = []
    newcomer = None
    for step in range(40 + prompt):
        if step == 40:
            newcomer = world.add(Arrival(prompt=text(1000, prompt)))
        plan = world.scheduler.plan(float(step))
        elapsed_s = step_s(plan)
        world.scheduler.commit(plan, elapsed_s=elapsed_s, now=float(step))
        for row in plan.rows:
            if row.is_sampled and row.sequence < 8:
                world.sequences[row.sequence].ids.append(1)
        steps.append((elapsed_s, sum(len(row.tokens) for row in plan.rows[plan.num_decode :])))
        if newcomer is not None and not newcomer.num_pending:
            break
    return steps[40:]


@pytest.mark.parametrize("seconds_per_work", [0.00002, 0.0001, 0.0004])
@pytest.mark.parametrize("context", [1500, 4096, 12_000])
def test_a_long_prompt_slows_eight_streams_by_the_stretch_and_no_more(
    seconds_per_work: float, context: int
) -> None:
    decode_s, overhead_s = 0.004, 0.001

    def step_s(plan: StepPlan) -> float:
        chunks = plan.rows[plan.num_decode :]
        work = sum(len(row.tokens) * (1 + (row.start + len(row.tokens) / 2) / context) for row in chunks)
        return decode_s * (plan.num_decode > 0) + overhead_s * len(chunks) + seconds_per_work * work

    steps = decode_and_prefill(step_s, 8000)
    times = sorted(elapsed_s for elapsed_s, _ in steps)
    floor_s = decode_s + overhead_s + seconds_per_work * 16 * (1 + 8000 / context)
    assert times[int(0.99 * len(times))] <= max(3.85 * decode_s, 1.01 * floor_s)
    assert sum(size for _, size in steps) >= 7999, "the last id may be a decode row"
    # What the stretch allows is used, or prompts would take for ever.
    settled = [elapsed_s for elapsed_s, _ in steps[20:-1]]
    assert not settled or sum(settled) / len(settled) > 2.2 * decode_s


def test_a_slow_machine_keeps_to_the_target() -> None:
    def step_s(plan: StepPlan) -> float:
        chunks = plan.rows[plan.num_decode :]
        work = sum(chunk_work(row.start, len(row.tokens)) for row in chunks)
        return 0.03 * (plan.num_decode > 0) + 0.0001 * work

    steps = decode_and_prefill(step_s, 4000)
    times = sorted(elapsed_s for elapsed_s, _ in steps)
    assert times[int(0.99 * len(times))] <= 0.066


def test_where_decoding_takes_longer_than_the_target_prompts_get_as_much_time() -> None:
    def step_s(plan: StepPlan) -> float:
        chunks = plan.rows[plan.num_decode :]
        work = sum(chunk_work(row.start, len(row.tokens)) for row in chunks)
        return 0.3 * (plan.num_decode > 0) + 0.001 * work

    steps = decode_and_prefill(step_s, 4000)
    settled = [elapsed_s for elapsed_s, size in steps[10:-1] if size]
    assert settled
    assert all(0.5 < elapsed_s < 0.63 for elapsed_s in settled)


def test_what_streams_take_by_themselves_is_learnt_anew_while_a_prompt_is_read() -> None:
    num_steps = itertools.count()

    def step_s(plan: StepPlan) -> float:
        chunks = plan.rows[plan.num_decode :]
        work = sum(chunk_work(row.start, len(row.tokens)) for row in chunks)
        # Streams take three times as long in the end.
        decode_s = 0.004 * (1 + next(num_steps) / 200)
        return decode_s * (plan.num_decode > 0) + 0.0002 * work

    steps = decode_and_prefill(step_s, 8000)[:400]
    assert len(steps) == 400
    alone = [number for number, (_, size) in enumerate(steps) if not size]
    assert all(10 < b - a < 20 for a, b in itertools.pairwise(alone))
    for number in range(50, 400, 50):
        typical_s = 0.004 * (1 + (40 + number) / 200)
        during_s = max(elapsed_s for elapsed_s, _ in steps[number : number + 10])
        assert 2.2 * typical_s < during_s < 4.2 * typical_s


def test_chunks_have_few_sizes_however_fast_the_machine_is() -> None:
    generator = random.Random(1)

    def step_s(plan: StepPlan) -> float:
        size = sum(len(row.tokens) for row in plan.rows[plan.num_decode :])
        return 0.004 + 0.0001 * size * generator.uniform(0.5, 2.0)

    sizes = [size for _, size in decode_and_prefill(step_s, 8000)[:-2]]
    assert len(sizes) > 40
    assert all(size.bit_length() <= 3 or size % (1 << (size.bit_length() - 3)) == 0 for size in sizes)


def test_a_prompt_that_nobody_waits_for_takes_whole_steps() -> None:
    world = world_of(1000, max_running=4, max_step_tokens=512)
    world.step_s = 10.0
    world.add(Arrival(prompt=text(0, 1500)))
    assert [sum(len(row.tokens) for row in world.step().rows) for _ in range(3)] == [512, 512, 476]
