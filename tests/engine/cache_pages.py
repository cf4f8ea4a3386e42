"""Pages whose payload follows from their key, so that a wrong byte shows wherever it comes from.

Run as a program it is the writer that gets killed: `python -m tests.engine.cache_pages FOLDER` forks a child
for each line on its input, prints the child's number, and the child writes until it is killed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from hashlib import blake2b, shake_128
from itertools import count
from pathlib import Path

from caesura.engine.disk_tier import DiskConfig, DiskTier
from caesura.engine.segments import Owner

PAGE_BYTES = 1000
OWNER = Owner(name="nano", identity=bytes(32))
# Small, so that segments fill and are given up all the time.
SMALL = DiskConfig(max_bytes=300_000, segment_bytes=30_000)


def key(number: int | str) -> bytes:
    return blake2b(str(number).encode(), digest_size=16).digest()


def keys(numbers: Iterable[int]) -> list[bytes]:
    return [key(number) for number in numbers]


def payload(page: bytes, size: int = PAGE_BYTES) -> bytes:
    return shake_128(page).digest(size)


def open_tier(folder: Path, config: DiskConfig | None = None, **options: object) -> DiskTier:
    """A tier that knows all that the folder holds."""
    tier = DiskTier(folder, config, **options)  # pyright: ignore[reportArgumentType]
    assert tier.wait_until_loaded(30)
    return tier


def fill(tier: DiskTier, pages: Iterable[bytes], retain_until: float = 0.0) -> None:
    for page in pages:
        tier.write(OWNER, page, payload(page), retain_until=retain_until)
    assert tier.flush()


def read(tier: DiskTier, pages: list[bytes]) -> int:
    """How many leading pages there are; all of them are right."""
    out = memoryview(bytearray(PAGE_BYTES * len(pages)))
    num_read = tier.read(pages, out)
    for number, page in enumerate(pages[:num_read]):
        assert out[number * PAGE_BYTES : (number + 1) * PAGE_BYTES] == payload(page)
    return num_read


def num_present(tier: DiskTier, pages: Iterable[bytes]) -> int:
    """How many pages can be read, each on its own."""
    return sum(read(tier, [page]) for page in pages)


def _write_for_ever(folder: Path, number: int) -> None:
    tier = open_tier(folder, SMALL)
    for page in count():
        tier.write(OWNER, key(f"{number} {page}"), payload(key(f"{number} {page}")), retain_until=0.0)
        if page % 50 == 49:
            tier.flush()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Be a source of writers."""
    for number, _ in enumerate(sys.stdin):
        child = os.fork()
        if not child:
            _write_for_ever(Path(sys.argv[1]), number)
        _say(str(child))
        os.waitpid(child, 0)
        _say("dead")


if __name__ == "__main__":
    main()
