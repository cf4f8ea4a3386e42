"""One small run over all families, shared by the tests that look at its results."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from pathlib import Path

import pytest

from caesura.evals.attempts import Attempt, Condition, Posed, at_budget, pose, prompts_digest
from caesura.evals.results import Provenance, obedience_conditions
from caesura.evals.runs import RunConfig, run
from tests.evals.answering import AnsweringClient

CLOSING = " Time is up."


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallRun:
    """What was posed and what came of it."""

    problems: list[Posed]
    client: AnsweringClient
    reasoning: list[Attempt]
    padding: list[Attempt]
    obedience: list[Attempt]
    log_folder: Path
    num_replies: int


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    problems = pose(range(2), 1)
    client = AnsweringClient(problems, needed=32)
    log_folder = tmp_path_factory.mktemp("logs")
    config = RunConfig(model="scripted", log_folder=log_folder, max_connections=16, closing_text=CLOSING)
    told: list[None] = []

    def measure(conditions: list[Condition]) -> list[Attempt]:
        return run(client, problems, conditions, config, lambda: told.append(None))

    small_run = SmallRun(
        problems=problems,
        client=client,
        reasoning=measure([at_budget(budget) for budget in (0, 16, 64)]),
        padding=measure([at_budget(0), Condition("padding", 16)]),
        obedience=measure(obedience_conditions((7,))),
        log_folder=log_folder,
        num_replies=len(told),
    )
    # What inspect-ai left open is collected while its tests run, not in the middle of another room's.
    gc.collect()
    return small_run


@pytest.fixture
def provenance(small_run: SmallRun) -> Provenance:
    return Provenance(
        command="caesura eval reasoning --model runs/nano-sft/model",
        model="nano",
        model_digest="d1",
        num_parameters=5_400_000,
        trained_tokens=512,
        seeds=(0, 1),
        num_problems=1,
        prompts_digest=prompts_digest(small_run.problems),
        temperature=0.0,
        max_tokens={"disabled": 128},
        versions={"caesura": "0.1.0"},
        wall_s=1.0,
    )
