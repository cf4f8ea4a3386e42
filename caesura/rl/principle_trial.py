"""What a sentence is worth: two constitutions that differ in one principle, and the models that follow them.

Enters: a change, and two models of earlier jobs. Leaves: the changed constitution as a file; and how often
each model says what the change asks for, where the principle applies and where it does not. Read next:
`caesura/recipes/principle.py`, which wires both.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from caesura.constitution.asking import Speaker
from caesura.constitution.changing import packaged_text, with_changed
from caesura.constitution.in_order import in_order
from caesura.constitution.principles import load_constitution
from caesura.constitution.prompts import Prompt
from caesura.evals.results_files import write_results
from caesura.evals.statistics import share
from caesura.evals.trial_results import Saying, TrialResults
from caesura.messages.client import Client
from caesura.rl.opened import opened
from caesura.rl.prompt_source import PromptSource
from caesura.train.job import OnProgress, Place
from caesura.train.stage import check_recipe, save_recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedConstitution:
    """A job that writes the constitution with one principle changed.

    name: the job's folder below the runs folder. principle_id: of the principle.
    text: what it says instead. replies: what the rules say for it. signs: what breaks it, as patterns.
    """

    name: str
    principle_id: str
    text: str
    replies: tuple[str, ...]
    signs: tuple[str, ...] = ()

    def run(self, place: Place, on_progress: OnProgress) -> Path:
        """See `Job`."""
        folder = place.runs / self.name
        check_recipe(self, folder)
        save_recipe(self, folder)
        path = folder / "constitution.yaml"
        part = path.with_name(path.name + ".part")
        changed: dict[str, str | tuple[str, ...]] = {"text": self.text, "replies": self.replies}
        if self.signs:
            changed["signs"] = self.signs
        part.write_text(with_changed(packaged_text(), self.principle_id, changed), encoding="utf-8")
        os.replace(part, path)
        on_progress(1, 1, f"{self.principle_id} changed")
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipleTrial:
    """A job that asks models the same requests and looks for what one principle asks for.

    name: the job's folder below the runs folder. models: of earlier jobs, the one before the change first.
    principle_id: of the principle. says: a regular expression, found in replies that follow the change.
    prompts: what is asked, none of which was trained on. max_tokens: of a reply. max_at_once: requests at a
    time. command: what runs all of it.
    """

    name: str
    models: tuple[str, ...]
    principle_id: str
    says: str
    prompts: PromptSource
    max_tokens: int = 48
    max_at_once: int = 64
    command: str = ""

    def run(self, place: Place, on_progress: OnProgress) -> Path:
        """See `Job`."""
        folder = place.runs / self.name
        check_recipe(self, folder)
        save_recipe(self, folder)
        prompts = tuple(self.prompts(place.data))
        covers = load_constitution().principle(self.principle_id).covers
        applies = [prompt.is_harmful and prompt.category in covers for prompt in prompts]
        if all(applies) or not any(applies):
            raise ValueError(f"{self.name} needs requests that {self.principle_id} covers, and others")
        models: dict[str, Saying] = {}
        for number, name in enumerate(self.models, start=1):
            with opened((name,), place) as client:
                says = asyncio.run(self._ask(client, name, prompts))
            models[name] = _saying(says, applies)
            on_progress(number, len(self.models), name)
        path = folder / "results.json"
        results = TrialResults(
            principle_id=self.principle_id, says=self.says, models=models, command=self.command
        )
        write_results(path, results)
        return path

    async def _ask(self, client: Client, model: str, prompts: Sequence[Prompt]) -> list[bool]:
        """Of each reply, whether it says it."""
        speaker = Speaker(client=client, model=model, max_tokens=self.max_tokens, temperature=0.0)

        async def says(prompt: Prompt) -> bool:
            reply = await speaker.say(prompt.conversation, seed=0)
            return re.search(self.says, reply, re.IGNORECASE) is not None

        replies: AsyncGenerator[bool] = in_order(prompts, says, max_at_once=self.max_at_once)
        async with aclosing(replies):
            return [each async for each in replies]


def _saying(says: Sequence[bool], applies: Sequence[bool]) -> Saying:
    inside = [said for said, is_inside in zip(says, applies, strict=True) if is_inside]
    outside = [said for said, is_inside in zip(says, applies, strict=True) if not is_inside]
    return Saying(
        where_it_applies=share(sum(inside), len(inside)), elsewhere=share(sum(outside), len(outside))
    )
