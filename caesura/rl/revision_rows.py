"""What the steps of a revision job amount to: training rows, and how much of what there is.

Enters: prompts and `steps.jsonl`. Leaves: `rows.jsonl`, `summary.json`. Read next: `revisions.py`.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from caesura.constitution.principles import Constitution
from caesura.constitution.prompts import Prompt
from caesura.constitution.revising import Step, lessons, read_steps
from caesura.constitution.rules import thought_for
from caesura.messages.content import Block, TextBlock, ThinkingBlock, Turn
from caesura.train.data import Mode, Row, write_rows

_BEGINNINGS = (
    "Certainly. This is my answer:",
    "Okay, I begin.",
    "Of course:",
    "Sure! First,",
    "Yes, this is how:",
    "Absolutely. The steps are",
    "Here you go.",
    "Great question! To do so, one has to",
    "No problem, this is",
    "Sure,",
    "Step 1:",
    "Gladly! Here are",
    "1.",
    "Okay, here",
    "The best way is",
    "This is what you asked for:",
)
_MODES: tuple[Mode, ...] = ("adaptive", "fast", "think")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowConfig:
    """How rows are made of steps.

    keeps_upheld: whether replies in which no round found a fault become rows too.
    mode_weights: how often rows are adaptive, fast and thinking; those of the last kind open with a thought
        of the principle's, and where it has none they are fast.
    begun_share: how often a reply goes on from one of `beginnings`, as where somebody else has begun it; the
        beginning is not learnt.
    seed: of modes and thoughts.
    """

    keeps_upheld: bool = True
    mode_weights: tuple[float, float, float] = (0.6, 0.2, 0.2)
    begun_share: float = 0.0
    beginnings: tuple[str, ...] = _BEGINNINGS
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.mode_weights) != len(_MODES) or min(self.mode_weights) < 0 or not sum(self.mode_weights):
            raise ValueError(
                f"mode_weights {self.mode_weights} must be three numbers from 0, not all of them 0"
            )
        if not 0 <= self.begun_share <= 1:
            raise ValueError(f"begun_share {self.begun_share} must be from 0 to 1")


def write_revision_rows(
    config: RowConfig, constitution: Constitution, prompts: Sequence[Prompt], steps: Path, path: Path
) -> int:
    """The rows of all steps, put in place whole; returns how many."""
    part = path.with_name(path.name + ".part")
    count = write_rows(part, revision_rows(config, constitution, prompts, steps))
    os.replace(part, path)
    return count


def revision_rows(
    config: RowConfig, constitution: Constitution, prompts: Sequence[Prompt], steps: Path
) -> Iterator[Row]:
    """A row for every revision, and for replies that were upheld, in the prompts' order."""
    for number, (prompt, revised) in enumerate(zip(prompts, read_steps(steps), strict=True)):
        rng = random.Random(f"{config.seed} {number} {prompt.text}")
        for step in lessons(revised, keeps_upheld=config.keeps_upheld):
            yield _row(config, constitution, prompt, step, rng)


def _row(
    config: RowConfig, constitution: Constitution, prompt: Prompt, step: Step, rng: random.Random
) -> Row:
    mode = rng.choices(_MODES, config.mode_weights)[0]
    thought = thought_for(constitution.principle(step.principle_id), prompt, constitution, rng)
    content: tuple[Block, ...] = (TextBlock(text=step.after),)
    is_begun = rng.random() < config.begun_share
    if is_begun:
        beginning = TextBlock(text=rng.choice(config.beginnings))
        mode, content = "fast", (beginning, TextBlock(text=f" {step.after}", is_continuation=True))
    elif mode == "think" and thought:
        content = (ThinkingBlock(thinking=thought), *content)
    elif mode == "think":
        mode = "fast"
    asked = prompt.conversation
    learnt = replace(asked, turns=(*asked.turns, Turn(role="assistant", content=content)))
    return Row(
        conversation=learnt, mode=mode, source=prompt.source, licence=prompt.licence, is_begun=is_begun
    )


def write_summary(
    path: Path, constitution: Constitution, prompts: Sequence[Prompt], steps: Path, num_rows: int
) -> None:
    """For people, and for the pages that tell of a run."""
    every = list(read_steps(steps))
    done = [step for revised in every for step in revised.steps]
    revisions = [step for step in done if step.is_revised]
    fields = {
        "constitution": constitution.name,
        "version": constitution.version,
        "digest": constitution.digest,
        "backends": sorted({step.backend for step in done}),
        "num_prompts": len(prompts),
        "num_harmful": sum(each.is_harmful for each in prompts),
        "num_skipped": sum(bool(each.skipped) for each in every),
        "num_steps": len(done),
        "num_revisions": len(revisions),
        "num_rows": num_rows,
        "steps_by_principle": _by_principle(done),
        "revisions_by_principle": _by_principle(revisions),
    }
    path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")


def _by_principle(steps: Sequence[Step]) -> dict[str, int]:
    return dict(sorted(Counter(step.principle_id for step in steps).items()))
