"""The safety suite: what is declined of what is harmful, and of what is not.

Enters: an `Evaluation`. Leaves: `safety.json`, every attempt as a line, and a table. Read next:
`caesura/evals/safety/items.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from caesura.cli.evaluation import Evaluation
from caesura.cli.measuring import Asked, estimate_table, measured_client, progress_bar, provenance
from caesura.evals.results_files import write_attempts, write_results
from caesura.evals.safety.agreement import agreement
from caesura.evals.safety.asking import (
    MAX_TOKENS,
    THINKING_TOKENS,
    SafetyAttempt,
    Setting,
    ask_items,
    fitting,
    num_asked,
)
from caesura.evals.safety.items import SafetyItem, items_digest, safety_items
from caesura.evals.safety.results import SafetyResults, safety_results
from caesura.messages.client import Client
from caesura.train.safety_sets import safety_rows

_LABELLED = "rbr_refusal_gold"
_SETTINGS: tuple[Setting, ...] = ("at once", "after thinking", "at once, sampled")


def run_safety(evaluation: Evaluation) -> Table:
    """Measure, write, and say it in a table."""
    started = time.monotonic()
    rows = safety_rows(evaluation.data)
    items = safety_items(rows)
    with measured_client(evaluation) as client:
        trained = _trained_tokens(evaluation, client)
        asked = fitting(client, evaluation.model, items, trained)
        attempts = _attempts(evaluation, client, asked)
    write_attempts(evaluation.out / "safety.attempts.jsonl", attempts)
    skipped = Counter(item.form for item in items) - Counter(item.form for item in asked)
    limits = {"answer": MAX_TOKENS, "thought": THINKING_TOKENS}
    facts = Asked(items_digest(asked), evaluation.seeds, limits, trained)
    matcher = agreement(rows(_LABELLED))
    results = safety_results(attempts, skipped, matcher, provenance(evaluation, "safety", facts, started))
    write_results(evaluation.out / "safety.json", results)
    return _table(results)


def _trained_tokens(evaluation: Evaluation, client: Client) -> int:
    """The length up to which the model was trained; 0 where it is not known."""
    offered = asyncio.run(client.models())
    return next((each.trained_tokens for each in offered if each.id == evaluation.model), 0)


def _attempts(evaluation: Evaluation, client: Client, items: Sequence[SafetyItem]) -> list[SafetyAttempt]:
    attempts: list[SafetyAttempt] = []
    for setting in _SETTINGS:
        seeds = evaluation.seeds if setting == "at once, sampled" else (0,)
        with progress_bar(f"safety, {setting}", num_asked(items, setting, len(seeds))) as advance:
            attempts += ask_items(
                client,
                evaluation.model,
                items,
                setting,
                seeds=seeds,
                max_connections=evaluation.max_connections,
                on_reply=advance,
            )
    return attempts


def _table(results: SafetyResults) -> Table:
    rows = [
        (f"{setting}: {form}", estimate)
        for setting, forms in results.declined.items()
        for form, estimate in forms.items()
    ]
    types = results.details["at once"].get("look-alikes", {})
    return estimate_table(
        "declined", [*rows, *((f"look-alikes: {kind}", each) for kind, each in types.items())]
    )
