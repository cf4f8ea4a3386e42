"""Two processes and one cache folder."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from caesura.engine.disk_tier import DiskTier
from caesura.engine.folder_lock import FolderInUseError, FolderLock
from caesura.messages.errors import CaesuraError
from tests.engine.cache_pages import BATCH, SMALL, Writers, fill, key, keys, open_tier, read


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    with Writers(tmp_path) as writers:
        holder = writers.start()
        assert holder != os.getpid()
        writers.wait_until_written()
        before = (tmp_path / "lock").read_text()
        with pytest.raises(
            FolderInUseError,
            match=f"{tmp_path} is in use by process {holder}; stop that process, or give this one a folder",
        ):
            DiskTier(tmp_path)
        assert (tmp_path / "lock").read_text() == before == f"{holder}\n"
        num_written = writers.kill()
    with open_tier(tmp_path, SMALL) as tier:
        # The one that was refused has taken nothing away.
        assert read(tier, [key(f"0 {page}") for page in range(num_written)][-BATCH:]) == BATCH
        fill(tier, keys(range(BATCH)))
        assert read(tier, keys(range(BATCH))) == BATCH


class JustClaimed(type(Path())):
    """An empty folder that another process makes its cache in the moment in which we look into it."""

    def iterdir(self) -> Generator[Path, None, None]:
        tag = Path(self) / "CACHEDIR.TAG"
        tag.touch()
        yield tag


def test_a_folder_that_another_process_claims_at_the_same_moment_is_a_cache_folder(tmp_path: Path) -> None:
    lock = FolderLock(JustClaimed(tmp_path))
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_folder_of_somebody_elses_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.pages").write_text("mine")
    with pytest.raises(CaesuraError, match="holds other files and is no cache folder"):
        DiskTier(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.pages"]
