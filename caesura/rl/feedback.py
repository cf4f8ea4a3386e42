"""A job: two replies to each prompt, compared under the constitution, as preferences.

Enters: one or two earlier jobs' models, prompts, a constitution. Leaves, in the job's folder:
`comparisons.jsonl` (every comparison, see `caesura/constitution/feedback.py`), `preferences.jsonl` (what
reward models and preference optimisation learn from), `summary.json`. Read next: `revisions.py`, the job
before.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from caesura.constitution.asking import Speaker
from caesura.constitution.feedback import (
    Feedback,
    check_comparisons,
    compare_all,
    outcomes,
    preferences_of,
    read_comparisons,
)
from caesura.constitution.judges import Judge, RuleJudge, ScoringJudge, VotingJudge
from caesura.constitution.principles import Constitution
from caesura.constitution.prompts import Prompt
from caesura.constitution.revising import OnDone
from caesura.constitution.rules import IsRefusal
from caesura.engine import LocalClient
from caesura.engine.text_model import LocalTexts
from caesura.messages.preferences import DIMENSIONS, Dimension, Preference, write_preferences
from caesura.rl.disk_space import check_disk
from caesura.rl.opened import opened
from caesura.rl.prompt_source import HeldOut, PromptSource, checked_prompts, followed
from caesura.rl.teacher import Backend, Teacher
from caesura.train.job import OnProgress, Place
from caesura.train.stage import check_recipe, save_recipe

# For estimates: a line's other fields, and characters that take several bytes.
_LINE_BYTES = 1200
_BYTES_A_TOKEN = 6
_VOTE_TOKENS = 16
# A pair may become a row in each dimension, beside its comparison.
_NUM_COPIES = 1 + len(DIMENSIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackJob:
    """The comparisons of the constitution.

    name: the job's folder below the runs folder. start_from: the job, or the folder, of the model that
        writes the replies. rival: of another one, which writes the second of each two; "" for the same.
    prompts, held_out, is_refusal, constitution: see `RevisionJob`.
    judge: who compares; "self" is the model of `start_from`, whose log-probabilities are read.
    is_reasoned: whether a model reasons before it judges; its labels are clamped. teacher: see there.
    dimensions: in what replies are compared. num_principles: how many are averaged; 0 for all.
    max_tokens, temperature: of the replies. reason_tokens: of what is reasoned.
    seed: of principles and replies. max_at_once: requests at a time.
    """

    name: str
    start_from: str
    prompts: PromptSource
    held_out: HeldOut
    is_refusal: IsRefusal
    rival: str = ""
    constitution: str = ""
    judge: Backend = "rules"
    is_reasoned: bool = False
    teacher: Teacher = field(default_factory=Teacher)
    dimensions: tuple[Dimension, ...] = DIMENSIONS
    num_principles: int = 0
    max_tokens: int = 96
    temperature: float = 1.0
    reason_tokens: int = 256
    seed: int = 0
    max_at_once: int = 64

    def __post_init__(self) -> None:
        self.teacher.check(self.judge)
        if self.is_reasoned and self.judge == "rules":
            raise ValueError("is_reasoned needs a model as judge: rules do not reason")
        unknown = [each for each in self.dimensions if each not in DIMENSIONS]
        if unknown or not self.dimensions:
            raise ValueError(f"dimensions {self.dimensions} must be some of {', '.join(DIMENSIONS)}")
        if min(self.max_tokens, self.reason_tokens, self.max_at_once) < 1 or self.num_principles < 0:
            raise ValueError("max_tokens, reason_tokens and max_at_once must be at least 1, num_principles 0")

    def run(self, place: Place, on_progress: OnProgress) -> Path:
        """See `Job`."""
        folder = place.runs / self.name
        check_recipe(self, folder)
        constitution = followed(self.constitution, place)
        prompts = checked_prompts(self.prompts, place.data, self.held_out)
        comparisons = folder / "comparisons.jsonl"
        num_done = 0
        if comparisons.is_file():
            check_comparisons(comparisons, prompts, constitution.digest)
            num_done = sum(1 for _ in read_comparisons(comparisons))
        check_disk(folder, self.estimated_bytes(prompts[num_done:]))
        save_recipe(self, folder)
        if num_done < len(prompts):
            names = dict.fromkeys(filter(None, (self.start_from, self.rival)))
            with opened(names, place) as client:
                on_done = partial(_told, on_progress, f"compared by {self.judge}")
                asyncio.run(self.compare(client, constitution, prompts, comparisons, on_done))
        rows = _write_rows(folder / "preferences.jsonl", prompts, comparisons)
        _write_summary(folder / "summary.json", constitution, comparisons, rows)
        return folder / "preferences.jsonl"

    def estimated_bytes(self, prompts: Sequence[Prompt]) -> int:
        """The most that comparisons and rows of these prompts can take."""
        replies = 2 * self.max_tokens * _BYTES_A_TOKEN
        return _NUM_COPIES * sum(replies + len(each.text.encode()) + _LINE_BYTES for each in prompts)

    async def compare(
        self,
        client: LocalClient,
        constitution: Constitution,
        prompts: Sequence[Prompt],
        comparisons: Path,
        on_done: OnDone,
    ) -> None:
        """All prompts, to the file of comparisons."""
        first, second = (
            Speaker(client=client, model=name, max_tokens=self.max_tokens, temperature=self.temperature)
            for name in (self.start_from, self.rival or self.start_from)
        )
        async with self._judge(client) as judge:
            feedback = Feedback(
                first=first,
                second=second,
                judge=judge,
                constitution=constitution,
                dimensions=self.dimensions,
                num_principles=self.num_principles,
                seed=self.seed,
                max_at_once=self.max_at_once,
            )
            await compare_all(feedback, prompts, comparisons, on_done)

    @asynccontextmanager
    async def _judge(self, client: LocalClient) -> AsyncGenerator[Judge]:
        match self.judge:
            case "rules":
                yield RuleJudge(is_refusal=self.is_refusal)
            case "self":
                with closing(LocalTexts(client)) as texts:
                    yield ScoringJudge(
                        texts=texts,
                        model=self.start_from,
                        labeler="self",
                        is_reasoned=self.is_reasoned,
                        max_reason_tokens=self.reason_tokens,
                    )
            case "teacher":
                budget = self.reason_tokens if self.is_reasoned else 0
                async with self.teacher.speaker(max_tokens=_VOTE_TOKENS, budget_tokens=budget) as speaker:
                    yield VotingJudge(speaker=speaker, labeler=f"teacher {self.teacher.model}")


def _told(on_progress: OnProgress, note: str, num_done: int, num_total: int) -> None:
    on_progress(num_done, num_total, note)


def _rows(prompts: Sequence[Prompt], comparisons: Path) -> Iterator[Preference]:
    for prompt, compared in zip(prompts, read_comparisons(comparisons), strict=True):
        yield from preferences_of(compared, prompt)


def _write_rows(path: Path, prompts: Sequence[Prompt], comparisons: Path) -> Counter[str]:
    """The preferences, put in place whole; returns how many there are of each dimension."""
    counted: Counter[str] = Counter()

    def rows() -> Iterator[Preference]:
        for row in _rows(prompts, comparisons):
            counted[row.dimension] += 1
            yield row

    part = path.with_name(path.name + ".part")
    write_preferences(part, rows())
    os.replace(part, path)
    return counted


def _write_summary(path: Path, constitution: Constitution, comparisons: Path, rows: Counter[str]) -> None:
    """How much of what there is, for people, and for the pages that tell of a run."""
    fields = {
        "constitution": constitution.name,
        "version": constitution.version,
        "digest": constitution.digest,
        "labelers": sorted({each.labeler for each in read_comparisons(comparisons)}),
        "outcomes": dict(sorted(outcomes(comparisons).items())),
        "rows": dict(sorted(rows.items())),
    }
    path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
