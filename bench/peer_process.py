"""A peer in a process and an environment of its own.

While a peer is not measured its processes are stopped, so that none of them spins beside the one that is.
Enters: settings, then batches of jobs. Leaves: runs. Read next: `bench/peers/protocol.py`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from bench.interruption import undisturbed
from bench.peers.protocol import Batch, PeerSettings, Run

ROOT = Path(__file__).parent.parent
_STOP_S = 20.0


class PeerError(RuntimeError):
    """A peer that is not installed, does not start, or fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerKind:
    """How to start a peer. python: its environment's interpreter. module: what runs there."""

    python: Path
    module: str


_MAIN = ROOT / ".peers" / "main" / "bin" / "python"
_VLLM = ROOT / ".peers" / "vllm" / "bin" / "python"
PEERS = {
    "transformers": PeerKind(python=_MAIN, module="bench.peers.transformers_peer"),
    "llama.cpp": PeerKind(python=_MAIN, module="bench.peers.llama_cpp_peer"),
    "vLLM": PeerKind(python=_VLLM, module="bench.peers.vllm_peer"),
}


class PeerProcess:
    """One peer, started and warm enough to take batches."""

    def __init__(self, name: str, kind: PeerKind, settings: PeerSettings) -> None:
        """Raises PeerError if it is not installed or does not start."""
        if not kind.python.is_file():
            raise PeerError(f"{name} is not installed; `make peers` installs it")
        self.name = name
        self._log = Path(settings.scratch) / f"{kind.module.rpartition('.')[2]}.log"
        with self._log.open("ab") as log, undisturbed():
            self._process = subprocess.Popen(
                [str(kind.python), "-m", kind.module],
                cwd=ROOT,
                env=_environment(kind),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                # A group of its own, to stop it with all its children. When this process dies, the system
                # wakes and hangs up a stopped group of the same session.
                process_group=0,
            )
        self._is_listening = False
        try:
            self.version = str(self._ask(asdict(settings))["ready"])
        except BaseException:
            # Also one that interrupts us: nobody else knows of the process.
            self.close()
            raise
        self._signal(signal.SIGSTOP)

    def run(self, batch: Batch) -> Run:
        """Run a batch. Raises PeerError if the peer fails or writes less than was asked."""
        self._signal(signal.SIGCONT)
        try:
            return Run(**self._ask(asdict(batch)))
        finally:
            self._signal(signal.SIGSTOP)

    def close(self) -> None:
        """End the process and its children; one that is at work gets no time to end by itself."""
        self._signal(signal.SIGCONT)
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=_STOP_S if self._is_listening else 0.0)
        except subprocess.TimeoutExpired:
            self._process.terminate()
        self._signal(signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._is_listening = False
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise PeerError(f"{self.name} ended by itself:\n{_tail(self._log)}")
        self._is_listening = True
        reply = cast(dict[str, Any], json.loads(line))
        if "error" in reply:
            raise PeerError(f"{self.name}: {reply['error']}")
        return reply


def _environment(kind: PeerKind) -> dict[str, str]:
    """Ours, without what steers our own threads; vLLM wants Intel's OpenMP loaded first."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    openmp = kind.python.parent.parent / "lib" / "libiomp5.so"
    if openmp.is_file():
        environment["LD_PRELOAD"] = str(openmp)
    # What vLLM compiles stays beside its environment.
    environment["VLLM_CACHE_ROOT"] = str(kind.python.parent.parent / "cache")
    return environment | {"VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:]


@contextmanager
def started(
    names: Sequence[str], settings: PeerSettings, kinds: Mapping[str, PeerKind] = PEERS
) -> Generator[tuple[list[PeerProcess], list[str]]]:
    """The peers that are there, and for each of the others why it is not."""
    peers: list[PeerProcess] = []
    notes: list[str] = []
    with ExitStack() as stack:
        for name in names:
            try:
                peer = PeerProcess(name, kinds[name], settings)
            except PeerError as error:
                notes.append(str(error))
                continue
            stack.callback(peer.close)
            peers.append(peer)
        yield peers, notes
