"""The suite with tools: calls, answers after results, and records as JSON.

Enters: an `Evaluation`. Leaves: `tools.json`, every attempt as a line, and a table. Asked with grammars,
without them (only of a model in this process), and with a thought before. Read next:
`caesura/evals/tool_runs.py`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from rich.table import Table

from caesura.cli.evaluation import Evaluation
from caesura.cli.measuring import Asked, estimate_table, measured_client, progress_bar, provenance
from caesura.cli.screen import stderr
from caesura.evals.results_files import write_attempts, write_results
from caesura.evals.statistics import Estimate
from caesura.evals.tool_grading import Setting, ToolAttempt
from caesura.evals.tool_items import ToolItem, items_digest, tool_items
from caesura.evals.tool_results import ToolFigures, ToolResults, tool_results
from caesura.evals.tool_runs import MAX_TOKENS, THINKING_TOKENS, run_tool_items
from caesura.evals.tool_sources import bfcl_items, metatool_items
from caesura.train.sets import read_rows

BFCL_FILES = ("bfcl_dev/exec_simple.jsonl", "bfcl_dev/possible_answer_exec_simple.jsonl")
METATOOL_FILES = ("metatool/queries.jsonl.zst", "metatool/tool_descriptions.json")
NUM_METATOOL = 150
# Nearly every item has a grammar of its own, and an engine refuses requests when 32 grammars wait.
_MAX_CONNECTIONS = 24


def run_tools(evaluation: Evaluation) -> Table:
    """Measure, write, and say it in a table."""
    started = time.monotonic()
    items = [*tool_items(evaluation.seeds, evaluation.num_problems), *public_items(evaluation.data)]
    attempts = _attempts(evaluation, items, ("constrained", "constrained, thinking"), enforces_grammars=True)
    if evaluation.folder is not None:
        attempts += _attempts(evaluation, items, ("free",), enforces_grammars=False)
    write_attempts(evaluation.out / "tools.attempts.jsonl", attempts)
    limits = {"answer": MAX_TOKENS, "thought": THINKING_TOKENS}
    asked = Asked(items_digest(items), evaluation.seeds, limits, 0)
    results = tool_results(attempts, provenance(evaluation, "tools", asked, started))
    write_results(evaluation.out / "tools.json", results)
    return _table(results)


def public_items(data: Path) -> list[ToolItem]:
    """Items of the public sets that are in the data folder; what is not there is said."""
    items: list[ToolItem] = []
    if _has(data, BFCL_FILES):
        items += bfcl_items(*(read_rows(data / name) for name in BFCL_FILES))
    if _has(data, METATOOL_FILES):
        descriptions = json.loads((data / METATOOL_FILES[1]).read_text(encoding="utf-8"))
        rows = list(read_rows(data / METATOOL_FILES[0]))
        items += metatool_items(rows, descriptions, NUM_METATOOL)
    return items


def _has(data: Path, names: Sequence[str]) -> bool:
    missing = [name for name in names if not (data / name).is_file()]
    for name in missing:
        stderr.print(f"[yellow]{data / name} is not there, so its set is left out; set --data[/]")
    return not missing


def _attempts(
    evaluation: Evaluation, items: Sequence[ToolItem], settings: Sequence[Setting], *, enforces_grammars: bool
) -> list[ToolAttempt]:
    attempts: list[ToolAttempt] = []
    with measured_client(evaluation, enforces_grammars=enforces_grammars) as client:
        for setting in settings:
            with progress_bar(f"tools, {setting}", len(items)) as advance:
                attempts += run_tool_items(
                    client,
                    evaluation.model,
                    items,
                    setting,
                    temperature=evaluation.temperature,
                    max_connections=min(evaluation.max_connections, _MAX_CONNECTIONS),
                    on_reply=advance,
                )
    return attempts


def _table(results: ToolResults) -> Table:
    rows = [
        (f"{setting}: {name}", estimate)
        for setting, figures in results.overall.items()
        for name, estimate in named_figures(figures)
    ]
    kinds = [(f"constrained: {kind}, all right", each) for kind, each in results.kinds["constrained"].items()]
    public = [
        (f"{setting}: {kind}, {name}", estimate)
        for setting, sets in results.public.items()
        for kind, figures in sets.items()
        for name, estimate in named_figures(figures)
    ]
    return estimate_table("tools", [*rows, *kinds, *public])


def named_figures(figures: ToolFigures) -> list[tuple[str, Estimate]]:
    """The figures that there are, by name."""
    named = [(field.name, getattr(figures, field.name)) for field in fields(figures)]
    return [(name, estimate) for name, estimate in named if estimate is not None]
