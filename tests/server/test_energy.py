"""RAPL's counters, in a folder that looks like the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest

from caesura.server.energy import EnergyMeter, Zone, find_zones


def make_zone(folder: Path, number: str, name: str, energy_uj: str, max_uj: int = 1_000_000) -> Path:
    path = folder / f"intel-rapl:{number}"
    path.mkdir()
    (path / "name").write_text(f"{name}\n")
    (path / "max_energy_range_uj").write_text(f"{max_uj}\n")
    (path / "energy_uj").write_text(f"{energy_uj}\n")
    return path / "energy_uj"


def test_packages_are_found_and_their_parts_are_not_counted_again(tmp_path: Path) -> None:
    make_zone(tmp_path, "0", "package-0", "5")
    make_zone(tmp_path, "0:0", "core", "3")
    make_zone(tmp_path, "1", "package-1", "7")
    (tmp_path / "intel-rapl").mkdir()
    assert [zone.name for zone in find_zones(tmp_path)] == ["package-0", "package-1"]


@pytest.mark.parametrize("content", ["", "much"])
def test_a_zone_that_says_no_number_is_left_out(tmp_path: Path, content: str) -> None:
    make_zone(tmp_path, "0", "package-0", content)
    assert find_zones(tmp_path) == []


def test_a_zone_that_may_not_be_read_is_left_out(tmp_path: Path) -> None:
    make_zone(tmp_path, "0", "package-0", "5").unlink()
    assert find_zones(tmp_path) == []


def test_a_machine_without_counters_has_no_zones(tmp_path: Path) -> None:
    assert find_zones(tmp_path / "nowhere") == []


def test_joules_are_counted_from_the_start_and_over_the_counters_end(tmp_path: Path) -> None:
    file = make_zone(tmp_path, "0", "package-0", "900000")
    meter = EnergyMeter(find_zones(tmp_path))
    assert meter.joules() == {"package-0": 0.0}
    file.write_text("950000")
    assert meter.joules() == {"package-0": pytest.approx(0.05)}
    file.write_text("50000")
    assert meter.joules() == {"package-0": pytest.approx(0.15)}


def test_a_zone_that_cannot_be_read_any_more_stays_where_it_was(tmp_path: Path) -> None:
    file = make_zone(tmp_path, "0", "package-0", "0")
    meter = EnergyMeter([Zone(name="package-0", file=file, max_uj=10)])
    file.write_text("2000000")
    assert meter.joules() == {"package-0": 2.0}
    file.unlink()
    assert meter.joules() == {"package-0": 2.0}
