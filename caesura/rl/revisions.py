"""A job: a helpful model answers requests, its answers are criticised and revised, and rows come of it.

Enters: an earlier job's model, prompts, a constitution. Leaves, in the job's folder: `steps.jsonl` (every
round, see `caesura/constitution/revising.py`), `rows.jsonl` (what a stage learns from), `summary.json` (how
much of what). Read next: `revision_rows.py`; `feedback.py`, the job after the stage that learns them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from caesura.constitution.asking import Speaker
from caesura.constitution.critics import ClientCritic, Critic, RuleCritic
from caesura.constitution.few_shots import SHOTS
from caesura.constitution.principles import Constitution
from caesura.constitution.prompts import Prompt
from caesura.constitution.revising import OnDone, Revising, check_steps, read_steps, revise_all
from caesura.constitution.rules import IsRefusal
from caesura.messages.client import Client
from caesura.rl.disk_space import check_disk
from caesura.rl.opened import opened
from caesura.rl.prompt_source import HeldOut, PromptSource, checked_prompts, followed
from caesura.rl.revision_rows import RowConfig, write_revision_rows, write_summary
from caesura.rl.teacher import Backend, Teacher
from caesura.train.job import OnProgress, Place
from caesura.train.stage import check_recipe, save_recipe

# A critic says more than the reply that it speaks of.
_CRITIC_SHARE = 4
# For estimates: a line's other fields, and characters that take several bytes.
_LINE_BYTES = 600
_BYTES_A_TOKEN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionJob:
    """The supervised phase of the constitution.

    name: the job's folder below the runs folder. start_from: the job, or the folder, of the helpful model.
    prompts: what it is asked. held_out: tells which texts are kept for measuring; a prompt that is one of
        them stops the job before it starts.
    is_refusal: says of a reply that it declines.
    constitution: a file, or one that an earlier job wrote, by its path below the runs folder; "" for the one
        that comes along.
    critic: who criticises; "self" is the helpful model. teacher: see there.
    num_rounds: of critique and revision. num_shots: examples before each request of a model as critic.
    max_tokens, temperature: of the first replies; a model as critic has four times as many tokens.
    rows: how rows are made. seed: of principles, replies and wordings. max_at_once: requests at a time.
    """

    name: str
    start_from: str
    prompts: PromptSource
    held_out: HeldOut
    is_refusal: IsRefusal
    constitution: str = ""
    critic: Backend = "rules"
    teacher: Teacher = field(default_factory=Teacher)
    num_rounds: int = 4
    num_shots: int = len(SHOTS)
    max_tokens: int = 96
    temperature: float = 1.0
    rows: RowConfig = field(default_factory=RowConfig)
    seed: int = 0
    max_at_once: int = 64

    def __post_init__(self) -> None:
        self.teacher.check(self.critic)
        if not 0 <= self.num_shots <= len(SHOTS):
            raise ValueError(f"num_shots {self.num_shots} must be from 0 to {len(SHOTS)}")
        if self.num_rounds < 1 or self.max_tokens < 1 or self.max_at_once < 1:
            raise ValueError("num_rounds, max_tokens and max_at_once must be at least 1")

    def run(self, place: Place, on_progress: OnProgress) -> Path:
        """See `Job`."""
        folder = place.runs / self.name
        check_recipe(self, folder)
        constitution = followed(self.constitution, place)
        prompts = checked_prompts(self.prompts, place.data, self.held_out)
        steps, rows = folder / "steps.jsonl", folder / "rows.jsonl"
        num_done = 0
        if steps.is_file():
            check_steps(steps, prompts, constitution.digest)
            num_done = sum(1 for _ in read_steps(steps))
        check_disk(folder, self.estimated_bytes(prompts[num_done:]))
        save_recipe(self, folder)
        if num_done < len(prompts):
            note = f"{self.num_rounds} rounds each, criticised by {self.critic}"
            with opened((self.start_from,), place) as client:
                on_done = partial(_told, on_progress, note)
                asyncio.run(self.revise(client, constitution, prompts, steps, on_done))
        num_rows = write_revision_rows(self.rows, constitution, prompts, steps, rows)
        write_summary(folder / "summary.json", constitution, prompts, steps, num_rows)
        return rows

    def estimated_bytes(self, prompts: Sequence[Prompt]) -> int:
        """The most that steps and rows of these prompts can take."""
        reply = self.max_tokens * _BYTES_A_TOKEN * (1 if self.critic == "rules" else _CRITIC_SHARE)
        lines = sum(3 * reply + len(each.text.encode()) + _LINE_BYTES for each in prompts)
        return 2 * self.num_rounds * lines

    async def revise(
        self,
        client: Client,
        constitution: Constitution,
        prompts: Sequence[Prompt],
        steps: Path,
        on_done: OnDone,
    ) -> None:
        """All prompts, to the file of steps. client: knows the helpful model as `start_from`."""
        async with self._critic(client, constitution) as critic:
            revising = Revising(
                speaker=Speaker(
                    client=client,
                    model=self.start_from,
                    max_tokens=self.max_tokens,
                    temperature=self.temperature,
                ),
                critic=critic,
                constitution=constitution,
                num_rounds=self.num_rounds,
                seed=self.seed,
                max_at_once=self.max_at_once,
            )
            await revise_all(revising, prompts, steps, on_done)

    @asynccontextmanager
    async def _critic(self, client: Client, constitution: Constitution) -> AsyncGenerator[Critic]:
        max_tokens = _CRITIC_SHARE * self.max_tokens
        match self.critic:
            case "rules":
                yield RuleCritic(constitution=constitution, is_refusal=self.is_refusal)
            case "self":
                speaker = Speaker(client=client, model=self.start_from, max_tokens=max_tokens)
                yield ClientCritic(speaker=speaker, backend="self", num_shots=self.num_shots)
            case "teacher":
                async with self.teacher.speaker(max_tokens=max_tokens) as speaker:
                    backend = f"teacher {self.teacher.model}"
                    yield ClientCritic(speaker=speaker, backend=backend, num_shots=self.num_shots)


def _told(on_progress: OnProgress, note: str, num_done: int, num_total: int) -> None:
    on_progress(num_done, num_total, note)
