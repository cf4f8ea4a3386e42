"""`python -m bench.http_soak`: many streams at once through `caesura serve`, for as long as is said.

The crowd of `soak.py`, with its numbers from the command line: how long until
the first token, whether anything fails but for too much work (429, 529), whether memory stays flat. Enters:
`--streams`, `--seconds`, `--leaving`. Leaves: a table, a JSON line, and an exit code that is not 0 if a
figure is not as wanted. Read next: `soak.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from bench.interruption import end_in_order
from bench.model_folder import endless_folder
from bench.run import BUNDLED, table
from bench.settings import Settings
from bench.soak import Soak, run_soak

MAX_STREAMS = 1_000
MAX_SECONDS = 3_600
# Memory has reached its plateau when this share of the time is over; the end is compared with that.
_SETTLED_SHARE, _LAST_SHARE = 0.5, 0.15


def options() -> argparse.ArgumentParser:
    """What may be said on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--streams", type=_within(1, MAX_STREAMS), default=200, help="at any moment")
    parser.add_argument("--seconds", type=_within(1, MAX_SECONDS), default=180, help="for how long")
    parser.add_argument(
        "--leaving", type=_within(0, 100), default=20, help="of 100 clients, those that disconnect"
    )
    parser.add_argument("--kv-memory", default="96MB", help="of the pool, which should fill early")
    parser.add_argument("--model", type=Path, default=BUNDLED, help="a folder; default: the bundled nano")
    parser.add_argument("--threads", type=int, help="of the server")
    return parser


def _within(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least} and {most}")
        return int(text)

    return number


def soak_of(asked: argparse.Namespace) -> Soak:
    """The run that is asked for."""
    return Soak(
        num_streams=asked.streams,
        share_leaving=asked.leaving / 100,
        duration_s=float(asked.seconds),
        settled_s=_SETTLED_SHARE * asked.seconds,
        last_s=_LAST_SHARE * asked.seconds,
        kv_memory=asked.kv_memory,
    )


def main() -> int:
    """Run it and tell."""
    asked = options().parse_args()
    end_in_order()
    with tempfile.TemporaryDirectory(prefix="caesura-http-soak-") as scratch:
        folder = endless_folder(asked.model, Path(scratch) / "model", is_quick=False)
        report = run_soak(folder, Path(scratch) / "state", soak_of(asked), Settings(threads=asked.threads))
    figures = [figure.as_json() for figure in report.figures()]
    Console(width=180).print(table([{"part": "http soak", "figures": figures}]))
    print(json.dumps(figures))
    return int(any(figure.get("holds") is False for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
