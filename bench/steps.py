"""What a decode step costs the engine's thread, with torch's operators and with native steps.

`python -m bench.steps [--model FOLDER] [--repeats N]`. Both engines live in one process and take turns; only
steps in which every sequence decodes are counted, in processor time of the thread, so that other programs
matter little. Enters: a folder. Leaves: a table. Read next: `caesura/engine/native_network.py`.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from bench.contest import native_build, random_prompt, words
from bench.model_folder import endless_folder, llama_folder
from bench.peers.protocol import TOP_K
from bench.run import BUNDLED
from caesura.engine import EngineConfig, EngineCore, SchedulerConfig, SequenceRequest, load
from caesura.engine.loading import build_core
from caesura.engine.process_memory import keep_freed_memory
from caesura.kernels.building import Build
from caesura.messages.request import Sampling

_NUM_SHARED = 2000
_NUM_NEW = 64

_Prompts = Callable[[random.Random, range], list[tuple[int, ...]]]


def _one(rng: random.Random, vocabulary: range) -> list[tuple[int, ...]]:
    return [random_prompt(rng, vocabulary, 128)]


def _apart(rng: random.Random, vocabulary: range) -> list[tuple[int, ...]]:
    return [random_prompt(rng, vocabulary, 128 + 9 * number) for number in range(8)]


def _streams(rng: random.Random, vocabulary: range) -> list[tuple[int, ...]]:
    prefix = random_prompt(rng, vocabulary, _NUM_SHARED)
    return [prefix + random_prompt(rng, vocabulary, 32) for _ in range(8)]


def _samples(rng: random.Random, vocabulary: range) -> list[tuple[int, ...]]:
    return [random_prompt(rng, vocabulary, _NUM_SHARED)] * 16


# The prompts of each case, and their temperature.
CASES: dict[str, tuple[_Prompts, float]] = {
    "1 stream of 128": (_one, 0.0),
    "8 streams of 128 to 191": (_apart, 0.0),
    f"8 streams that share {_NUM_SHARED:,}": (_streams, 0.0),
    f"16 samples after {_NUM_SHARED:,}": (_samples, 1.0),
}


def core_of(folder: Path, native: Build | None) -> EngineCore:
    """An engine without its thread. It reads prompts at once, so that soon all decode."""
    config = EngineConfig(
        scheduler=SchedulerConfig(target_step_s=60.0, max_stretch=1e6),
        kv_bytes=800_000_000,
        num_threads=1,
        native=native,
    )
    return build_core(load(folder, dtype=torch.bfloat16), config)


def step_ms(core: EngineCore, prompts: Sequence[tuple[int, ...]], temperature: float) -> float:
    """The median of the steps in which all decode. The first prompt is run before, so that its beginning is
    there for the others."""
    sampling = Sampling(temperature=temperature, top_k=TOP_K)
    requests = [SequenceRequest(prompt=each, max_tokens=_NUM_NEW, sampling=sampling) for each in prompts]
    _run(core, requests[:1])
    return statistics.median(_run(core, requests))


def _run(core: EngineCore, requests: Sequence[SequenceRequest]) -> list[float]:
    """The milliseconds of each step that gives every sequence a token, but for the first and the last."""
    for request in requests:
        core.add(core.prepare(request))
    times_ms: list[float] = []
    while core.has_work:
        start_s = time.thread_time()
        reports = core.step()
        if len(reports) == len(requests):
            times_ms.append(1e3 * (time.thread_time() - start_s))
    return times_ms[1:-1]


def compare(folder: Path, repeats: int, table: Table) -> None:
    """One row a case."""
    builds = {"torch": None, "native": native_build()}
    cores = {name: core_of(folder, build) for name, build in builds.items()}
    for case, (prompts, temperature) in CASES.items():
        found: dict[str, list[float]] = {name: [] for name in cores}
        for number in range(repeats + 1):
            batch = prompts(random.Random(number), words(folder))
            for name, core in cores.items():
                found[name].append(step_ms(core, batch, temperature))
        torch_ms, native_ms = (found[name][1:] for name in ("torch", "native"))
        ratio = statistics.median(a / b for a, b in zip(torch_ms, native_ms, strict=True))
        table.add_row(f"{folder.name}, {case}", _words(torch_ms), _words(native_ms), f"{ratio:.2f}")


def _words(times_ms: Sequence[float]) -> str:
    return f"{statistics.median(times_ms):.2f} ({min(times_ms):.2f} to {max(times_ms):.2f})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What a decode step costs the engine's thread.")
    parser.add_argument("--model", type=Path, default=BUNDLED, help="a folder of our own format")
    parser.add_argument("--repeats", type=int, default=5, help="of each case; a warm-up comes on top")
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    table = Table("a decode step, ms of the thread", "torch", "native", "torch / native")
    with tempfile.TemporaryDirectory(prefix="caesura-bench-") as scratch:
        nano = endless_folder(options.model, Path(scratch) / options.model.name, is_quick=False)
        for folder in (nano, llama_folder("27M", Path(scratch) / "27M", is_quick=False)):
            compare(folder, options.repeats, table)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
