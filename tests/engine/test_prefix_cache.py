"""What is kept, what is found again, and what that is called in the usage."""

from __future__ import annotations

import pytest

from caesura.engine.sequence import Retention, Sequence
from tests.engine.fake_model import PAGE_SIZE, Arrival, FakeTiers, World, reply, world_of


def text(start: int, length: int) -> tuple[int, ...]:
    return tuple(range(start, start + length))


def ask(world: World, prompt: tuple[int, ...], output: int = 1, **fields: object) -> Sequence:
    """Somebody who has the world to itself."""
    sequence = world.add(Arrival(prompt=prompt, output=output, **fields))  # pyright: ignore[reportArgumentType]
    world.run()
    assert sequence.output == reply(prompt, output)
    world.check_usage(sequence)
    return sequence


def input_usage(sequence: Sequence) -> tuple[int, int, int, int]:
    usage = sequence.usage
    return (
        usage.cache_read_input_tokens,
        usage.cache_creation_input_tokens,
        usage.cache_creation_1h_input_tokens,
        usage.input_tokens,
    )


def test_a_prompt_that_was_seen_is_computed_from_its_last_full_page_on() -> None:
    world = world_of(40)
    ask(world, text(0, 30))
    before = world.num_computed
    again = ask(world, text(0, 30))
    assert world.num_computed - before == 2
    assert again.num_cached == 28


@pytest.mark.parametrize(("num_equal", "num_computed"), [(20, 10), (21, 9), (23, 7)])
def test_where_a_prompt_parts_within_a_page_what_it_has_in_common_is_copied(
    num_equal: int, num_computed: int
) -> None:
    world = world_of(40)
    ask(world, text(0, 30))
    ask(world, text(0, 20) + text(700, 10))
    before = world.num_computed
    parting = ask(world, text(0, num_equal) + text(900, 30 - num_equal))
    assert world.num_computed - before == num_computed
    assert parting.num_cached == 20, "the usage knows whole pages only"


def test_a_repeated_prompt_copies_the_beginning_of_its_last_page_from_its_own_reply() -> None:
    world = world_of(40)
    ask(world, text(0, 31), output=4)
    before = world.num_computed
    ask(world, text(0, 31))
    assert world.num_computed - before == 1


def test_a_prompt_that_is_given_up_counts_as_far_as_it_was_read_or_computed() -> None:
    world = world_of(40)
    ask(world, text(0, 10))
    wanted = (Retention(20, 300.0), Retention(40, 3600.0))
    runs = world.add(Arrival(prompt=text(0, 50), retentions=wanted))
    waits = [world.add(Arrival(prompt=text(900 * n, 50), retentions=wanted)) for n in range(1, 5)]
    world.step()
    num_read = runs.num_computed
    assert (runs.num_cached, num_read) == (8, 16), "half of the step is the eldest's"
    for sequence in (runs, *waits):
        world.end(sequence, "cancelled")
        world.check_usage(sequence)
    assert input_usage(runs) == (8, 8, 8, 0)
    assert waits[-1].status == "finished"
    assert input_usage(waits[-1]) == (0, 0, 0, 0), "it never started"


@pytest.mark.parametrize("is_damaged", [False, True])
def test_where_loading_ends_within_anothers_page_what_they_have_in_common_is_copied(is_damaged: bool) -> None:
    tiers = FakeTiers()
    first = ask(world_of(40, tiers), text(0, 50))
    restarted = world_of(40, tiers)
    missing = first.keys[3]
    payload = tiers.payloads.pop(missing)
    ask(restarted, text(0, 14) + text(700, 10))
    assert first.keys[3] not in tiers.payloads
    before = restarted.num_computed
    if is_damaged:
        # It is counted, and found out when it is read.
        tiers.payloads[missing] = payload
        tiers.damaged.add(missing)
    again = ask(restarted, text(0, 50))
    assert restarted.num_computed - before == 50 - 14
    assert again.num_cached == 12, "the usage knows whole pages only"


def test_who_loads_what_another_has_just_loaded_copies_from_the_page_where_they_part() -> None:
    tiers = FakeTiers()
    ask(world_of(40, tiers), text(0, 50))
    world = world_of(40, tiers)
    cache = world.scheduler.cache
    eldest = world.add(Arrival(prompt=text(0, 50)))
    other = world.add(Arrival(prompt=text(0, 23) + text(900, 8)))
    for sequence in (eldest, other):
        # Both start before either has read anything.
        cache.start(sequence, [], 0.0)
    cache.load(eldest, 100, 0.0)
    cache.load(other, 100, 0.0)
    assert (eldest.num_computed, other.num_computed) == (48, 23)
    assert world.store.prefix(other.pages, 23) == list(text(0, 23))


def test_nothing_is_copied_from_a_page_that_had_to_go_for_this_very_sequence() -> None:
    world = world_of(10)
    ask(world, text(0, 24))
    before = world.num_computed
    parting = ask(world, text(0, 21) + text(900, 18))
    assert parting.num_cached + world.num_computed - before == len(parting.request.prompt)


def test_one_token_at_least_is_computed() -> None:
    world = world_of(40)
    ask(world, text(0, 32))
    assert ask(world, text(0, 32)).num_cached == 28


def test_the_next_turn_finds_the_reply_of_the_one_before() -> None:
    world = world_of(40)
    first = ask(world, text(0, 10), output=20)
    second = ask(world, (*first.ids, *text(500, 5)))
    assert second.num_cached == (10 + 20 - 1) // PAGE_SIZE * PAGE_SIZE


def test_a_cancelled_prompt_is_kept_as_far_as_it_came() -> None:
    world = world_of(40)
    left = world.add(Arrival(prompt=text(0, 40)))
    world.step()
    world.end(left, "cancelled")
    assert ask(world, text(0, 40)).num_cached == 16


def test_tenants_share_nothing() -> None:
    world = world_of(40)
    ask(world, text(0, 30), tenant="one")
    assert ask(world, text(0, 30), tenant="other").num_cached == 0
    assert ask(world, text(0, 30), tenant="one").num_cached == 28


def test_branches_of_a_conversation_store_their_beginning_once() -> None:
    world = world_of(200)
    for branch in range(10):
        ask(world, text(0, 80) + text(1000 * (branch + 1), 8))
    assert len(world.scheduler.cache.tree) == 20 + 10 * 2


def test_two_that_computed_the_same_page_side_by_side_store_it_once() -> None:
    """The second cannot follow the first, which has not said yet what the second's prompt says."""
    world = world_of(40)
    said = reply(text(0, 4), 12)
    world.add(Arrival(prompt=text(0, 4), output=12))
    world.step()
    world.add(Arrival(prompt=(*text(0, 4), *said[:10]), output=2))
    world.run()
    assert len(world.scheduler.cache.tree) == 15 // PAGE_SIZE


def test_a_prompt_can_be_computed_for_later() -> None:
    world = world_of(40)
    warmed = ask(world, text(0, 30), output=0)
    assert warmed.output == []
    assert ask(world, text(0, 30)).num_cached == 28


def test_what_is_read_stored_and_neither_adds_up() -> None:
    world = world_of(40)
    prompt = text(0, 30)
    retentions = (Retention(9, 3600.0), Retention(22, 300.0))
    assert input_usage(ask(world, prompt, retentions=retentions)) == (0, 20, 8, 10)
    assert input_usage(ask(world, prompt, retentions=retentions)) == (28, 0, 0, 2)
    longer = prompt + text(900, 10)
    assert input_usage(ask(world, longer, retentions=(Retention(40, 3600.0),))) == (28, 12, 12, 0)
    assert input_usage(ask(world, longer)) == (36, 0, 0, 4)


@pytest.mark.parametrize("retention", [Retention(0, 300.0), Retention(31, 300.0), Retention(5, 0.0)])
def test_a_retention_outside_the_prompt_or_time_is_refused(retention: Retention) -> None:
    with pytest.raises(ValueError, match="1 to the prompt's 30 tokens"):
        world_of(40).add(Arrival(prompt=text(0, 30), retentions=(retention,)))


def test_retained_prompts_outlive_newer_ones_but_never_block() -> None:
    world = world_of(40)
    retained = ask(world, text(0, 32), retentions=(Retention(32, 1e6),))
    for number in range(1, 10):
        ask(world, text(1000 * number, 32))
    assert ask(world, retained.request.prompt).num_cached == 28
    assert ask(world, text(5000, 150), output=9).output
    assert world.scheduler.num_spills == 0


def test_retention_covers_no_more_than_was_asked() -> None:
    world = world_of(40)
    ask(world, text(0, 32), retentions=(Retention(14, 1e6),))
    assert world.scheduler.cache.tree.num_retained == 14 // PAGE_SIZE


# --- below memory


def test_pages_outlive_the_process() -> None:
    tiers = FakeTiers()
    ask(world_of(40, tiers), text(0, 50), output=3)
    restarted = world_of(40, tiers)
    assert ask(restarted, text(0, 50), output=3).num_cached == 48
    assert restarted.num_computed == 2 + 2
    assert restarted.scheduler.cache.num_loaded == 12


def test_a_damaged_page_is_computed_anew_with_all_that_follow() -> None:
    tiers = FakeTiers()
    first = ask(world_of(40, tiers), text(0, 50))
    tiers.damaged = {first.keys[5]}
    again = ask(world_of(40, tiers), text(0, 50))
    assert again.num_cached == 5 * PAGE_SIZE


def test_pages_that_left_memory_come_back_from_below() -> None:
    world = world_of(16, FakeTiers())
    ask(world, text(0, 30))
    ask(world, text(1000, 60))
    assert world.scheduler.cache.num_evicted > 0
    assert ask(world, text(0, 30)).num_cached == 28


def test_each_page_is_written_down_once_with_its_retention() -> None:
    tiers = FakeTiers()
    world = world_of(40, tiers)
    first = ask(world, text(0, 30), retentions=(Retention(9, 3600.0), Retention(22, 300.0)))
    assert list(tiers.payloads) == first.keys
    now = 1e9
    expected = [now + 3600] * 2 + [now + 300] * 3 + [0.0] * 2
    assert [tiers.retain_until[key] for key in first.keys] == expected
    tiers.retain_until.clear()
    ask(world, text(0, 30))
    assert [tiers.retain_until[key] for key in first.keys] == expected, "a hit refreshes"


def test_a_long_prefix_is_read_in_slices_while_others_decode() -> None:
    tiers = FakeTiers()
    ask(world_of(80, tiers), text(0, 200))
    world = world_of(80, tiers)
    stream = world.add(Arrival(prompt=text(5000, 3), output=40))
    world.step()
    world.add(Arrival(prompt=text(0, 200)))
    for _ in range(4):
        plan = world.step()
        assert plan.num_decode == 1
        assert len(plan.loads) == 1
    world.run()
    assert stream.output == reply(text(5000, 3), 40)
    assert world.sequences[1].num_cached == 196
