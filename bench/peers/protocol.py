"""JSON lines between the bench and a peer's process.

Enters, on stdin: first `PeerSettings` as an object, then one batch of jobs a line, `{"jobs": [{"prompt",
"num_new", "starts_after"}], "temperature"}`. Leaves, on stdout: `{"ready": version}`, then for each batch
`{"wall_s", "ids", "times_s"}`, or `{"error"}`. Whatever a library prints goes to stderr. A job with
`starts_after` is a late one: it starts when all others have written that many tokens, and when it is done,
the others stop after their next token. Read next: `llama_cpp_peer.py`, `bench/peer_process.py`.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Protocol, TextIO

# Whoever samples draws from this many ids, so that an end that is unlikely never comes.
TOP_K = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSettings:
    """How a peer is set up.

    folder: the Hugging Face folder. scratch: where a conversion may be written.
    threads: to compute with.
    context: tokens of the longest job, prompt and output. streams: the most jobs at once.
    keeps_prefixes: whether the peer's own prompt cache is on, where it has one.
    is_compiled: whether to compile, where a peer can.
    bits: how weights are kept: "bfloat16", or "float16" where a peer is faster with it.
    """

    folder: str
    scratch: str
    threads: int
    context: int
    streams: int
    keeps_prefixes: bool
    is_compiled: bool = False
    bits: str = "bfloat16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One prompt.

    prompt: its ids. num_new: tokens to write, none of which may end it early.
    starts_after: None, or how many tokens each other job has written when this one comes in.
    """

    prompt: tuple[int, ...]
    num_new: int
    starts_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Jobs that run together. temperature: 0 is greedy; otherwise `TOP_K` holds too."""

    jobs: tuple[Job, ...]
    temperature: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a batch took.

    wall_s: from the first job's start to the last one's end.
    ids: what each job wrote.
    times_s: when each of those tokens came, by the clock of the machine; empty where a peer cannot say.
    starts_s: when each job was handed in, by the same clock.
    """

    wall_s: float
    ids: list[list[int]]
    times_s: list[list[float]]
    starts_s: list[float]


class Recorder:
    """Notes tokens as they come, one list a job."""

    def __init__(self, batch: Batch) -> None:
        num_jobs = len(batch.jobs)
        self.ids: list[list[int]] = [[] for _ in range(num_jobs)]
        self.times_s: list[list[float]] = [[] for _ in range(num_jobs)]
        self.starts_s = [0.0] * num_jobs
        self._early = [ids for job, ids in zip(batch.jobs, self.ids, strict=True) if job.starts_after is None]

    @property
    def num_written(self) -> int:
        """How many tokens each job that is not late has written, at least."""
        return min(map(len, self._early))

    def start(self, job: int) -> None:
        """A job is handed in now."""
        self.starts_s[job] = time.monotonic()

    def put(self, job: int, ids: Iterable[int]) -> None:
        """These tokens have come now."""
        now_s = time.monotonic()
        for each in ids:
            self.ids[job].append(each)
            self.times_s[job].append(now_s)

    def run(self) -> Run:
        """Everything, at the end."""
        wall_s = time.monotonic() - min(self.starts_s)
        return Run(wall_s=wall_s, ids=self.ids, times_s=self.times_s, starts_s=self.starts_s)


class PeerEngine(Protocol):
    """What a peer's process offers."""

    version: str

    def run(self, batch: Batch) -> Run:
        """Run a batch to its end."""
        ...


def read_batch(fields: dict[str, Any]) -> Batch:
    """The inverse of `dataclasses.asdict`."""
    jobs = tuple(
        Job(prompt=tuple(job["prompt"]), num_new=job["num_new"], starts_after=job["starts_after"])
        for job in fields["jobs"]
    )
    return Batch(jobs=jobs, temperature=fields["temperature"])


def serve(build: Callable[[PeerSettings], PeerEngine]) -> None:
    """Answer until stdin ends."""
    out = _private_stdout()
    try:
        engine = build(PeerSettings(**json.loads(sys.stdin.readline())))
    except Exception as error:  # the bench has to be told, whatever it was
        _tell(out, _failure(error))
        return
    _tell(out, {"ready": engine.version})
    for line in sys.stdin:
        try:
            reply = asdict(engine.run(read_batch(json.loads(line))))
        except Exception as error:  # the next batch may work
            reply = _failure(error)
        _tell(out, reply)


def _private_stdout() -> TextIO:
    """The stream for replies; from here on everything else that is printed goes to stderr."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def _failure(error: Exception) -> dict[str, Any]:
    traceback.print_exc()
    return {"error": f"{type(error).__name__}: {error}"}


def _tell(out: TextIO, reply: dict[str, Any]) -> None:
    out.write(json.dumps(reply) + "\n")
    out.flush()
