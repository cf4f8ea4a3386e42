"""Rounds in which the engine and its peers do the same jobs.

Enters: a folder, peers' names, and for each round the jobs. Leaves: one value a round for each contender,
and figures of ours beside each of theirs. Every round has prompts of its own, the same for everyone; the
first round warms up and is dropped. Read next: `peer_process.py`, `prefill.py`.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.measure import Figure
from bench.peer_process import started
from bench.peers.protocol import TOP_K, Batch, PeerSettings, Run
from bench.settings import Settings
from caesura.cli.state import state_folder
from caesura.engine import Engine, EngineConfig, SequenceRequest, build_engine, load
from caesura.kernels.building import Build
from caesura.messages.request import Sampling
from caesura.tokens import Tokenizer
from caesura.tokens.markers import MARKERS

OURS = "caesura"
BEST = "the best peer"


class Contender(Protocol):
    """Whoever can run a batch."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        ...

    def run(self, batch: Batch) -> Run:
        """Run a batch to its end."""
        ...


class OurEngine:
    """The engine in this process, as a server runs it, without HTTP."""

    name = OURS

    def __init__(self, folder: Path, settings: Settings) -> None:
        config = EngineConfig(num_threads=settings.threads, native=native_build())
        self._engine: Engine = build_engine(load(folder), config)

    def run(self, batch: Batch) -> Run:
        """All jobs at once."""
        sampling = Sampling(temperature=batch.temperature, top_k=TOP_K)
        requests = [
            SequenceRequest(prompt=job.prompt, max_tokens=job.num_new, sampling=sampling)
            for job in batch.jobs
        ]
        start_s = time.monotonic()
        completions = self._engine.generate(requests)
        wall_s = time.monotonic() - start_s
        ids = [list(each.finished.output) for each in completions]
        return Run(wall_s=wall_s, ids=ids, times_s=[[] for _ in ids], starts_s=[start_s] * len(ids))

    def close(self) -> None:
        """Shut the engine down."""
        self._engine.close()


def native_build() -> Build | None:
    """What a server starts with: `CAESURA_NATIVE=0` turns it off here, too."""
    is_off = os.environ.get("CAESURA_NATIVE") == "0"
    return None if is_off else Build(state_folder(os.environ) / "native")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """Who takes part, and in what.

    folder: the model. peers: their names.
    context, streams: the longest job and the most jobs at once.
    keeps_prefixes: whether peers use their own prompt caches.
    jobs: the batch of a round.
    settings: see there.
    """

    folder: Path
    peers: tuple[str, ...]
    context: int
    streams: int
    keeps_prefixes: bool
    jobs: Callable[[random.Random], Batch]
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What came out.

    values: of each contender, one a counted round.
    notes: of each peer that took part, its version and settings.
    absent: of each peer that did not, why.
    """

    values: Mapping[str, list[float]]
    notes: Mapping[str, str] = field(default_factory=dict[str, str])
    absent: Sequence[str] = ()


Value = Callable[[Batch, Run], float]


def hold(contest: Contest, ours: Contender, *values: Value) -> list[Standing]:
    """Run all rounds, ours first in each. values: what a run is worth; one standing for each of them."""
    names = contest.peers if contest.settings.has_peers else ()
    with started(names, peer_settings(contest)) as (peers, absent):
        contenders: list[Contender] = [ours, *peers]
        found: list[dict[str, list[float]]] = [{each.name: [] for each in contenders} for _ in values]
        agreement = Agreement()
        for number in range(contest.settings.repeats + 1):
            batch = contest.jobs(random.Random(number))
            for contender in contenders:
                run = contender.run(batch)
                check_lengths(contender.name, batch, run)
                agreement.note(contender.name, batch, run)
                for value, of_all in zip(values, found, strict=True):
                    of_all[contender.name] += [value(batch, run)] if number else []
        agreement.check()
        notes = {peer.name: "; ".join((peer.version, *agreement.words(peer.name))) for peer in peers}
        return [Standing(values=each, notes=notes, absent=absent) for each in found]


class Agreement:
    """Whether everyone computes the same: the first id of each greedy job, beside ours.

    Rounding to 16 bits parts near-ties, so a few may differ.
    """

    def __init__(self) -> None:
        self._ours: list[int] = []
        self._same: dict[str, list[bool]] = {}

    def note(self, name: str, batch: Batch, run: Run) -> None:
        """What a contender wrote; ours comes first in each round."""
        if batch.temperature or has_late(batch):
            return
        first = [ids[0] for ids in run.ids]
        if name == OURS:
            self._ours = first
        else:
            same = [ours == theirs for ours, theirs in zip(self._ours, first, strict=True)]
            self._same.setdefault(name, []).extend(same)

    def words(self, name: str) -> list[str]:
        """For the table; none if nothing could be compared."""
        same = self._same.get(name)
        return [f"{sum(same)} of {len(same)} first ids as ours"] if same else []

    def check(self) -> None:
        """Raises RuntimeError for a peer that computes something else."""
        for name, same in self._same.items():
            if 2 * sum(same) < len(same):
                raise RuntimeError(
                    f"{name} wrote another first id than we in {len(same) - sum(same)} of {len(same)} jobs; "
                    "it computes something else, and the comparison is void"
                )


def peer_settings(contest: Contest) -> PeerSettings:
    """What the peers are told."""
    return PeerSettings(
        folder=str(contest.folder),
        scratch=str(contest.folder.parent),
        threads=contest.settings.peer_threads,
        context=contest.context,
        streams=contest.streams,
        keeps_prefixes=contest.keeps_prefixes,
        is_compiled=not contest.settings.is_quick,
    )


def has_late(batch: Batch) -> bool:
    """Whether jobs come late, and so cut the others short."""
    return any(job.starts_after is not None for job in batch.jobs)


def check_lengths(name: str, batch: Batch, run: Run) -> None:
    """Everyone must do the same work. Raises RuntimeError."""
    if has_late(batch):
        return
    wanted, written = [job.num_new for job in batch.jobs], [len(ids) for ids in run.ids]
    if wanted != written:
        raise RuntimeError(f"{name} wrote {written} tokens instead of {wanted}; the comparison is void")


def output_rate(batch: Batch, run: Run) -> float:
    """Written tokens a second, all jobs together."""
    return sum(job.num_new for job in batch.jobs) / run.wall_s


def prompt_rate(batch: Batch, run: Run) -> float:
    """Prompt tokens a second, all jobs together."""
    return sum(len(job.prompt) for job in batch.jobs) / run.wall_s


def words(folder: Path) -> range:
    """The ids that prompts are drawn from: no markers."""
    return range(len(MARKERS), Tokenizer.load(folder).vocab_size)


def beside(
    standing: Standing,
    *,
    name: str,
    unit: str,
    is_inverse: bool = False,
    at_least: Mapping[str, float] | None = None,
    note: str = "",
) -> list[Figure]:
    """Ours beside each peer. at_least: by peer, or for `BEST`."""
    ours = standing.values[OURS]
    peers = {peer: values for peer, values in standing.values.items() if peer != OURS}
    absent = "; ".join([note, *standing.absent] if note else standing.absent)
    if not peers:
        return [Figure(name=name, unit=unit, ours=ours, note=absent)]
    wanted = dict(at_least or {})
    pick = min if is_inverse else max
    best = pick(peers, key=lambda peer: statistics.median(peers[peer]))
    if BEST in wanted:
        wanted[best] = max(wanted.pop(BEST), wanted.get(best, 0.0))
    return [
        Figure(
            name=name,
            unit=unit,
            ours=ours,
            peer=peer,
            peers=values,
            is_inverse=is_inverse,
            at_least=wanted.get(peer),
            note="; ".join(filter(None, (standing.notes.get(peer, ""), "" if number else absent))),
        )
        for number, (peer, values) in enumerate(peers.items())
    ]


def random_prompt(rng: random.Random, vocabulary: Sequence[int], length: int) -> tuple[int, ...]:
    """Ids that nobody has seen before."""
    return tuple(rng.choices(vocabulary, k=length))
