"""Below memory: where pages lie that left it, or outlive the process.

Enters: keys and pages' payloads. Leaves: payloads, verified. Read next: `prefix_cache.py`, which asks,
`ram_tier.py` and `disk_tier.py`, which keep.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Protocol

from caesura.engine.disk_tier import DiskTier
from caesura.engine.ram_tier import RamTier
from caesura.engine.segments import Owner


class PageTiers(Protocol):
    """Pages by key. Every call is cheap, because it is made on the engine's thread."""

    def count(self, keys: Sequence[bytes]) -> int:
        """How many leading keys are somewhere here."""
        ...

    def read(self, keys: Sequence[bytes], out: memoryview) -> int:
        """Fill `out` with payloads, back to back; how many leading pages were read and verified."""
        ...

    def write(self, key: bytes, payload: bytes | memoryview, *, retain_until: float) -> None:
        """Queue a page to be written; it is dropped, and counted, when the queue is full."""
        ...

    def touch(self, keys: Sequence[bytes], retain_until: float) -> None:
        """Note that pages were used, and until when they are to be retained."""
        ...

    def close(self) -> None:
        """Write what is queued and let go of the files."""
        ...


class TieredPages:
    """A model's pages in RAM, then on disk. A page goes to both at once, so leaving RAM costs nothing."""

    def __init__(
        self,
        owner: Owner,
        *,
        ram: RamTier | None = None,
        disk: DiskTier | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """ram, disk: may serve several models; None: there is none.

        clock: the time of day, which retention is told in.
        """
        self._owner = owner
        self._ram = ram
        self._disk = disk
        self._clock = clock

    def count(self, keys: Sequence[bytes]) -> int:
        """How many leading keys are somewhere here."""
        return sum(1 for _ in takewhile(self._has, keys))

    def read(self, keys: Sequence[bytes], out: memoryview) -> int:
        """Fill `out` with payloads, back to back; how many leading pages were read and verified.

        What lies behind those in `out` is not to be used. Raises ValueError if `out` is not of whole pages.
        """
        if not keys:
            return 0
        size, rest = divmod(len(out), len(keys))
        if rest:
            raise ValueError(
                f"{len(keys)} pages of one length do not fill {len(out)} bytes; give whole pages"
            )
        num_read = 0
        while num_read < len(keys):
            num_more = self._read_run(keys[num_read:], out[num_read * size :], size)
            if not num_more:
                break
            num_read += num_more
        return num_read

    def write(self, key: bytes, payload: bytes | memoryview, *, retain_until: float) -> None:
        """Queue a page to be written. The payload must not change any more."""
        if self._ram is not None:
            self._ram.put(key, payload, retain_until=retain_until, now=self._clock())
        if self._disk is not None:
            self._disk.write(self._owner, key, payload, retain_until=retain_until)

    def touch(self, keys: Sequence[bytes], retain_until: float) -> None:
        """Note that pages were used, and until when they are to be retained."""
        if self._ram is not None:
            self._ram.touch(keys, retain_until, self._clock())
        if self._disk is not None:
            self._disk.touch(keys, retain_until)

    def close(self) -> None:
        """Write what is queued. RAM and disk may serve others still; who opened them closes them."""
        if self._disk is not None:
            self._disk.flush()

    def _has(self, key: bytes) -> bool:
        return (self._ram is not None and key in self._ram) or (self._disk is not None and key in self._disk)

    def _read_run(self, keys: Sequence[bytes], out: memoryview, size: int) -> int:
        """As many leading pages as one tier has."""
        num_read = 0 if self._ram is None else self._ram.read(keys, out, size)
        if num_read or self._disk is None:
            return num_read
        num_below = next((number for number, key in enumerate(keys) if self._is_above(key)), len(keys))
        return self._disk.read(keys[:num_below], out[: num_below * size])

    def _is_above(self, key: bytes) -> bool:
        return self._ram is not None and key in self._ram
