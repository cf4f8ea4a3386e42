"""What the suites share: who answers, progress on the screen, tables, and how figures are come by again.

Enters: an `Evaluation`. Leaves: a Client, a `Provenance`, tables. This file imports torch. Read next:
`suites.py`, `tool_suite.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import NamedTuple

import httpx
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from caesura.cli.dtypes import Loading
from caesura.cli.evaluation import Evaluation, folder_digest, versions
from caesura.cli.local import local_client
from caesura.cli.screen import stderr
from caesura.evals.results import Provenance
from caesura.evals.statistics import Estimate
from caesura.messages.client import Client
from caesura.messages.remote import RemoteClient
from caesura.model import read_config


class Asked(NamedTuple):
    """What of the provenance is known only once the questions are."""

    digest: str
    seeds: tuple[int, ...]
    max_tokens: dict[str, int]
    trained_tokens: int


@contextmanager
def measured_client(evaluation: Evaluation, *, enforces_grammars: bool = True) -> Generator[Client]:
    """The model in this process, or the server.

    enforces_grammars: see `EngineConfig`; a server always does.
    """
    if evaluation.folder is None:
        yield _remote(evaluation)
        return
    stderr.print(f"[dim]loading {evaluation.folder} ...[/]")
    folders = {evaluation.model: evaluation.folder}
    loading = Loading(dtype=evaluation.dtype, kv_dtype=evaluation.kv_dtype)
    with local_client(
        folders,
        num_threads=evaluation.num_threads,
        loading=loading,
        enforces_grammars=enforces_grammars,
    ) as client:
        yield client


def _remote(evaluation: Evaluation) -> RemoteClient:
    # Each suite runs in an event loop of its own, and a kept connection would outlive its loop.
    limits = httpx.Limits(max_keepalive_connections=0)
    http_client = httpx.AsyncClient(timeout=httpx.Timeout(600.0, connect=5.0), limits=limits, trust_env=False)
    return RemoteClient(evaluation.base_url or "", evaluation.api_key, http_client=http_client)


def provenance(evaluation: Evaluation, suite: str, asked: Asked, started: float) -> Provenance:
    """How to get a suite's figures again. started: what the monotonic clock said."""
    folder = evaluation.folder
    return Provenance(
        command=evaluation.command(suite),
        model=evaluation.model,
        model_digest=folder_digest(folder) if folder else "",
        num_parameters=read_config(folder).num_parameters if folder else 0,
        trained_tokens=asked.trained_tokens,
        seeds=asked.seeds,
        num_problems=evaluation.num_problems,
        prompts_digest=asked.digest,
        temperature=evaluation.temperature,
        max_tokens=asked.max_tokens,
        versions=dict(versions()),
        wall_s=round(time.monotonic() - started, 1),
    )


@contextmanager
def progress_bar(title: str, total: int) -> Generator[Callable[[int], None]]:
    """A bar that is told how much further it got."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr) as progress:
        task = progress.add_task(title, total=total)
        yield lambda count: progress.advance(task, count)


def estimate_table(title: str, rows: Iterable[tuple[str, Estimate]]) -> Table:
    """Estimates, one a row."""
    table = Table(title, "mean", "95 % interval", "n")
    for name, estimate in rows:
        interval = f"{estimate.low:.1%} to {estimate.high:.1%}"
        table.add_row(name, f"{estimate.mean:.1%}", interval, f"{estimate.n:,}")
    return table
