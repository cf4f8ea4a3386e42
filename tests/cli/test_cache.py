from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from caesura.cli.cache import cache_folder
from caesura.cli.main import app
from caesura.engine.disk_tier import DiskTier
from caesura.engine.folder_lock import FolderLock
from caesura.engine.segments import Owner, segment_path
from caesura.messages.errors import CaesuraError

NANO = Owner(name="nano", identity=bytes.fromhex("0a1b2c3d4e5f"))
OTHER = Owner(name="other", identity=bytes.fromhex("ffee00112233"))


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["cache", *words, "--cache-dir", str(folder)])


def fill(tier: DiskTier, owner: Owner, num_pages: int) -> None:
    for number in range(num_pages):
        tier.write(owner, owner.identity + bytes(9) + bytes([number]), bytes(936), retain_until=0.0)
    assert tier.flush()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with DiskTier(tmp_path / "cache", clock=lambda: 1e9) as tier:
        fill(tier, NANO, 40)
        fill(tier, OTHER, 7)
    return tmp_path / "cache"


def test_each_model_is_listed_with_its_pages_and_bytes(folder: Path) -> None:
    result = run(folder)
    assert result.exit_code == 0
    rows = [line.replace("│", " ").split() for line in result.output.splitlines()]
    assert any(
        row[:5] == ["nano", "0a1b2c3d4e5f", "40", "44.1", "kB"] and "2001-09" in row[5] for row in rows
    )
    assert any(row[:5] == ["other", "ffee00112233", "7", "11.1", "kB"] for row in rows)
    assert any(row == ["total", "47", "55.2", "kB"] for row in rows)


def test_a_damaged_file_is_listed_as_such(folder: Path) -> None:
    path = segment_path(folder, 1)
    path.write_bytes(b"x" + path.read_bytes()[1:])
    assert "(damaged)" in run(folder).output


def test_a_folder_that_is_not_there_holds_nothing_and_is_not_made(tmp_path: Path) -> None:
    for words in ((), ("clear",)):
        result = run(tmp_path / "none", *words)
        assert result.exit_code == 0
    assert not (tmp_path / "none").exists()
    assert "nothing is stored" in run(tmp_path / "none").output


def test_a_folder_of_somebody_elses_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").write_bytes(b"mine")
    assert run(tmp_path, "clear").exit_code == 0
    with pytest.raises(CaesuraError, match="holds other files"):
        FolderLock(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"index.sqlite"}
    assert (tmp_path / "index.sqlite").read_bytes() == b"mine"


def test_clearing_deletes_every_page(folder: Path) -> None:
    (folder / "mine.txt").touch()
    assert "cleared 55.2 kB" in run(folder, "clear").output
    assert {path.name for path in folder.iterdir()} == {"CACHEDIR.TAG", "lock", "mine.txt"}
    assert "nothing is stored" in run(folder).output


@pytest.mark.parametrize("name", ["other", "ffee", "ffee00112233"])
def test_one_model_can_be_cleared(folder: Path, name: str) -> None:
    assert "cleared 11.1 kB" in run(folder, "clear", "--model", name).output
    output = run(folder).output
    assert "nano" in output
    assert "other" not in output
    with DiskTier(folder) as tier:
        assert tier.wait_until_loaded(10)
        assert tier.stats.num_pages == 40


def test_while_a_server_uses_the_folder_it_is_listed_but_cleared_only_by_force(folder: Path) -> None:
    with DiskTier(folder) as tier:
        assert tier.wait_until_loaded(10)
        assert "nano" in run(folder).output
        refused = run(folder, "clear")
        assert refused.exit_code == 1
        assert f"process {os.getpid()} serves from" in refused.output
        assert "--force" in refused.output
        assert tier.stats.num_pages == 47
        assert "cleared 55.2 kB" in run(folder, "clear", "--force").output
        out = memoryview(bytearray(936))
        assert tier.read([NANO.identity + bytes(10)], out) == 0
        fill(tier, Owner(name="again", identity=b"again!"), 3)
    assert "again" in run(folder).output


def test_the_cache_is_in_the_state_folder_unless_another_is_named(tmp_path: Path) -> None:
    assert cache_folder({"CAESURA_STATE": str(tmp_path)}) == tmp_path / "cache"
