"""A part with a peer that never ends by itself, and who waits for it.

`part FOLDER busy` says its own and its peer's process on stderr, and gives the peer work for ever;
`part FOLDER idle` gives it none. `wait ...` runs such a part.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from bench.interruption import end_in_order
from bench.part_process import output_of
from bench.peer_process import PeerKind, started
from bench.peers.protocol import Batch, Job, PeerSettings

ECHO = PeerKind(python=Path(sys.executable), module="tests.bench.echo_peer")
PROGRAM = [sys.executable, "-m", "tests.bench.long_part"]


def _be_a_part(folder: str, *, is_idle: bool) -> None:
    settings = PeerSettings(
        folder=folder, scratch=folder, threads=1, context=256, streams=1, keeps_prefixes=False
    )
    with started(["echo"], settings, {"echo": ECHO}) as ((peer,), _):
        sys.stderr.write(f"{os.getpid()} {peer._process.pid}\n")
        sys.stderr.flush()
        if is_idle:
            signal.pause()
        peer.run(Batch(jobs=(Job(prompt=(1,), num_new=10**12),)))


def main() -> None:
    """Do what the words say."""
    # Whoever runs tests in the background of a shell has SIGINT ignored, and would hand that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    match sys.argv[1:]:
        case ["wait", *rest]:
            end_in_order()
            output_of([*PROGRAM, *rest], timeout_s=600.0)
        case ["part", folder, state]:
            end_in_order()
            _be_a_part(folder, is_idle=state == "idle")
        case words:
            raise ValueError(f"no such words: {words}")


if __name__ == "__main__":
    main()
