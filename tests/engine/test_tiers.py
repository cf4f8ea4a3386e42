"""RAM and disk as one, under random use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.engine.disk_tier import DiskTier
from caesura.engine.ram_tier import RamTier
from caesura.engine.tiers import PageTiers, TieredPages
from tests.engine.cache_pages import OWNER, PAGE_BYTES, key, keys, open_tier, payload

NOW = 1e9


def tiered(ram: RamTier | None = None, disk: DiskTier | None = None) -> TieredPages:
    return TieredPages(OWNER, ram=ram, disk=disk, clock=lambda: NOW)


def write(tiers: PageTiers, pages: list[bytes], retain_until: float = 0.0) -> None:
    for page in pages:
        tiers.write(page, payload(page), retain_until=retain_until)


def read(tiers: PageTiers, pages: list[bytes]) -> int:
    out = memoryview(bytearray(PAGE_BYTES * len(pages)))
    num_read = tiers.read(pages, out)
    assert out[: num_read * PAGE_BYTES] == b"".join(payload(page) for page in pages[:num_read])
    return num_read


def test_pages_that_left_ram_come_from_disk_and_after_a_restart_all_do(tmp_path: Path) -> None:
    pages = keys(range(50))
    with open_tier(tmp_path) as disk:
        ram = RamTier(10 * PAGE_BYTES)
        tiers = tiered(ram, disk)
        write(tiers, pages)
        tiers.close()
        assert len(ram) == 10
        tiers.touch(pages[40:42], 0.0)
        write(tiers, keys(range(100, 105)))
        mixed = [*pages[:3], *pages[40:45], *pages[10:20], *pages[41:43]]
        assert tiers.count(mixed) == read(tiers, mixed) == len(mixed)
        assert tiers.count([*pages[:7], key(999), *pages]) == read(tiers, [*pages[:7], key(999), *pages]) == 7
    with open_tier(tmp_path) as disk:
        assert read(tiered(RamTier(10 * PAGE_BYTES), disk), pages) == 50


@pytest.mark.parametrize("max_bytes", [0, 3 * PAGE_BYTES])
def test_without_a_disk_ram_alone_serves(max_bytes: int) -> None:
    tiers = tiered(RamTier(max_bytes))
    write(tiers, keys(range(5)))
    num_kept = max_bytes // PAGE_BYTES
    assert tiers.count(keys(range(5 - num_kept, 5))) == num_kept
    assert read(tiers, keys(range(5 - num_kept, 5))) == num_kept
    tiers.close()


def test_without_any_tier_nothing_is_found() -> None:
    tiers = tiered()
    write(tiers, keys(range(5)))
    tiers.touch(keys(range(5)), 0.0)
    assert tiers.count(keys(range(5))) == read(tiers, keys(range(5))) == read(tiers, []) == 0
    tiers.close()


def test_a_buffer_of_no_whole_pages_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fill 7 bytes; give whole pages"):
        tiered(RamTier(100)).read(keys(range(2)), memoryview(bytearray(7)))


def test_the_least_used_leaves_ram_first() -> None:
    ram = RamTier(4 * PAGE_BYTES)
    tiers = tiered(ram)
    write(tiers, keys(range(4)))
    tiers.touch([key(0)], 0.0)
    write(tiers, [key(1), key(4), key(5)])
    assert [number for number in range(6) if key(number) in ram] == [0, 1, 4, 5]
    assert ram.num_evicted == 2


def test_retained_pages_stay_in_ram_up_to_a_quarter_of_it() -> None:
    ram = RamTier(20 * PAGE_BYTES)
    tiers = tiered(ram)
    write(tiers, keys(range(5)), retain_until=NOW + 300)
    write(tiers, keys(range(100, 200)))
    assert tiers.count(keys(range(5))) == 5
    write(tiers, keys(range(5, 25)), retain_until=NOW + 300)
    write(tiers, keys(range(200, 300)))
    assert [number for number in range(25) if key(number) in ram] == [20, 21, 22, 23, 24]


@pytest.mark.parametrize("jump", [-1e8, 301.0, 1e8])
def test_a_retention_that_ended_or_cannot_be_protects_nothing(jump: float) -> None:
    ram = RamTier(20 * PAGE_BYTES)
    for page in keys(range(5)):
        ram.put(page, payload(page), retain_until=NOW + 300, now=NOW)
    for page in keys(range(100, 120)):
        ram.put(page, payload(page), retain_until=0.0, now=NOW + jump)
    assert not any(page in ram for page in keys(range(5)))


operations = st.lists(
    st.tuples(st.sampled_from(["put", "touch", "later"]), st.integers(0, 30), st.sampled_from([0, 50, 3600])),
    max_size=200,
)


@given(operations=operations, max_pages=st.integers(0, 12))
def test_ram_keeps_to_its_budget_and_to_the_truth(
    operations: list[tuple[str, int, int]], max_pages: int
) -> None:
    ram, now = RamTier(max_pages * PAGE_BYTES), NOW
    for action, number, ttl_s in operations:
        page, until = key(number), now + ttl_s if ttl_s else 0.0
        match action:
            case "put":
                ram.put(page, payload(page), retain_until=until, now=now)
                assert (page in ram) == (max_pages > 0), "what is new always enters"
            case "touch":
                ram.touch([page], until, now)
            case _:
                now += ttl_s / 2
        assert ram.size_bytes == len(ram) * PAGE_BYTES <= max_pages * PAGE_BYTES
    out = memoryview(bytearray(PAGE_BYTES))
    for page in keys(range(31)):
        assert ram.read([page], out, PAGE_BYTES) == (page in ram)
        assert page not in ram or out == payload(page)


def test_refreshing_a_retention_for_ever_takes_no_more_memory() -> None:
    ram = RamTier(10 * PAGE_BYTES)
    ram.put(key(0), payload(key(0)), retain_until=NOW + 300, now=NOW)
    for second in range(10_000):
        ram.touch([key(0)], NOW + 300 + second, NOW + second)
    assert len(ram._ends) < 2000
    ram.put(key(1), payload(key(1)), retain_until=0.0, now=NOW + 10_000)
    assert len(ram) == 2
