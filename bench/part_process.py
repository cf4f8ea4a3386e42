"""A part in a process of its own that does not outlive the one that waits for it.

However the waiting ends, the part is told to end, which closes its peers and its servers on the way out.
Enters: a command. Leaves: what it printed, or why there is nothing. Read next:
`interruption.py`, `peer_process.py`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

from bench.interruption import undisturbed

# Longer than a part takes to close what it has started.
STOP_S = 60.0


class PartError(RuntimeError):
    """A part that failed, or took too long."""


def output_of(command: Sequence[str], timeout_s: float, *, stop_s: float = STOP_S) -> str:
    """Run a part to its end; what it prints. Raises PartError.

    stop_s: how long it may take to end when it is told to.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        code = _run(command, output, timeout_s, stop_s)
        if code:
            raise PartError(f"ended with exit code {code}; see above")
        output.seek(0)
        return output.read()


def _run(command: Sequence[str], output: IO[str], timeout_s: float, stop_s: float) -> int:
    # A group of its own, to end it together with its servers. Peers are in groups of their own, because
    # they are stopped between their turns; the part ends them.
    process: subprocess.Popen[bytes] | None = None
    try:
        with undisturbed():
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, process_group=0)
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        raise PartError(f"took more than {timeout_s:.0f} s") from None
    finally:
        if process is not None:
            _end(process, stop_s)


def _end(process: subprocess.Popen[bytes], stop_s: float) -> None:
    """Ask the group to end, wait for the part, and kill what is left."""
    try:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(stop_s)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
