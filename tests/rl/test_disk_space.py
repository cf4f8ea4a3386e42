from __future__ import annotations

from pathlib import Path

import pytest

from caesura.rl.disk_space import check_disk, free_bytes


def test_the_margin_is_kept_free_and_the_bytes_are_said(tmp_path: Path) -> None:
    check_disk(tmp_path, 1_000, measure=lambda _: 50_001_000)
    with pytest.raises(ValueError, match=r"1,001 bytes and 50,000,000 are kept free, .* has 50,001,000 left"):
        check_disk(tmp_path, 1_001, measure=lambda _: 50_001_000)


def test_a_folder_that_is_not_there_yet_is_measured_where_it_will_be(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "there") > 0
