"""Running inspect-ai tasks, quietly and without a network of its own.

Enters: problems, conditions, a Client. Leaves: `Attempt`s in a fixed order, and inspect's logs in a folder
that `inspect view` opens. Read next: `results.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import inspect_ai

from caesura.evals.attempts import Attempt, Condition, Posed
from caesura.evals.client_model import client_model
from caesura.evals.reasoning import attempt_of, reasoning_task
from caesura.messages.client import Client
from caesura.messages.errors import CaesuraError


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """How a run is carried out.

    model: the name that the Client knows it by.
    log_folder: where inspect's logs go.
    max_connections: requests at a time; the engine batches them.
    closing_text, temperature: see `reasoning_task`.
    """

    model: str
    log_folder: Path
    max_connections: int = 128
    closing_text: str = ""
    temperature: float = 0.0


def run(
    client: Client,
    problems: Sequence[Posed],
    conditions: Sequence[Condition],
    config: RunConfig,
    on_reply: Callable[[], None] = lambda: None,
) -> list[Attempt]:
    """Every problem under every condition. Raises CaesuraError when a request failed for good."""
    tasks = [
        reasoning_task(problems, condition, closing_text=config.closing_text, temperature=config.temperature)
        for condition in conditions
    ]
    logs = inspect_ai.eval(
        tasks,
        model=client_model(client, config.model, on_reply),
        log_dir=str(config.log_folder),
        max_connections=config.max_connections,
        max_tasks=len(tasks),
        display="none",
        score_display=False,
        log_level="warning",
        # Following each sample as it runs doubles the time of a run and is of no use without a viewer.
        log_realtime=False,
        ctl_server=False,
    )
    by_task = {log.eval.task: log for log in logs}
    attempts: list[Attempt] = []
    for condition in conditions:
        log = by_task[condition.label]
        if log.status != "success":
            reason = log.error.message if log.error else log.status
            raise CaesuraError(f"the run {condition.label} did not finish: {reason}")
        attempts += [attempt_of(sample, condition) for sample in log.samples or []]
    order = {posed.id: number for number, posed in enumerate(problems)}
    rank = {condition: number for number, condition in enumerate(conditions)}
    return sorted(attempts, key=lambda each: (rank[each.condition], order[_id(each)]))


def _id(attempt: Attempt) -> str:
    return Posed(family=attempt.family, seed=attempt.seed, index=attempt.index).id
