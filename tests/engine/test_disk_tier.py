"""The disk cache under kills, damage, full disks, second processes and wrong clocks."""

from __future__ import annotations

import errno
import io
import os
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from caesura.engine.disk_tier import DiskConfig, DiskTier
from caesura.engine.folder_lock import FolderInUseError
from caesura.engine.retention import LONGEST_RETENTION_S
from caesura.engine.segment_index import INDEX_NAME
from caesura.engine.segments import Owner, create_private
from tests.engine.cache_pages import (
    BATCH,
    OWNER,
    PAGE_BYTES,
    SMALL,
    SMALL_PAGES,
    Writers,
    fill,
    key,
    keys,
    num_present,
    open_tier,
    payload,
    read,
)


class Clock:
    """A clock that is set."""

    def __init__(self, now: float = 1e9) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Disk:
    """Opens real files, which take only so many bytes more if there is a limit."""

    def __init__(self) -> None:
        self.num_left: int | None = None

    def open(self, path: Path) -> DiskFile:
        return DiskFile(create_private(path), self)


class DiskFile:
    def __init__(self, file: io.FileIO, disk: Disk) -> None:
        self._file = file
        self._disk = disk

    def write(self, data: bytes | memoryview, /) -> int | None:
        if self._disk.num_left is None:
            return self._file.write(data)
        if not self._disk.num_left:
            raise OSError(errno.ENOSPC, "No space left on device")
        num_taken = min(len(data), self._disk.num_left)
        self._disk.num_left -= num_taken
        return self._file.write(memoryview(data)[:num_taken])

    def close(self) -> None:
        self._file.close()


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.pages"))


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in segments(folder))


def test_pages_are_there_again_after_a_restart(tmp_path: Path) -> None:
    pages = keys(range(1200))
    with open_tier(tmp_path) as tier:
        fill(tier, pages)
        assert read(tier, pages) == 1200
    with open_tier(tmp_path) as tier:
        assert read(tier, pages) == 1200
        assert read(tier, pages[700:] + pages[:100]) == 600, "in any order"
        assert key(5000) not in tier


def test_a_page_can_be_read_before_it_is_written(tmp_path: Path) -> None:
    with DiskTier(tmp_path) as tier:
        for page in keys(range(500)):
            tier.write(OWNER, page, payload(page), retain_until=0.0)
            assert page in tier
            assert read(tier, [page]) == 1


def test_reading_ends_at_the_first_page_that_is_missing(tmp_path: Path) -> None:
    with open_tier(tmp_path) as tier:
        fill(tier, keys([0, 1, 2, 4, 5]))
        assert read(tier, keys(range(6))) == 3


def test_a_page_is_stored_once(tmp_path: Path) -> None:
    with open_tier(tmp_path) as tier:
        for _ in range(3):
            fill(tier, keys(range(10)))
        assert tier.stats.num_written == 10


def test_pages_of_another_length_are_a_miss(tmp_path: Path) -> None:
    with open_tier(tmp_path) as tier:
        fill(tier, [key(1)])
        assert tier.read([key(1)], memoryview(bytearray(PAGE_BYTES - 1))) == 0


def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    with open_tier(folder) as tier:
        fill(tier, keys(range(10)))
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {"00000001.pages", INDEX_NAME, f"{INDEX_NAME}-wal", "lock"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_killed_at_any_moment_it_gives_what_was_written_or_nothing(tmp_path: Path) -> None:
    generator = random.Random(1)
    stored: list[bytes] = []
    num_found: list[int] = []
    with Writers(tmp_path) as writers:
        for number in range(50):
            writers.start()
            # One in four may be killed before it has written anything.
            if number % 4:
                writers.wait_until_written()
            # Half of them at once.
            time.sleep(generator.choice([0.0, generator.uniform(0.0, 0.1)]))
            num_written = writers.kill()
            # All that can be here of what it wrote, and what it had no time to tell of.
            numbers = range(max(0, num_written - SMALL_PAGES), num_written + BATCH)
            written = {page: key(f"{number} {page}") for page in numbers}
            with open_tier(tmp_path, SMALL) as tier:
                num_found.append(num_present(tier, written.values()))
                last_batch = [written[page] for page in numbers if num_written - BATCH <= page < num_written]
                assert read(tier, last_batch) == len(last_batch), "what is said to be in the files is"
                stored = [page for page in (*stored, *written.values()) if page in tier]
                assert num_present(tier, stored) == tier.stats.num_pages == num_whole(tmp_path)
                assert tier.stats.num_damaged == 0, "a torn page is not even looked up"
    # Three in four were waited for.
    assert sum(found > 0 for found in num_found) > 25, num_found
    assert size(tmp_path) <= SMALL.max_bytes


def num_whole(folder: Path) -> int:
    """How many pages were written to their end."""
    return sum((path.stat().st_size - 4096) // (PAGE_BYTES + 64) for path in segments(folder))


@pytest.mark.parametrize("num_left", [0, 10, 63, 64, 500, PAGE_BYTES + 63])
def test_a_torn_record_at_the_end_is_a_miss_and_the_others_stay(tmp_path: Path, num_left: int) -> None:
    pages = keys(range(20))
    with open_tier(tmp_path) as tier:
        fill(tier, pages)
    (path,) = segments(tmp_path)
    os.truncate(path, path.stat().st_size - (PAGE_BYTES + 64) + num_left)
    with open_tier(tmp_path) as tier:
        assert read(tier, pages) == 19
        fill(tier, pages)
        assert read(tier, pages) == 20
    with open_tier(tmp_path) as tier:
        assert read(tier, pages) == 20


@pytest.mark.parametrize("is_indexed", [True, False])
@pytest.mark.parametrize("seed", range(10))
def test_flipped_bits_make_pages_a_miss_and_never_wrong(tmp_path: Path, seed: int, is_indexed: bool) -> None:
    generator, pages = random.Random(seed), keys(range(100))
    with open_tier(tmp_path, DiskConfig(segment_bytes=40_000)) as tier:
        fill(tier, pages)
    num_flips = generator.choice([1, 5, 30])
    for _ in range(num_flips):
        flip(generator.choice(segments(tmp_path)), generator)
    if not is_indexed:
        (tmp_path / INDEX_NAME).unlink()
    with open_tier(tmp_path) as tier:
        found = num_present(tier, pages)
        # A header takes its whole segment of 34 pages with it; a flip in padding takes nothing.
        assert 100 - 34 * num_flips <= found
        fill(tier, pages)
        assert read(tier, pages) == 100, "a page that was damaged is written anew"


def flip(path: Path, generator: random.Random) -> None:
    place, bit = generator.randrange(path.stat().st_size), generator.randrange(8)
    with path.open("r+b") as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ (1 << bit)]))


def test_every_single_flip_in_a_record_is_seen(tmp_path: Path) -> None:
    page = key(1)
    with open_tier(tmp_path) as tier:
        fill(tier, [page])
    (path,) = segments(tmp_path)
    whole = path.read_bytes()
    # The header's meaningful bytes, and some of the payload.
    for place in [*range(4096, 4096 + 36), *range(4096 + 64, len(whole), 97)]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        with open_tier(tmp_path) as tier:
            assert read(tier, [page]) == 0
            assert page not in tier


def test_a_page_under_anothers_key_is_a_miss(tmp_path: Path) -> None:
    with open_tier(tmp_path) as tier:
        fill(tier, keys(range(4)))
    with closing(sqlite3.connect(tmp_path / INDEX_NAME)) as index, index:
        index.execute("UPDATE pages SET key = ? WHERE rowid = (SELECT max(place) FROM pages)", (key(77),))
    with open_tier(tmp_path) as tier:
        assert key(77) in tier
        assert read(tier, [key(77)]) == 0
        assert tier.stats.num_damaged == 1


@pytest.mark.parametrize("damage", ["deleted", "text", "empty", "flips", "rows", "tail", "types", "version"])
def test_an_index_that_is_gone_damaged_or_behind_is_made_from_the_segments(
    tmp_path: Path, damage: str
) -> None:
    pages = keys(range(200))
    with open_tier(tmp_path, DiskConfig(segment_bytes=40_000)) as tier:
        fill(tier, pages)
    damage_index(tmp_path / INDEX_NAME, damage)
    with open_tier(tmp_path) as tier:
        # A flip may hit a key in a row: that page is then a miss.
        assert num_present(tier, pages) >= (150 if damage == "flips" else 200)
        fill(tier, pages)
    with open_tier(tmp_path) as tier:
        assert read(tier, pages) == 200


def damage_index(path: Path, damage: str) -> None:
    match damage:
        case "deleted":
            path.unlink()
        case "text":
            path.write_text("not an index at all, but text. " * 300)
        case "empty":
            path.write_bytes(b"")
        case "flips":
            generator = random.Random(3)
            for _ in range(30):
                flip(path, generator)
        case _:
            statement = {
                "rows": "DELETE FROM pages WHERE place % 7 = 3",
                "tail": "DELETE FROM pages WHERE place % 4294967296 > 20",
                "types": "UPDATE pages SET key = 'text' WHERE place % 7 = 3",
                "version": "PRAGMA user_version = 99",
            }[damage]
            with closing(sqlite3.connect(path)) as index, index:
                index.execute(statement)


def test_over_the_cap_the_least_used_segments_go(tmp_path: Path) -> None:
    with open_tier(tmp_path, SMALL) as tier:
        fill(tier, keys(range(28)))
        for start in range(28, 2000, 28):
            fill(tier, keys(range(start, start + 28)))
            assert read(tier, keys(range(10))) == 10, "what is used stays"
            tier.touch(keys(range(10)), 0.0)
        assert tier.stats.num_reclaimed > 1000
        assert size(tmp_path) == tier.stats.size_bytes <= SMALL.max_bytes
        assert num_present(tier, keys(range(28, 100))) == 0
        assert read(tier, keys(range(1950, 2000))) == 50
    with open_tier(tmp_path, DiskConfig(max_bytes=100_000)) as tier:
        assert size(tmp_path) <= 100_000, "a smaller cap holds from the start"
        assert read(tier, keys(range(10))) == 10, "uses are remembered"


def test_retained_pages_outlive_newer_ones_but_never_block(tmp_path: Path) -> None:
    clock = Clock()
    with open_tier(tmp_path, SMALL, clock=clock) as tier:
        fill(tier, keys(range(20)), retain_until=clock.now + 300)
        fill(tier, keys(range(100, 1100)))
        assert read(tier, keys(range(20))) == 20
        fill(tier, keys(range(2000, 3000)), retain_until=clock.now + 3600)
        assert read(tier, keys(range(2950, 3000))) == 50
        assert num_present(tier, keys(range(20))) == 0


@pytest.mark.parametrize("jump", [-1e8, -5000.0, -10.0, 10.0, 5000.0, 1e8])
def test_a_clock_that_jumps_neither_empties_the_cache_nor_fills_it_for_ever(
    tmp_path: Path, jump: float
) -> None:
    clock = Clock()
    with open_tier(tmp_path, SMALL, clock=clock) as tier:
        fill(tier, keys(range(100)), retain_until=clock.now + 3600)
        clock.now += jump
        fill(tier, keys(range(100, 150)))
        assert read(tier, keys(range(150))) == 150
    with open_tier(tmp_path, SMALL, clock=clock) as tier:
        assert read(tier, keys(range(150))) == 150
        clock.now += 2 * LONGEST_RETENTION_S
        fill(tier, keys(range(1000, 1400)))
        assert num_present(tier, keys(range(100))) == 0
        assert read(tier, keys(range(1350, 1400))) == 50


@pytest.mark.parametrize("num_left", [0, 30, 64, 300])
def test_a_full_disk_stops_writing_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, num_left: int
) -> None:
    clock, disk = Clock(), Disk()
    with open_tier(tmp_path, clock=clock, open_file=disk.open) as tier:
        fill(tier, keys(range(100)))
        disk.num_left = num_left
        fill(tier, keys(range(100, 200)))
        assert tier.stats.num_dropped == 100
        assert tier.stats.num_errors == 1, "it does not try again at once"
        assert read(tier, keys(range(200))) == 100
        clock.now += 11
        fill(tier, keys(range(200, 210)))
        assert tier.stats.num_errors == 2
        disk.num_left = None
        fill(tier, keys(range(210, 220)))
        assert tier.stats.num_dropped == 120
        clock.now += 11
        fill(tier, keys(range(100, 200)))
        assert read(tier, keys(range(200))) == 200
    with open_tier(tmp_path) as tier:
        assert read(tier, keys(range(200))) == 200
        assert tier.stats.num_pages == 200
    assert "No space left on device" in caplog.text


def test_a_clock_set_back_does_not_prolong_the_pause_after_an_error(tmp_path: Path) -> None:
    clock, disk = Clock(), Disk()
    with open_tier(tmp_path, clock=clock, open_file=disk.open) as tier:
        disk.num_left = 0
        fill(tier, keys(range(1)))
        disk.num_left = None
        clock.now -= 1e6
        fill(tier, keys(range(10)))
        assert read(tier, keys(range(10))) == 10


def test_a_cap_below_one_page_keeps_nothing(tmp_path: Path) -> None:
    with open_tier(tmp_path, DiskConfig(max_bytes=5000)) as tier:
        fill(tier, keys(range(10)))
        assert tier.stats.num_dropped == 10
        assert size(tmp_path) == 0


def test_a_full_queue_drops_and_counts(tmp_path: Path) -> None:
    with open_tier(tmp_path, DiskConfig(max_queue_bytes=PAGE_BYTES - 1)) as tier:
        fill(tier, keys(range(10)))
        assert tier.stats.num_dropped == 10
        assert tier.stats.num_pages == 0


def test_a_second_tier_on_the_folder_is_refused_until_the_first_is_closed(tmp_path: Path) -> None:
    with open_tier(tmp_path) as tier:
        fill(tier, keys(range(10)))
        with pytest.raises(FolderInUseError, match=f"in use by process {os.getpid()}; stop that process"):
            DiskTier(tmp_path)
        fill(tier, keys(range(10, 20)))
    with open_tier(tmp_path) as tier:
        assert read(tier, keys(range(20))) == 20


def test_segments_that_vanish_are_a_miss(tmp_path: Path) -> None:
    with open_tier(tmp_path) as tier:
        fill(tier, keys(range(20)))
        for path in segments(tmp_path):
            path.unlink()
        assert read(tier, keys(range(20))) == 0
        fill(tier, keys(range(100, 110)))
        fill(tier, keys(range(30)))
        assert read(tier, keys(range(30))) == 30
        assert tier.stats.num_damaged == 0


def test_closed_it_finds_and_takes_nothing(tmp_path: Path) -> None:
    tier = open_tier(tmp_path)
    fill(tier, keys(range(5)))
    tier.close()
    tier.write(OWNER, key(9), payload(key(9)), retain_until=0.0)
    tier.touch(keys(range(5)), 0.0)
    assert read(tier, keys(range(5))) == 0
    assert key(9) not in tier
    assert tier.flush(1.0)


def test_two_models_share_a_folder_and_a_cap(tmp_path: Path) -> None:
    other = Owner(name="other", identity=b"o" * 32)
    with open_tier(tmp_path, SMALL) as tier:
        fill(tier, keys(range(20)))
        for number in range(1000):
            tier.write(other, key(f"other {number}"), payload(key(f"other {number}"), 500), retain_until=0.0)
        assert tier.flush()
        assert size(tmp_path) <= SMALL.max_bytes
        assert num_present(tier, keys(range(20))) == 0, "the least used goes, whoever owns it"
        out = memoryview(bytearray(500))
        assert tier.read([key("other 999")], out) == 1
        assert out == payload(key("other 999"), 500)
