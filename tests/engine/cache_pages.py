"""Pages whose payload follows from their key, so that a wrong byte shows wherever it comes from.

Run as a program it is the writer that gets killed: `python -m tests.engine.cache_pages FOLDER` forks a child
for each line on its input. The child says its number, writes until it is killed, and says after each batch
how many pages are in the files; once it is gone, the program says "dead". `Writers` is its other end.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
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
# No more whole pages are in a folder of that size.
SMALL_PAGES = SMALL.max_bytes // PAGE_BYTES
# What a writer queues before it waits until all of it is in the files.
BATCH = 50


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


class Writers:
    """Processes that write to a folder, one after the other, each until it is killed."""

    _PATIENCE_S = 120.0

    def __init__(self, folder: Path) -> None:
        self._source = subprocess.Popen(
            [sys.executable, "-m", "tests.engine.cache_pages", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Nothing is read ahead, so whether a line has come can be asked.
            bufsize=0,
            process_group=0,
        )
        self._child = self._num_written = 0

    def __enter__(self) -> Writers:
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._source.pid, signal.SIGKILL)
        self._source.__exit__(None, None, None)

    def start(self) -> int:
        """Let the next one begin; its process's number."""
        assert self._source.stdin is not None
        self._source.stdin.write(b"\n")
        self._child, self._num_written = int(self._line()), 0
        return self._child

    def wait_until_written(self) -> None:
        """Until its next batch is in the files."""
        self._num_written = int(self._line())

    def kill(self) -> int:
        """End it at once; how many pages it has said to be in the files."""
        os.kill(self._child, signal.SIGKILL)
        while (line := self._line()) != "dead":
            self._num_written = int(line)
        return self._num_written

    def _line(self) -> str:
        assert self._source.stdout is not None
        is_ready, _, _ = select.select([self._source.stdout], [], [], self._PATIENCE_S)
        assert is_ready, f"a writer says nothing for {self._PATIENCE_S:g} s"
        return self._source.stdout.readline().decode().removesuffix("\n")


def _write_for_ever(folder: Path, number: int) -> None:
    _say(str(os.getpid()))
    tier = open_tier(folder, SMALL)
    for page in count():
        tier.write(OWNER, key(f"{number} {page}"), payload(key(f"{number} {page}")), retain_until=0.0)
        if page % BATCH == BATCH - 1:
            assert tier.flush()
            _say(str(page + 1))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Be a source of writers."""
    for number, _ in enumerate(sys.stdin):
        child = os.fork()
        if not child:
            _write_for_ever(Path(sys.argv[1]), number)
        os.waitpid(child, 0)
        _say("dead")


if __name__ == "__main__":
    main()
