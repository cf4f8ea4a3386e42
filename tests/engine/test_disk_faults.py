"""Faults beneath the disk cache: no room for any file, files that cannot be had, bugs, wrong clocks."""

from __future__ import annotations

import random
import resource
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from caesura.engine.disk_tier import DiskConfig
from caesura.engine.segment_index import INDEX_NAME
from caesura.engine.segments import SegmentFile, create_private, segment_path
from tests.engine.cache_pages import (
    OWNER,
    PAGE_BYTES,
    SMALL,
    fill,
    key,
    keys,
    num_present,
    open_tier,
    payload,
    read,
)

TWO_PAGES = 4096 + 2 * (PAGE_BYTES + 64)


@contextmanager
def file_size_limit(num_bytes: int) -> Generator[None]:
    """The system itself lets no file grow beyond, neither a segment nor the index."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_where_no_file_may_grow_what_was_written_whole_is_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_tier(tmp_path, DiskConfig(retry_s=0.0)) as tier:
        fill(tier, keys(range(20)))
        # Each third page from here on finds its segment at the limit, and begins another for the next.
        with file_size_limit(TWO_PAGES + 500):
            fill(tier, keys(range(20, 50)))
            assert num_present(tier, keys(range(20, 50))) == 20
            assert tier.stats.num_dropped == 10
            size_bytes = sum(path.stat().st_size for path in tmp_path.glob("*.pages"))
            assert size_bytes == tier.stats.size_bytes, "nothing torn is left"
        fill(tier, keys(range(100, 110)))
        assert read(tier, keys(range(100, 110))) == 10, "with room again, it writes again"
    assert "File too large" in caplog.text
    assert "the index of the disk cache takes no rows" in caplog.text
    with open_tier(tmp_path) as tier:
        assert num_present(tier, keys(range(110))) == tier.stats.num_pages == 50
        assert tier.stats.num_damaged == 0


@pytest.mark.parametrize("has_index", [True, False])
def test_it_starts_where_nothing_can_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, has_index: bool
) -> None:
    with open_tier(tmp_path) as tier:
        fill(tier, keys(range(20)))
    if not has_index:
        (tmp_path / INDEX_NAME).unlink()
    # The lock's few bytes are all that fits.
    with file_size_limit(100), open_tier(tmp_path) as tier:
        assert read(tier, keys(range(20))) == 20
        fill(tier, keys(range(20, 30)))
        assert tier.stats.num_dropped == 10
        assert tier.stats.num_errors == 1
    assert "no index can be kept" in caplog.text
    with open_tier(tmp_path) as tier:
        fill(tier, keys(range(20, 30)))
        assert read(tier, keys(range(30))) == 30


def test_a_segment_that_cannot_be_read_is_a_miss_and_the_others_are_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_tier(tmp_path, SMALL) as tier:
        fill(tier, keys(range(100)))
        # A file that can be opened by nobody, not even by the superuser.
        segment_path(tmp_path, 1).unlink()
        segment_path(tmp_path, 1).mkdir()
        assert read(tier, [key(0)]) == 0
        assert tier.stats.num_errors == 1
        assert read(tier, keys(range(24, 100))) == 76
    assert "cannot read segment 1" in caplog.text
    with open_tier(tmp_path, SMALL) as tier:
        assert num_present(tier, keys(range(100))) == 76
        fill(tier, keys(range(100)))
        assert read(tier, keys(range(100))) == 100
    assert "cannot use segment 1" in caplog.text


def test_a_segment_that_cannot_be_deleted_does_not_stop_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_tier(tmp_path, SMALL) as tier:
        fill(tier, keys(range(100)))
        segment_path(tmp_path, 1).unlink()
        segment_path(tmp_path, 1).mkdir()
        fill(tier, keys(range(1000, 2000)))
        assert read(tier, keys(range(1900, 2000))) == 100
        assert key(0) not in tier
    assert "cannot delete segment 1" in caplog.text


def test_after_a_bug_it_finds_nothing_and_blocks_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def open_wrongly(path: Path) -> SegmentFile:
        raise LookupError(f"a bug at {path}")

    with open_tier(tmp_path) as tier:
        fill(tier, keys(range(20)))
    with open_tier(tmp_path, open_file=open_wrongly) as tier:
        assert read(tier, keys(range(20))) == 20
        fill(tier, keys(range(20, 30)))
        fill(tier, keys(range(30, 40)))
        assert num_present(tier, keys(range(40))) == 0
        assert tier.stats.num_errors == 1
    assert "the disk cache stopped" in caplog.text
    with open_tier(tmp_path) as tier:
        assert num_present(tier, keys(range(40))) == 20


def test_a_page_that_waits_to_be_written_is_read_retained_and_stored_once(tmp_path: Path) -> None:
    is_open = Event()

    def open_late(path: Path) -> SegmentFile:
        assert is_open.wait(30)
        return create_private(path)

    now, pages = 1e9, keys(range(20))
    with open_tier(tmp_path, SMALL, clock=lambda: now, open_file=open_late) as tier:
        for _ in range(2):
            for page in pages:
                tier.write(OWNER, page, payload(page), retain_until=0.0)
        assert read(tier, pages) == 20
        tier.touch(pages, now + 300)
        is_open.set()
        fill(tier, keys(range(1000, 2000)))
        assert num_present(tier, pages) == 20
        assert tier.stats.num_written == 1020


def test_whatever_the_clock_says_what_was_used_last_stays(tmp_path: Path) -> None:
    generator = random.Random(5)

    def clock() -> float:
        return generator.uniform(0.0, 4e9)

    with open_tier(tmp_path, SMALL, clock=clock) as tier:
        for start in range(0, 2000, 20):
            fill(tier, keys(range(start, start + 20)), retain_until=clock())
            assert read(tier, keys(range(10))) == 10
            tier.touch(keys(range(10)), clock())
        assert read(tier, keys(range(1950, 2000))) == 50
        assert tier.stats.num_reclaimed > 1000
    with open_tier(tmp_path, DiskConfig(max_bytes=100_000), clock=lambda: 0.0) as tier:
        assert read(tier, keys(range(10))) == 10, "also across a restart"
        assert read(tier, keys(range(1990, 2000))) == 10
