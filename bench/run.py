"""`make bench`: every benchmark in one run, one table, and one JSON line at the end.

Each part runs in a process of its own with a timeout, so that no part's threads or memory are in
another's way. Interrupted, the run ends that process and all that it has started. Enters: `--quick`,
`--long`, `--model FOLDER`, `--only PART`. Leaves: a table, a JSON line, and an exit code that is not 0 if a
part failed; a ratio that is not as wanted is marked, and fails nothing.
What each figure means is in docs/benchmarks.md. Read next: `decode.py`, `contest.py`, `cache.py`.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.cache import measure_cache
from bench.cancelling import measure_cancelling
from bench.constraint import measure_constraint
from bench.decode import measure_decode
from bench.fairness import measure_fairness
from bench.interruption import end_in_order
from bench.measure import Figure
from bench.model_folder import endless_folder
from bench.models import measure_models
from bench.part_process import PartError, output_of
from bench.prefill import measure_prefill
from bench.server import measure_server
from bench.settings import Settings
from bench.sharing import measure_samples, measure_streams
from bench.soak import measure_soak
from bench.storage import measure_storage
from bench.training import measure_training


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One benchmark.

    measure: takes the model's folder, which lies in a scratch folder, and the settings.
    timeout_s: the longest that it may take. long_timeout_s: the same with `--long`.
    """

    measure: Callable[[Path, Settings], list[Figure]]
    timeout_s: float = 3600.0
    long_timeout_s: float = 3600.0


PARTS = {
    "decode": Part(measure=lambda folder, to: measure_decode(folder, is_quick=to.is_quick)),
    "server": Part(measure=lambda folder, to: measure_server(folder, is_quick=to.is_quick)),
    "training": Part(measure=lambda folder, to: measure_training(folder.parent, is_quick=to.is_quick)),
    "cache": Part(measure=measure_cache, long_timeout_s=14_400.0),
    "prefill": Part(measure=measure_prefill, long_timeout_s=14_400.0),
    "models": Part(measure=measure_models),
    "streams": Part(measure=measure_streams),
    "samples": Part(measure=measure_samples),
    "fairness": Part(measure=measure_fairness),
    "constraint": Part(measure=measure_constraint, timeout_s=600.0),
    "cancelling": Part(measure=measure_cancelling, timeout_s=600.0),
    "storage": Part(measure=measure_storage),
    "soak": Part(measure=measure_soak),
}
BUNDLED = Path(__file__).parent.parent / "caesura" / "bundled" / "nano"

Report = dict[str, Any]


def run_part(part: str, options: argparse.Namespace) -> Report:
    """One part in its own process: its figures, or why there are none."""
    command = [sys.executable, "-m", "bench.run", "--part", part]
    command += ["--quick"] if options.quick else []
    command += ["--long"] if options.long else []
    command += [] if options.peers else ["--no-peers"]
    command += ["--threads", str(options.threads)] if options.threads else []
    command += ["--model", str(options.model)] if options.model else []
    try:
        output = output_of(command, timeout(part, options))
    except PartError as error:
        return {"part": part, "error": str(error)}
    return {"part": part, "figures": json.loads(output.splitlines()[-1])}


def timeout(part: str, options: argparse.Namespace) -> float:
    """Seconds that a part may take."""
    return PARTS[part].long_timeout_s if options.long else PARTS[part].timeout_s


def measure_here(part: str, options: argparse.Namespace) -> None:
    """What the process of a part does: print its figures as JSON."""
    source = options.model or (BUNDLED if (BUNDLED / "config.json").is_file() else None)
    source = None if options.quick and not options.model else source
    with tempfile.TemporaryDirectory(prefix="caesura-bench-") as scratch:
        folder = endless_folder(source, Path(scratch) / "model", is_quick=options.quick)
        settings = Settings(
            is_quick=options.quick, is_long=options.long, has_peers=options.peers, threads=options.threads
        )
        measured = PARTS[part].measure(folder, settings)
    print(json.dumps([figure.as_json() for figure in measured]))


def table(reports: list[Report]) -> Table:
    """What people read."""
    columns = Table("what", "ours", "peer", "ratio, or spread", "wanted", title="Caesura, benchmarks")
    for report in reports:
        if "error" in report:
            columns.add_row(report["part"], f"[red]{report['error']}[/]", "", "", "")
        for figure in cast("list[dict[str, Any]]", report.get("figures", [])):
            columns.add_row(*_row(figure))
    return columns


def _row(figure: dict[str, Any]) -> tuple[str, ...]:
    ours = f"{_short(figure['ours'])} {figure['unit']}"
    if "peer" in figure:
        peer, ratio = f"{_short(figure['peers'])} ({figure['peer']})", f"{figure['ratio']:.2f} "
        low, high = figure["ratio_range"]
    else:
        peer, ratio, (low, high) = "", "", figure["ours_range"]
    note = f"\n  [dim]{escape(figure['note'])}[/]" if "note" in figure else ""
    wanted = (
        f"{figure['wanted']}{'' if figure['holds'] else ', [red]missed[/]'}" if "wanted" in figure else ""
    )
    return (
        f"{escape(figure['name'])}{note}",
        ours,
        peer,
        f"{ratio}({_short(low)} to {_short(high)})",
        wanted,
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"


def main() -> int:
    """Run all parts, or the one that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke run: tiny model, one repeat")
    parser.add_argument("--long", action="store_true", help="also prompts of 100,000 and 200,000 tokens")
    parser.add_argument(
        "--threads", type=int, help="for everyone; default: the engine's own choice, all processors for peers"
    )
    parser.add_argument(
        "--peers", action=argparse.BooleanOptionalAction, default=True, help="whether peers take part"
    )
    parser.add_argument("--model", type=Path, help="a trained folder; default: the bundled nano")
    parser.add_argument("--only", choices=PARTS, help="one part instead of all")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    end_in_order()
    if options.part:
        measure_here(options.part, options)
        return 0
    console = Console(stderr=True)
    reports: list[Report] = []
    for part in [options.only] if options.only else PARTS:
        with console.status(f"measuring {part} (at most {timeout(part, options) / 60:.0f} minutes) ..."):
            reports.append(run_part(part, options))
    Console(width=180).print(table(reports))
    machine = {"machine": platform.machine(), "threads": torch.get_num_threads(), "torch": torch.__version__}
    print(json.dumps({"quick": options.quick, "long": options.long, **machine, "parts": reports}))
    return int(any("error" in report for report in reports))


if __name__ == "__main__":
    sys.exit(main())
