"""`make bench`: every benchmark in one run, one table, and one JSON line at the end.

Each part runs in a process of its own with a timeout, so that no part's threads or memory are in
another's way. Enters: `--quick`, `--model FOLDER`, `--only PART`. Leaves: a table, a JSON line, and an
exit code that is not 0 if a part failed. Read next: `decode.py`, `server.py`, `training.py`.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from rich.console import Console
from rich.table import Table

from bench.decode import measure_decode
from bench.measure import Figure
from bench.model_folder import endless_folder
from bench.server import measure_server
from bench.training import measure_training

PARTS: dict[str, Callable[..., list[Figure]]] = {
    "decode": measure_decode,
    "server": measure_server,
    "training": measure_training,
}
TIMEOUT_S = {"decode": 900.0, "server": 600.0, "training": 600.0}
BUNDLED = Path(__file__).parent.parent / "caesura" / "bundled" / "nano"

Report = dict[str, Any]


def run_part(part: str, options: argparse.Namespace) -> Report:
    """One part in its own process: its figures, or why there are none."""
    command = [sys.executable, "-m", "bench.run", "--part", part]
    command += ["--quick"] if options.quick else []
    command += ["--model", str(options.model)] if options.model else []
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_S[part], check=False
        )
    except subprocess.TimeoutExpired:
        return {"part": part, "error": f"took more than {TIMEOUT_S[part]:.0f} s"}
    if done.returncode:
        return {"part": part, "error": f"ended with exit code {done.returncode}; see above"}
    return {"part": part, "figures": json.loads(done.stdout.splitlines()[-1])}


def measure_here(part: str, options: argparse.Namespace) -> None:
    """What the process of a part does: print its figures as JSON."""
    source = options.model or (BUNDLED if (BUNDLED / "config.json").is_file() else None)
    source = None if options.quick and not options.model else source
    with tempfile.TemporaryDirectory(prefix="caesura-bench-") as scratch:
        folder = endless_folder(source, Path(scratch) / "model", is_quick=options.quick)
        measured = PARTS[part](folder if part != "training" else Path(scratch), is_quick=options.quick)
    print(json.dumps([figure.as_json() for figure in measured]))


def table(reports: list[Report]) -> Table:
    """What people read."""
    columns = Table("what", "ours", "peer", "ratio, or spread", title="Caesura, benchmarks")
    for report in reports:
        if "error" in report:
            columns.add_row(report["part"], f"[red]{report['error']}[/]", "", "")
        for figure in cast("list[dict[str, Any]]", report.get("figures", [])):
            ours = f"{_short(figure['ours'])} {figure['unit']}"
            if "peer" in figure:
                peer, ratio = f"{_short(figure['peers'])} ({figure['peer']})", f"{figure['ratio']:.2f} "
                low, high = figure["ratio_range"]
            else:
                peer, ratio, (low, high) = "", "", figure["ours_range"]
            columns.add_row(figure["name"], ours, peer, f"{ratio}({_short(low)} to {_short(high)})")
    return columns


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def main() -> int:
    """Run all parts, or the one that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke run: tiny model, one repeat")
    parser.add_argument("--model", type=Path, help="a trained folder; default: the bundled nano")
    parser.add_argument("--only", choices=PARTS, help="one part instead of all")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        measure_here(options.part, options)
        return 0
    console = Console(stderr=True)
    reports: list[Report] = []
    for part in [options.only] if options.only else PARTS:
        with console.status(f"measuring {part} (at most {TIMEOUT_S[part] / 60:.0f} minutes) ..."):
            reports.append(run_part(part, options))
    Console(width=160).print(table(reports))
    machine = {"machine": platform.machine(), "threads": torch.get_num_threads(), "torch": torch.__version__}
    print(json.dumps({"quick": options.quick, **machine, "parts": reports}))
    return int(any("error" in report for report in reports))


if __name__ == "__main__":
    sys.exit(main())
