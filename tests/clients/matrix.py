"""`make clients`: every real client, every scenario, against real servers, and what came of it.

Enters: the clients (`installing.py`), the scenarios. Leaves: a table on standard output, `docs/clients.json`
for the page, and an exit code that is not 0 if anything failed. Read next: `scenarios.py`, `claude_code.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict

from tests.clients import claude_code
from tests.clients.installing import COMMAND_LINE, FOLDER, PYTHON, ROOT, TYPESCRIPT, install_all
from tests.clients.servers import Scripted, nano_server, scripted_server

NAMES = (*PYTHON, *TYPESCRIPT, *COMMAND_LINE)
RESULTS = ROOT / "docs" / "clients.json"
_SCRIPTS = Path(__file__).parent
_PATIENCE_S = 900


class ClientResults(TypedDict):
    """One client: its name, its version, and how each scenario went."""

    client: str
    version: str
    scenarios: list[dict[str, str]]


def run_all(folder: Path, names: Collection[str]) -> list[ClientResults]:
    """Those clients in turn. folder: for what servers and clients write."""
    agents: list[ClientResults] = []
    with ExitStack() as stack:
        scripted = stack.enter_context(scripted_server(folder / "scripted"))
        nano = stack.enter_context(nano_server(folder / "nano"))
        config = json.dumps({**asdict(scripted), "scripted": scripted.url, "nano": nano})
        # First of all, while nano has no prompt in its cache.
        if "claude-code" in names:
            agents.append(_claude_code(folder, scripted, nano))
        kits = [_python(name, config, folder) for name in PYTHON if name in names]
        kits += [_typescript(name, config) for name in TYPESCRIPT if name in names]
    return [*kits, *agents]


def merged(kept: Sequence[ClientResults], found: Sequence[ClientResults]) -> list[ClientResults]:
    """What was found, and what is kept of clients that were not run, in the order of `NAMES`."""
    by_client = {_place(each): each for each in (*kept, *found)}
    return [by_client[place] for place in sorted(by_client)]


def _place(results: ClientResults) -> int:
    majors = {"Python SDK": "python", "TypeScript SDK": "typescript"}
    kind = majors.get(results["client"])
    return NAMES.index("claude-code" if kind is None else f"{kind}-{results['version'].partition('.')[0]}")


def _python(name: str, config: str, folder: Path) -> ClientResults:
    environment = {**os.environ, "PYTHONPATH": str(FOLDER / name)}
    command = [sys.executable, str(_SCRIPTS / "scenarios.py"), config]
    return _results("Python SDK", _lines(command, folder, environment))


def _typescript(name: str, config: str) -> ClientResults:
    command = ["node", str(_SCRIPTS / "scenarios.mjs"), config]
    return _results("TypeScript SDK", _lines(command, FOLDER / name, dict(os.environ)))


def _claude_code(folder: Path, scripted: Scripted, nano: str) -> ClientResults:
    scenarios = claude_code.outcomes(folder / "claude-code", scripted, nano)
    return ClientResults(client="Claude Code", version=COMMAND_LINE["claude-code"], scenarios=scenarios)


def _lines(command: list[str], folder: Path, environment: dict[str, str]) -> list[dict[str, str]]:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=_PATIENCE_S,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def _results(client: str, lines: list[dict[str, str]]) -> ClientResults:
    version, *scenarios = lines
    return ClientResults(client=client, version=version["version"], scenarios=scenarios)


def failures(found: Sequence[ClientResults]) -> list[str]:
    """What does not work, in words."""
    return [
        f"{each['client']} {each['version']}, {line['scenario']}: {line.get('detail', '')}"
        for each in found
        for line in each["scenarios"]
        if line["result"] == "fails"
    ]


def table(found: Sequence[ClientResults]) -> str:
    """The results in Markdown: one row a scenario, one column a client."""
    rows: dict[str, dict[int, str]] = {}
    for column, each in enumerate(found):
        for line in each["scenarios"]:
            rows.setdefault(line["scenario"], {})[column] = line["result"]
    heads = [f"{each['client']} {each['version']}" for each in found]
    text = f"| scenario | {' | '.join(heads)} |\n|{'---|' * (len(heads) + 1)}\n"
    for name, results in rows.items():
        cells = (results.get(column, "") for column in range(len(found)))
        text += f"| {name} | {' | '.join(cells)} |\n"
    return text


def read_results() -> list[ClientResults]:
    """What the last `make clients` found."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []


def write_results(found: Sequence[ClientResults]) -> None:
    """Keep it for the page."""
    kept: list[dict[str, Any]] = [dict(each) for each in found]
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Install, run, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", choices=NAMES, action="append", help="this client; repeatable")
    names = parser.parse_args().only or NAMES
    install_all()
    with tempfile.TemporaryDirectory(prefix="caesura-clients-") as scratch:
        found = run_all(Path(scratch), names)
    write_results(merged(read_results(), found))
    print(table(found))
    for each in found:
        details = [line for line in each["scenarios"] if line["result"] == "works" and "detail" in line]
        for line in details:
            print(f"{each['client']}, {line['scenario']}: {line['detail']}")
    print("\n".join(failures(found)))
    return int(bool(failures(found)))


if __name__ == "__main__":
    sys.exit(main())
