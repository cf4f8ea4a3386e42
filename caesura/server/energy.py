"""What the machine says of the energy that it takes: RAPL's counters, as Linux shows them.

Enters: the folder of the power-capping framework. Leaves: joules for each processor package and memory zone
since the meter was made; nothing where the machine has no such counters, or keeps them to its
administrator. Read next: `metrics.py`, which shows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
_MICROJOULES = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """One counter.

    name: what the machine calls it, such as package-0.
    file: holds microjoules.
    max_uj: the counter begins anew after this many.
    """

    name: str
    file: Path
    max_uj: int

    def read_uj(self) -> int:
        """Where the counter stands."""
        return int(self.file.read_text())


def find_zones(folder: Path = POWERCAP) -> list[Zone]:
    """The zones that can be read. Parts of a zone (`intel-rapl:0:0`) are left out: it includes them."""
    zones: list[Zone] = []
    for path in sorted(folder.glob("intel-rapl:*")):
        if path.name.count(":") == 1:
            try:
                zone = _zone(path)
                zone.read_uj()
            except (OSError, ValueError):
                continue
            zones.append(zone)
    return zones


def _zone(path: Path) -> Zone:
    return Zone(
        name=(path / "name").read_text().strip(),
        file=path / "energy_uj",
        max_uj=int((path / "max_energy_range_uj").read_text()),
    )


class EnergyMeter:
    """Adds up what each zone took, over the counters' ends. One that ends twice between two readings (hours
    at full load) loses that round.
    """

    def __init__(self, zones: Sequence[Zone]) -> None:
        self._zones = tuple(zones)
        self._last_uj = {zone: zone.read_uj() for zone in self._zones}
        self._sum_uj = dict.fromkeys(self._zones, 0)

    def joules(self) -> Mapping[str, float]:
        """By zone, since the meter was made. A zone that cannot be read any more stays where it was."""
        for zone in self._zones:
            try:
                now_uj = zone.read_uj()
            except (OSError, ValueError):
                continue
            took_uj = now_uj - self._last_uj[zone]
            self._sum_uj[zone] += took_uj if took_uj >= 0 else took_uj + zone.max_uj
            self._last_uj[zone] = now_uj
        return {zone.name: self._sum_uj[zone] / _MICROJOULES for zone in self._zones}
